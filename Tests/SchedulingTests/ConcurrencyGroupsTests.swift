import Model
import Scheduling
import Testing

@Suite struct `Concurrency groups` {
    private typealias Groups = ConcurrencyGroups
    private func run(_ number: UInt64) -> ConcurrencyGroups.Member { .init(RunID(number)) }

    @Test func `let one go on and one wait, and the newest waits`() {
        var groups = Groups()
        #expect(groups.enter(run(1), ConcurrencyGroup(name: "a"), of: "r") == [.start(run(1))])
        #expect(groups.enter(run(2), ConcurrencyGroup(name: "A"), of: "r") == [])
        #expect(groups.blocker(of: run(2))?.holder == run(1))
        #expect(
            groups.enter(run(3), ConcurrencyGroup(name: "a"), of: "r") == [.replace(run(2), by: run(3), group: "a")])
        #expect(groups.blocker(of: run(2)) == nil)
        // Asked again, nothing changes.
        #expect(groups.enter(run(3), ConcurrencyGroup(name: "a", cancels: true), of: "r") == [])
        #expect(groups.enter(run(1), ConcurrencyGroup(name: "a"), of: "r") == [.start(run(1))])
        #expect(groups.leave(run(2)) == [])
        #expect(groups.leave(run(1)) == [.start(run(3))])
        #expect(groups.leave(run(3)) == [] && groups.leave(run(3)) == [])
        #expect(groups.enter(run(4), ConcurrencyGroup(name: "a"), of: "r") == [.start(run(4))])
    }

    @Test func `cancel who goes on, where the newer one says so, and wait for its end`() {
        var groups = Groups()
        _ = groups.enter(run(1), ConcurrencyGroup(name: "a", cancels: true), of: "r")
        #expect(
            groups.enter(run(2), ConcurrencyGroup(name: "a", cancels: true), of: "r") == [
                .cancel(run(1), for: run(2), group: "a")
            ])
        #expect(groups.leave(run(1)) == [.start(run(2))])
    }

    @Test func `cancel nobody for one that has to wait for others anyway`() {
        var groups = Groups()
        _ = groups.enter(run(1), ConcurrencyGroup(name: "a", queues: true), of: "r")
        _ = groups.enter(run(2), ConcurrencyGroup(name: "a", queues: true), of: "r")
        #expect(groups.enter(run(3), ConcurrencyGroup(name: "a", cancels: true), of: "r") == [])
        #expect(groups.blocker(of: run(3)) == .init(holder: run(1), group: "a", ahead: 1))
        // A newer one of its kind takes its place, and waits as it did.
        #expect(
            groups.enter(run(4), ConcurrencyGroup(name: "a", cancels: true), of: "r") == [
                .replace(run(3), by: run(4), group: "a")
            ])
        #expect(groups.leave(run(1)) == [.start(run(2))])
        #expect(
            groups.enter(run(5), ConcurrencyGroup(name: "a", cancels: true), of: "r") == [
                .replace(run(4), by: run(5), group: "a"), .cancel(run(2), for: run(5), group: "a"),
            ])
    }

    @Test func `are apart by name and repository`() {
        var groups = Groups()
        for (number, (name, repository)) in [("a", "r"), ("b", "r"), ("a", "s")].enumerated() {
            let member = run(UInt64(number + 1))
            #expect(groups.enter(member, ConcurrencyGroup(name: name), of: repository) == [.start(member)])
        }
    }

    @Test func `take cells of a job together, beside runs`() {
        var groups = Groups()
        let cells = ConcurrencyGroups.Member(RunID(1), job: 0, group: "A")
        #expect(cells == ConcurrencyGroups.Member(RunID(1), job: 0, group: "a"))
        #expect(groups.enter(cells, ConcurrencyGroup(name: "A"), of: "r") == [.start(cells)])
        #expect(
            groups.enter(run(2), ConcurrencyGroup(name: "a", cancels: true), of: "r") == [
                .cancel(cells, for: run(2), group: "A")
            ])
        #expect(groups.leave(cells) == [.start(run(2))])
    }

    /// A run that is in a group as a whole, and whose own cells would have to wait for it; also by way of another run.
    @Test func `let nobody wait for what waits for it`() {
        var groups = Groups()
        let (own, other) = (Groups.Member(RunID(1), job: 0, group: "b"), Groups.Member(RunID(2), job: 0, group: "a"))
        let same = Groups.Member(RunID(1), job: 1, group: "a")
        _ = groups.enter(run(1), ConcurrencyGroup(name: "a"), of: "r")
        _ = groups.enter(run(2), ConcurrencyGroup(name: "b"), of: "r")
        #expect(
            groups.enter(same, ConcurrencyGroup(name: "a", cancels: true), of: "r") == [
                .refuse(same, holder: run(1), group: "a")
            ])
        #expect(groups.enter(own, ConcurrencyGroup(name: "b"), of: "r") == [])
        #expect(
            groups.enter(other, ConcurrencyGroup(name: "a"), of: "r") == [.refuse(other, holder: run(1), group: "a")])
        // What was refused is in no group.
        #expect(groups.leave(other) == [] && groups.leave(same) == [])
        #expect(groups.leave(run(2)) == [.start(own)])
    }

    @Test func `let those that queue wait in their order, and nobody take their places`() {
        var groups = Groups()
        let queue = ConcurrencyGroup(name: "a", queues: true)
        for number in UInt64(1)...3 { _ = groups.enter(run(number), queue, of: "r") }
        // One that does not queue waits behind them, and its place may be taken.
        #expect(groups.enter(run(4), ConcurrencyGroup(name: "a", cancels: true), of: "r") == [])
        #expect(groups.enter(run(5), ConcurrencyGroup(name: "a"), of: "r").map(Self.name) == ["replace 4"])
        #expect(groups.enter(run(6), queue, of: "r") == [])
        for next in [2, 3, 5, 6] as [UInt64] {
            #expect(groups.blocker(of: run(next)) != nil)
            let holder = ([2: 1, 3: 2, 5: 3, 6: 5] as [UInt64: UInt64])[next] ?? 0
            #expect(groups.leave(run(holder)) == [.start(run(next))])
        }
        for number in UInt64(7)..<107 { #expect(groups.enter(run(number), queue, of: "r") == []) }
        #expect(groups.enter(run(200), queue, of: "r") == [.turnAway(run(200), group: "a")])
        #expect(groups.leave(run(50)) == [] && groups.enter(run(200), queue, of: "r") == [])
    }

    private static func name(_ effect: ConcurrencyGroups.Effect) -> String {
        switch effect {
        case .start(let member): "start \(member.run.number)"
        case .replace(let member, _, _): "replace \(member.run.number)"
        case .cancel(let member, _, _): "cancel \(member.run.number)"
        case .refuse(let member, _, _): "refuse \(member.run.number)"
        case .turnAway(let member, _): "turnAway \(member.run.number)"
        }
    }

    /// A call goes on until its last job has ended, so what its own jobs wait for counts as what it waits for.
    @Test func `let no call wait for what waits for it`() {
        var groups = Groups()
        let (a, b) = (ConcurrencyGroup(name: "a"), ConcurrencyGroup(name: "b"))
        let outer = Groups.Member(RunID(1), call: 0, group: "a", calls: [0])
        let inner = Groups.Member(RunID(1), call: 1, group: "b", calls: [0, 1])
        #expect(groups.enter(outer, a, of: "r") == [.start(outer)])
        // Cells of the call in a group that the call itself is in; those of another call of the run wait.
        let own = Groups.Member(RunID(1), job: 3, group: "a", calls: [0])
        #expect(groups.enter(own, a, of: "r") == [.refuse(own, holder: outer, group: "a")])
        let beside = Groups.Member(RunID(1), job: 4, group: "a", calls: [2])
        #expect(groups.enter(beside, a, of: "r") == [])
        // Two calls of two runs, each in the group that a part of the other one wants.
        let other = Groups.Member(RunID(2), call: 0, group: "b", calls: [0])
        #expect(groups.enter(other, b, of: "r") == [.start(other)])
        #expect(groups.enter(inner, b, of: "r") == [])
        let crossing = Groups.Member(RunID(2), job: 1, group: "a", calls: [0])
        #expect(groups.enter(crossing, a, of: "r") == [.refuse(crossing, holder: outer, group: "a")])
        #expect(groups.members(ofCall: 0, in: RunID(1)) == [outer])
        #expect(groups.leave(other) == [.start(inner)])
        #expect(groups.isGoingOn(inner) && !groups.isGoingOn(beside))
        #expect(groups.leave(outer) == [.start(beside)])
    }

    /// Many comings and goings: never two of a group go on, nobody waits for a free group, who queues starts in turn, and
    /// who does not waits alone.
    @Test func `never let two go on at once`() {
        for seed in UInt64(0)..<300 {
            var random = SplitMix64(seed: seed)
            var groups = Groups()
            var going: [String: ConcurrencyGroups.Member] = [:]
            var waiting: [String: [(member: ConcurrencyGroups.Member, queues: Bool)]] = [:]
            func follow(_ effects: [ConcurrencyGroups.Effect], _ name: String) {
                for effect in effects {
                    switch effect {
                    case .start(let member):
                        #expect(going[name] == nil, "seed \(seed)")
                        if let next = waiting[name]?.first {
                            #expect(next.member == member, "seed \(seed)")
                            waiting[name]?.removeFirst()
                        }
                        going[name] = member
                    case .replace(let older, let newer, _):
                        let known = waiting[name]?.first { $0.member == older }
                        #expect(known?.queues == false && older < newer, "seed \(seed)")
                        waiting[name]?.removeAll { $0.member == older }
                    case .cancel(let holder, _, _):
                        // Behind others that queue, the newer one would gain nothing by it.
                        #expect(going[name] == holder && waiting[name, default: []].isEmpty, "seed \(seed)")
                    case .refuse, .turnAway: Issue.record("seed \(seed): nobody here waits for another group")
                    }
                }
            }
            for number in UInt64(1)...60 {
                let name = ["a", "b"].randomElement(using: &random) ?? "a"
                if Bool.random(using: &random) {
                    let member = run(number)
                    let queues = Bool.random(using: &random)
                    let group = ConcurrencyGroup(
                        name: name, cancels: !queues && Bool.random(using: &random), queues: queues)
                    let effects = groups.enter(member, group, of: "")
                    follow(effects, name)
                    if !effects.contains(.start(member)) { waiting[name, default: []].append((member, queues)) }
                } else if Bool.random(using: &random), let member = going[name] {
                    going[name] = nil
                    let next = waiting[name]?.first?.member
                    follow(groups.leave(member), name)
                    #expect(going[name] == next, "seed \(seed)")
                } else if let member = waiting[name]?.randomElement(using: &random)?.member {
                    waiting[name]?.removeAll { $0.member == member }
                    #expect(groups.leave(member) == [], "seed \(seed)")
                }
                for (name, members) in waiting {
                    #expect(members.count { !$0.queues } <= 1, "seed \(seed)")
                    for (place, one) in members.enumerated() {
                        let blocker = groups.blocker(of: one.member)
                        #expect(blocker?.holder == going[name] && blocker?.ahead == place, "seed \(seed)")
                    }
                }
            }
        }
    }
}
