/// A death of the coordinator around one commit.
package enum Crash: String, CaseIterable, Sendable {
    /// Nothing of it was stored.
    case before
    /// While the store was at it, and then had nothing of it.
    case during
    /// While the store was at it, and then had all of it: what was decided meanwhile is lost.
    case duringStored
    /// All of it was stored, and nobody heard.
    case after
    /// Its effects left, too.
    case afterEffects
}

/// Which of a world's commits it is, counted from 1, and how.
package struct Death: Equatable, Sendable {
    package var commit: Int
    package var crash: Crash

    package init(commit: Int, _ crash: Crash) {
        self.commit = commit
        self.crash = crash
    }
}

extension Death {
    var words: String { "dies:\(commit)=\(crash.rawValue)" }

    init?(_ word: String) {
        let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
        guard parts.count == 2, parts[0].hasPrefix("dies:"), let commit = Int(parts[0].dropFirst(5)), commit > 0,
            let crash = Crash(rawValue: parts[1])
        else { return nil }
        self.init(commit: commit, crash)
    }
}
