/// Finds all of many patterns in one pass (Aho and Corasick, CACM 18, 1975): on average less than two steps a byte,
/// whatever the patterns are.
struct Automaton: Sendable {
    static let root: Int32 = 0

    // Nodes are numbered breadth first, so that the children of one stand side by side.

    /// The byte that leads to a node.
    private var letter: [UInt8] = [0]
    /// A node's children are `firstChild[n]..<firstChild[n + 1]`.
    private var firstChild: [Int32] = []
    /// The node of the longest proper suffix that begins a pattern.
    private var fallback: [Int32] = [0]
    private var depths: [Int32] = [0]
    /// The longest pattern that ends at a node; 0 for none.
    private var matches: [Int32] = [0]
    /// Where each byte leads from the root: most bytes of a log lead back to it.
    private var fromRoot = [Int32](repeating: 0, count: 256)

    /// - Parameter patterns: sorted, each once, none empty.
    init(_ patterns: [[UInt8]]) {
        // The patterns that begin with what leads to each node.
        var holders = [0..<patterns.count]
        var node = 0
        while node < holders.count {
            firstChild.append(Int32(holders.count))
            let depth = Int(depths[node])
            var index = holders[node].lowerBound
            if index < holders[node].upperBound, patterns[index].count == depth {
                matches[node] = Int32(depth)
                index += 1
            }
            while index < holders[node].upperBound {
                let byte = patterns[index][depth]
                var end = index + 1
                while end < holders[node].upperBound, patterns[end][depth] == byte { end += 1 }
                let child = Int32(holders.count)
                holders.append(index..<end)
                letter.append(byte)
                depths.append(Int32(depth + 1))
                matches.append(0)
                if node == 0 { fromRoot[Int(byte)] = child }
                index = end
            }
            node += 1
        }
        firstChild.append(Int32(holders.count))

        // A node's fallback is shallower, so it is ready when the node's turn comes.
        fallback = [Int32](repeating: 0, count: holders.count)
        for parent in holders.indices {
            for child in firstChild[parent]..<firstChild[parent + 1] where parent != 0 {
                fallback[Int(child)] = next(fallback[parent], letter[Int(child)])
            }
        }
        for node in holders.indices where matches[node] == 0 { matches[node] = matches[Int(fallback[node])] }
    }

    func depth(of state: Int32) -> Int { Int(depths[Int(state)]) }
    func longestMatch(at state: Int32) -> Int { Int(matches[Int(state)]) }

    func next(_ state: Int32, _ byte: UInt8) -> Int32 {
        var state = state
        while state != Self.root {
            if let child = child(of: state, byte) { return child }
            state = fallback[Int(state)]
        }
        return fromRoot[Int(byte)]
    }

    private func child(of state: Int32, _ byte: UInt8) -> Int32? {
        var low = firstChild[Int(state)]
        var high = firstChild[Int(state) + 1]
        while low < high {
            let middle = low + (high - low) / 2
            let found = letter[Int(middle)]
            if found == byte { return middle }
            if found < byte { low = middle + 1 } else { high = middle }
        }
        return nil
    }
}
