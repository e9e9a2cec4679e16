/// What an evaluation holds, counted as GitHub counts it: by level of the tree; a scalar result lets go of what it was
/// made from, an array or object may still point into it.
struct Memory {
    private let bytesMax: Int
    private var levels: [Int] = []
    private var total = 0

    init(bytesMax: Int) { self.bytesMax = bytesMax }

    mutating func hold(_ result: Operand, at level: Int) throws(ExpressionError) {
        if result.isScalar, levels.count > level + 1 {
            total -= levels[(level + 1)...].reduce(0, +)
            levels.removeSubrange((level + 1)...)
        }
        while levels.count <= level { levels.append(0) }
        let bytes = Self.bytes(result)
        levels[level] += bytes
        total += bytes
        guard total <= bytesMax else { throw .outOfMemory }
    }

    /// The bytes of a text, with what a string costs beside its letters.
    static func bytes(_ text: String) -> Int { 26 + 2 * text.utf16.count }

    private static func bytes(_ result: Operand) -> Int {
        switch result {
        case .string(let text): bytes(text)
        case .filtered(let items): 24 + 8 * items.count
        case .null, .boolean, .number, .array, .object: 24
        }
    }
}

/// A text that grows within the limit.
struct BoundedText {
    private(set) var text = ""
    private var bytes = 0
    private let bytesMax: Int

    init(bytesMax: Int) { self.bytesMax = bytesMax }

    mutating func append(_ piece: some StringProtocol) throws(ExpressionError) {
        bytes += 2 * piece.utf16.count
        guard bytes <= bytesMax else { throw .outOfMemory }
        text += piece
    }
}
