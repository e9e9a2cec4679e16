import Model
import Testing

@Suite struct `What was meant` {
    @Test(arguments: [
        ("jugde", "judge"), ("evnt", "event"), ("contians", "contains"), ("retry_on", "retry-on"), ("os", "oss"),
        ("branches", "branch"), ("timout-minuts", "timeout-minutes"),
    ])
    func `is near to what was typed`(typed: String, meant: String) {
        #expect(Spelling.nearest(to: typed, among: ["strategy", meant, "needs"]) == meant)
    }

    /// A guess that is far off teaches nothing.
    @Test(arguments: [("zzz", "needs"), ("tags", "name"), ("test", "tier"), ("lint", "list-of"), ("ab", "xy")])
    func `is not guessed at from afar`(typed: String, other: String) {
        #expect(Spelling.nearest(to: typed, among: [other]) == nil)
    }
}
