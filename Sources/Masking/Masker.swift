/// Takes secrets out of a stream of bytes: every stretch that belongs to an occurrence of one, overlapping occurrences
/// included, becomes one `***`. How the stream is divided into writes changes nothing.
///
/// What may yet turn out to be the start of a secret is held back: less than the longest spelling of one, and nothing
/// where the last bytes begin none.
package struct Masker: Sendable {
    package static let mask = Array("***".utf8)

    private var secrets: Secrets
    private var state = Automaton.root
    /// Bytes that were read and not given out; the first has the position `emitted`.
    private var held: [UInt8] = []
    private var emitted = 0
    /// Stretches of secrets among the held bytes, by position: in order, apart from each other.
    private var covered: [Range<Int>] = []
    /// Whether the last byte that was given out belongs to a stretch whose `***` was written.
    private var insideMask = false
    /// How many stretches were masked until now.
    package private(set) var maskedCount = 0

    package init(_ secrets: Secrets) { self.secrets = secrets }

    /// How many bytes are held back.
    package var heldBytes: Int { held.count }

    /// Looks for these values from now on, in what is held back too. They contain all the earlier ones.
    package mutating func update(_ secrets: Secrets) {
        self.secrets = secrets
        state = Automaton.root
        let before = covered
        covered = []
        for (index, byte) in held.enumerated() { advance(byte, end: emitted + index + 1) }
        // An occurrence may have begun before the held bytes: what was covered stays covered.
        var merged: [Range<Int>] = []
        for run in (before + covered).sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = merged.last, last.upperBound >= run.lowerBound {
                merged[merged.count - 1] = last.lowerBound..<max(last.upperBound, run.upperBound)
            } else {
                merged.append(run)
            }
        }
        covered = merged
    }

    /// Takes the next bytes and gives those that are decided.
    package mutating func write(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        for byte in bytes {
            held.append(byte)
            advance(byte, end: emitted + held.count)
        }
        var decided = emitted + max(0, held.count - secrets.automaton.depth(of: state))
        // A secret that is complete stays one, whatever follows: its mask need not wait.
        if let run = covered.first(where: { $0.upperBound > decided }), run.lowerBound <= decided {
            decided = run.upperBound
        }
        var output: [UInt8] = []
        emit(decided - emitted, into: &output)
        return output
    }

    /// Gives the rest: the stream has ended.
    package mutating func finish() -> [UInt8] {
        var output: [UInt8] = []
        emit(held.count, into: &output)
        state = Automaton.root
        insideMask = false
        return output
    }

    private mutating func advance(_ byte: UInt8, end: Int) {
        state = secrets.automaton.next(state, byte)
        let length = secrets.automaton.longestMatch(at: state)
        guard length > 0 else { return }
        var run = end - length..<end
        // Each stretch is put in once and taken out once.
        while let last = covered.last, last.upperBound >= run.lowerBound {
            run = min(last.lowerBound, run.lowerBound)..<max(last.upperBound, run.upperBound)
            covered.removeLast()
        }
        covered.append(run)
    }

    private mutating func emit(_ count: Int, into output: inout [UInt8]) {
        let end = emitted + count
        let start = emitted
        var position = emitted
        var done = 0
        for run in covered {
            guard run.lowerBound < end else { break }
            if run.lowerBound > position {
                output += held[position - start..<run.lowerBound - start]
                insideMask = false
            }
            if !insideMask {
                output += Self.mask
                maskedCount += 1
            }
            insideMask = true
            position = min(run.upperBound, end)
            guard run.upperBound <= end else { break }
            done += 1
        }
        covered.removeFirst(done)
        if position < end {
            output += held[position - start..<end - start]
            insideMask = false
        }
        held.removeFirst(count)
        emitted = end
    }
}
