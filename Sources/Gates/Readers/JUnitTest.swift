import Model

/// A test as a JUnit report has it, while it is read.
struct JUnitTest {
    var id: String
    var line: Int
    var seconds: Item.Number?
    var hasFailed = false
    var hasErred = false
    var wasSkipped = false
    /// The report names it although nobody meant it to run.
    var wasLeftOut = false
    /// Other tries of it failed, and it passed.
    var isFlaky = false
    /// Other tries of it failed; whether this one did is told by itself.
    var wasTriedAgain = false
    /// What its `status` and `result` say.
    private var words: [Word?] = []
    private var wasNotRun = false
    private var isSuppressed = false

    init(id: String, line: Int) {
        self.id = id
        self.line = line
    }

    /// What tools say of a test that ran well, of one that did not, and of one that was left out: gtest and ctest, NUnit, Qt,
    /// Ginkgo, behave, and what others might.
    private enum Word {
        case good, bad, skipped

        private static let goodWords: Set<String> = [
            "run", "pass", "passed", "ok", "success", "successful", "succeeded", "complete", "completed", "executed",
            "finished",
            "bpass", "warning",
        ]
        private static let badWords: Set<String> = [
            "fail", "failed", "failure", "error", "errored", "broken", "crash", "crashed", "abort", "aborted",
            "timeout",
            "timedout", "timed_out", "killed", "cancelled", "canceled", "incomplete", "interrupted", "panicked",
            "undefined",
            "hook_error", "xpass", "xpassed",
        ]
        private static let skippedWords: Set<String> = [
            "skip", "skipped", "notrun", "not_run", "disabled", "suppressed", "ignored", "pending", "xfail", "xfailed",
            "filtered", "inconclusive", "untested", "bfail", "bxfail", "bxpass", "bskip",
        ]

        init?(_ word: String) {
            let word = word.lowercased()
            if Self.goodWords.contains(word) {
                self = .good
            } else if Self.badWords.contains(word) {
                self = .bad
            } else if Self.skippedWords.contains(word) {
                self = .skipped
            } else {
                return nil
            }
        }
    }

    /// Takes what the attributes `status` and `result` say.
    mutating func take(status: String?, result: String?) {
        words = [status, result].compactMap { $0 }.filter { !$0.isEmpty }.map { Word($0) }
        wasNotRun = status == "notrun"
        isSuppressed = result == "suppressed"
    }

    /// Takes the element `skipped`.
    mutating func skip(_ message: String?) {
        wasSkipped = true
        // ctest says so of a test whose program was not built, or whose fixture failed, and itself fails; only what a test asked for
        // has one of these reasons.
        let isWanted = ["SKIP_RETURN_CODE", "SKIP_REGULAR_EXPRESSION"].contains { message?.hasPrefix($0) == true }
        if wasNotRun && !isWanted { hasErred = true }
    }

    /// Whether it went wrong by a word alone, now that all its elements are read. An element decides where a word is unknown.
    mutating func conclude() -> Bool {
        let isBad = hasFailed || hasErred
        // gtest lists what it was told to leave out, and has no element for it.
        wasLeftOut = isSuppressed || wasNotRun && !wasSkipped
        if words.contains(.bad), !isBad { hasFailed = true }
        if words.contains(nil), !isBad, !wasSkipped { hasErred = true }
        wasSkipped = wasSkipped || words.contains(.skipped)
        return (hasFailed || hasErred) && !isBad
    }
}
