/// The keys of the last object at each depth, in order: records of one kind repeat them.
///
/// A key that stands again where it stood is recognized by its bytes, without looking for its end, and its text is made
/// once. What is known at a depth is always the beginning of one object, with no key twice where that was refused: keys
/// that are recognized from the first on need no search for repeated ones.
struct KeyMemory {
    private struct Key {
        var text: String
        /// Where its bytes stand among those of the text; keys with escapes are not remembered.
        var start: Int
        var count: Int
        /// How many of them begin no character.
        var continuations: Int
    }

    private var depths: [[Key]] = []
    private static let depthMax = 8
    private static let keysMax = 64

    /// How many keys are known at a depth.
    func count(at depth: Int) -> Int { depth < depths.count ? depths[depth].count : 0 }

    /// The key of that number when it stands here again, closing quote and all.
    func key(
        _ number: Int, at depth: Int, in bytes: Span<UInt8>, from start: Int, to end: Int
    ) -> (text: String, count: Int, continuations: Int)? {
        guard depth < depths.count, number < depths[depth].count else { return nil }
        let key = depths[depth][number]
        guard start + key.count < end, bytes[start + key.count] == UInt8(ascii: "\"") else { return nil }
        guard bytes.bytes.isSame(start, key.start, count: key.count) else { return nil }
        return (key.text, key.count, key.continuations)
    }

    /// Keeps a key for the next object; the keys known after it belong to another kind of object.
    mutating func remember(
        _ text: String, _ number: Int, at depth: Int, from start: Int, to end: Int
    ) {
        guard depth < Self.depthMax, number < Self.keysMax else { return }
        while depths.count <= depth { depths.append([]) }
        guard number <= depths[depth].count else { return }
        depths[depth].removeSubrange(number...)
        guard text.utf8.count == end - start else { return }
        let continuations = text.utf8.count { $0 & 0xC0 == 0x80 }
        depths[depth].append(Key(text: text, start: start, count: end - start, continuations: continuations))
    }
}
