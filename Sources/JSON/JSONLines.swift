package import Model

/// Reads JSON Lines: one value a line, each with the line's number; empty lines are passed over.
package struct JSONLines: Sequence, IteratorProtocol {
    /// A line that is bad stands alone: the next one can be read.
    package struct Record<Content> {
        /// From 1.
        package var line: Int
        package var result: Result<Content, JSONError>
    }

    private let bytes: [UInt8]
    private let lineBytesMax: Int
    private let repeatedKeys: JSONParser.RepeatedKeys
    private let depthMax: Int
    private var position = 0
    private var line = 0
    private var keys = KeyMemory()

    /// - Parameter lineBytesMax: a longer line is an error as a record; as a line it is handed over.
    package init(
        _ bytes: [UInt8], lineBytesMax: Int = Limits.messageBytesMax, repeatedKeys: JSONParser.RepeatedKeys = .refuse,
        depthMax: Int = Limits.nestingMax
    ) {
        self.bytes = bytes
        self.lineBytesMax = lineBytesMax
        self.repeatedKeys = repeatedKeys
        self.depthMax = depthMax
    }

    /// - Returns: the next line that holds something, without its line end, and its number from 1.
    package mutating func next() -> (line: Int, bytes: [UInt8])? {
        nextRange().map { (line, Array(bytes[$0])) }
    }

    /// The next line, parsed where it stands. Errors name the line of the whole text.
    package mutating func nextValue() -> Record<Value>? { record(as: ValueBuilder.self) }

    /// The next line with places, parsed where it stands.
    package mutating func nextNode() -> Record<JSONNode>? { record(as: NodeBuilder.self) }

    private mutating func record<Builder: TreeBuilder>(as builder: Builder.Type) -> Record<Builder.Tree>? {
        guard let range = nextRange() else { return nil }
        guard range.count <= lineBytesMax else {
            let problem = "the line has \(range.count) bytes, more than \(lineBytesMax)"
            return Record(
                line: line, result: .failure(JSONError(line: line, column: 1, problem: problem, found: "")))
        }
        do throws(JSONError) {
            let tree = try Scanner<Builder>.parse(bytes, range, line, repeatedKeys, depthMax, &keys)
            return Record(line: line, result: .success(tree))
        } catch {
            return Record(line: line, result: .failure(error))
        }
    }

    private mutating func nextRange() -> Range<Int>? {
        while position < bytes.count {
            let range = position..<bytes.span.bytes.firstPlace(of: 0x0A, from: position)
            position = range.upperBound + 1
            line += 1
            for index in range where bytes[index] != 0x20 && bytes[index] != 0x09 && bytes[index] != 0x0D {
                return range
            }
        }
        return nil
    }
}
