/// Cuts a text into lines for JSON Lines, each with its number; empty lines are passed over.
package struct JSONLines: Sequence, IteratorProtocol {
    private let bytes: [UInt8]
    private var position = 0
    private var line = 0

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// - Returns: the next line that holds something, without its line end, and its number from 1.
    package mutating func next() -> (line: Int, bytes: [UInt8])? {
        while position < bytes.count {
            let end = bytes[position...].firstIndex(of: 0x0A) ?? bytes.count
            let content = bytes[position..<end]
            position = end + 1
            line += 1
            if content.contains(where: { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }) { return (line, Array(content)) }
        }
        return nil
    }
}
