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
    /// A `\r` came last: what comes next takes the place of what is there, as on a terminal.
    private var isReturned = false

    init(bytesMax: Int = Limits.logLineBytesMax) { self.bytesMax = bytesMax }

    /// What came after the last newline so far.
    var unfinished: Line { Line(bytes: partial, isCut: isCut) }

    /// Takes the next bytes and hands out each line that they end. A `\r` before the `\n` is dropped; of a line that is
    /// written over and over, as progress is shown, the last state stays.
    ///
    /// - Parameter showingProgress: hands out the first state that is written over here, too: nothing was shown for long.
    mutating func take(_ bytes: ArraySlice<UInt8>, showingProgress: Bool = false, _ line: (Line) -> Void) {
        var isShowing = showingProgress
        var rest = bytes
        while let end = rest.firstIndex(where: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) {
            append(rest[..<end], &isShowing, line)
            if rest[end] == UInt8(ascii: "\n") { emit(line) } else { isReturned = true }
            rest = rest[(end + 1)...]
        }
        append(rest, &isShowing, line)
    }

    /// Hands out what came after the last newline.
    mutating func finish(_ line: (Line) -> Void) {
        if !partial.isEmpty || isCut { emit(line) }
        isReturned = false
    }

    private mutating func append(_ bytes: ArraySlice<UInt8>, _ isShowing: inout Bool, _ line: (Line) -> Void) {
        guard !bytes.isEmpty else { return }
        if isReturned, !partial.isEmpty {
            // A command is one whatever is written over it.
            if isShowing || partial.starts(with: "::".utf8) {
                emit(line)
                isShowing = false
            }
            partial.removeAll(keepingCapacity: true)
            isCut = false
        }
        isReturned = false
        let room = bytesMax - partial.count
        partial += bytes.prefix(room)
        if bytes.count > room { isCut = true }
    }

    private mutating func emit(_ line: (Line) -> Void) {
        line(Line(bytes: partial, isCut: isCut))
        partial.removeAll(keepingCapacity: true)
        isCut = false
        isReturned = false
    }
}
