import Model
import Scheduling
import Testing

@Suite struct `Concurrency groups` {
    private typealias Groups = ConcurrencyGroups
    private func run(_ number: UInt64) -> ConcurrencyGroups.Member { .init(RunID(number)) }

    @Test func `let one go on and one wait, and the newest waits`() {
        var groups = Groups()
        #expect(groups.enter(run(1), group: "a", of: "r", cancelling: false) == [.start(run(1))])
        #expect(groups.enter(run(2), group: "A", of: "r", cancelling: false) == [])
        #expect(groups.blocker(of: run(2))?.holder == run(1))
        #expect(
            groups.enter(run(3), group: "a", of: "r", cancelling: false) == [.replace(run(2), by: run(3), group: "a")])
        #expect(groups.blocker(of: run(2)) == nil)
        // Asked again, nothing changes.
        #expect(groups.enter(run(3), group: "a", of: "r", cancelling: true) == [])
        #expect(groups.enter(run(1), group: "a", of: "r", cancelling: false) == [.start(run(1))])
        #expect(groups.leave(run(2)) == [])
        #expect(groups.leave(run(1)) == [.start(run(3))])
        #expect(groups.leave(run(3)) == [] && groups.leave(run(3)) == [])
        #expect(groups.enter(run(4), group: "a", of: "r", cancelling: false) == [.start(run(4))])
    }

    @Test func `cancel who goes on, where the newer one says so, and wait for its end`() {
        var groups = Groups()
        _ = groups.enter(run(1), group: "a", of: "r", cancelling: true)
        #expect(
            groups.enter(run(2), group: "a", of: "r", cancelling: true) == [.cancel(run(1), for: run(2), group: "a")])
        #expect(groups.leave(run(1)) == [.start(run(2))])
    }

    @Test func `are apart by name and repository`() {
        var groups = Groups()
        for (number, (name, repository)) in [("a", "r"), ("b", "r"), ("a", "s")].enumerated() {
            let member = run(UInt64(number + 1))
            #expect(groups.enter(member, group: name, of: repository, cancelling: false) == [.start(member)])
        }
    }

    @Test func `take cells of a job together, beside runs`() {
        var groups = Groups()
        let cells = ConcurrencyGroups.Member(RunID(1), job: 0, group: "A")
        #expect(cells == ConcurrencyGroups.Member(RunID(1), job: 0, group: "a"))
        #expect(groups.enter(cells, group: "A", of: "r", cancelling: false) == [.start(cells)])
        #expect(
            groups.enter(run(2), group: "a", of: "r", cancelling: true) == [.cancel(cells, for: run(2), group: "A")])
        #expect(groups.leave(cells) == [.start(run(2))])
    }

    /// A run that is in a group as a whole, and whose own cells would have to wait for it; also by way of another run.
    @Test func `let nobody wait for what waits for it`() {
        var groups = Groups()
        let (own, other) = (Groups.Member(RunID(1), job: 0, group: "b"), Groups.Member(RunID(2), job: 0, group: "a"))
        let same = Groups.Member(RunID(1), job: 1, group: "a")
        _ = groups.enter(run(1), group: "a", of: "r", cancelling: false)
        _ = groups.enter(run(2), group: "b", of: "r", cancelling: false)
        #expect(
            groups.enter(same, group: "a", of: "r", cancelling: true) == [.refuse(same, holder: run(1), group: "a")])
        #expect(groups.enter(own, group: "b", of: "r", cancelling: false) == [])
        #expect(
            groups.enter(other, group: "a", of: "r", cancelling: false) == [.refuse(other, holder: run(1), group: "a")])
        // What was refused is in no group.
        #expect(groups.leave(other) == [] && groups.leave(same) == [])
        #expect(groups.leave(run(2)) == [.start(own)])
    }

    /// Many comings and goings: never two of a group go on, nobody waits for a free group, and who starts had waited.
    @Test func `never let two go on at once`() {
        for seed in UInt64(0)..<300 {
            var random = SplitMix64(seed: seed)
            var groups = Groups()
            var going: [String: ConcurrencyGroups.Member] = [:]
            var waiting: [String: ConcurrencyGroups.Member] = [:]
            func follow(_ effects: [ConcurrencyGroups.Effect], _ name: String) {
                for effect in effects {
                    switch effect {
                    case .start(let member):
                        #expect(going[name] == nil, "seed \(seed)")
                        going[name] = member
                        if waiting[name] == member { waiting[name] = nil }
                    case .replace(let older, let newer, _):
                        #expect(waiting[name] == older && older < newer, "seed \(seed)")
                        waiting[name] = nil
                    case .cancel(let holder, _, _): #expect(going[name] == holder, "seed \(seed)")
                    case .refuse: Issue.record("seed \(seed): nobody here waits for another group")
                    }
                }
            }
            for number in UInt64(1)...60 {
                let name = ["a", "b"].randomElement(using: &random) ?? "a"
                if Bool.random(using: &random) {
                    let member = run(number)
                    let effects = groups.enter(member, group: name, of: "", cancelling: Bool.random(using: &random))
                    follow(effects, name)
                    if !effects.contains(.start(member)) { waiting[name] = member }
                } else if Bool.random(using: &random), let member = going[name] {
                    going[name] = nil
                    follow(groups.leave(member), name)
                    #expect(waiting[name] == nil, "seed \(seed)")
                } else if let member = waiting[name] {
                    waiting[name] = nil
                    follow(groups.leave(member), name)
                }
                for (name, member) in waiting {
                    #expect(groups.blocker(of: member)?.holder == going[name], "seed \(seed)")
                }
            }
        }
    }
}
