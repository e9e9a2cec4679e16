import Model

/// Cuts a stream of bytes into lines, whatever the bytes are: longer lines are cut and marked, and memory is bounded.
struct LineAssembler {
    struct Line: Equatable {
        var bytes: [UInt8]
        /// The line was longer than the limit; the rest of it is dropped.
        var isCut: Bool
    }

    private let bytesMax: Int
    private var partial: [UInt8] = []
    private var isCut = false

    init(bytesMax: Int = Limits.logLineBytesMax) { self.bytesMax = bytesMax }

    /// Takes the next bytes and hands out each line that they end. A `\r` before the `\n` is dropped.
    mutating func take(_ bytes: ArraySlice<UInt8>, _ line: (Line) -> Void) {
        var rest = bytes
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            append(rest[..<end])
            emit(line)
            rest = rest[(end + 1)...]
        }
        append(rest)
    }

    /// Hands out what came after the last newline.
    mutating func finish(_ line: (Line) -> Void) {
        if !partial.isEmpty || isCut { emit(line) }
    }

    private mutating func append(_ bytes: ArraySlice<UInt8>) {
        let room = bytesMax - partial.count
        partial += bytes.prefix(room)
        if bytes.count > room { isCut = true }
    }

    private mutating func emit(_ line: (Line) -> Void) {
        if !isCut, partial.last == UInt8(ascii: "\r") { partial.removeLast() }
        line(Line(bytes: partial, isCut: isCut))
        partial.removeAll(keepingCapacity: true)
        isCut = false
    }
}
