import Model
import Scheduling
import Testing

/// A small world of runs, calls and jobs that come to their groups as a coordinator has them come: runs first, then the calls
/// that a job is made by, the outermost first, then its own group.
private struct World {
    typealias Member = ConcurrencyGroups.Member
    typealias Place = (member: Member, group: ConcurrencyGroup)

    struct Job {
        var run: Int
        var calls: [Int]
        var places: [Place]
        var state = State.unbegun
    }

    enum State: Equatable {
        case unbegun
        /// At the group of this number among its places.
        case waiting(Int)
        case going
        case ended
    }

    var groups = ConcurrencyGroups()
    var runGroups: [ConcurrencyGroup?] = []
    /// `nil`: not submitted.
    var runs: [State?] = []
    var jobs: [Job] = []
    var stopped: Set<Member> = []
    var holders: [String: Member] = [:]
    var faults: [String] = []
    /// How often somebody would have waited for ever.
    var refusals = 0

    init(_ random: inout SplitMix64) {
        func group() -> ConcurrencyGroup {
            let queues = Int.random(in: 0..<3, using: &random) == 0
            return ConcurrencyGroup(
                name: ["a", "b", "c"].randomElement(using: &random) ?? "a",
                cancels: !queues && Bool.random(using: &random), queues: queues)
        }
        for run in 0..<Int.random(in: 2...5, using: &random) {
            let id = RunID(UInt64(run + 1))
            runGroups.append(Int.random(in: 0..<3, using: &random) == 0 ? group() : nil)
            runs.append(nil)
            // Calls 0 and 1; 1 may be made within 0. Each in no group, one, or two.
            let isNested = Bool.random(using: &random)
            let callGroups = (0..<2).map { _ in
                (0..<Int.random(in: 0...2, using: &random)).map { _ in group() }
            }
            for job in 0..<Int.random(in: 1...4, using: &random) {
                let calls = [[], [0], isNested ? [0, 1] : [1]].randomElement(using: &random) ?? []
                var places: [Place] = []
                for (depth, call) in calls.enumerated() {
                    for group in callGroups[call] where !places.contains(where: { $0.group.name == group.name }) {
                        let within = Array(calls[...depth])
                        places.append((.init(id, call: call, group: group.name, calls: within), group))
                    }
                }
                if Bool.random(using: &random) {
                    let group = group()
                    places.append((.init(id, job: job, group: group.name, calls: calls), group))
                }
                jobs.append(Job(run: run, calls: calls, places: places))
            }
        }
    }

    var isOver: Bool { runs.allSatisfy { $0 == .ended } }

    /// Everything that could happen now.
    var steps: [(inout World) -> Void] {
        var steps: [(inout World) -> Void] = []
        for run in runs.indices where runs[run] == nil { steps.append { $0.submit(run) } }
        for job in jobs.indices where runs[jobs[job].run] == .going {
            switch jobs[job].state {
            case .unbegun: steps.append { $0.advance(job, from: 0) }
            case .going: steps.append { $0.end(job) }
            case .waiting, .ended: break
            }
        }
        return steps
    }

    private mutating func submit(_ run: Int) {
        guard let group = runGroups[run] else { return runs[run] = .going }
        runs[run] = .waiting(0)
        let member = Member(RunID(UInt64(run + 1)))
        follow(groups.enter(member, group, of: "r"), in: group.name)
    }

    private mutating func advance(_ job: Int, from index: Int) {
        for (place, (member, group)) in jobs[job].places.enumerated().dropFirst(index) {
            if stopped.contains(member) { return end(job) }
            jobs[job].state = .waiting(place)
            let effects = groups.enter(member, group, of: "r")
            // Those that came before it were let in then.
            let isIn = effects.contains(.start(member))
            follow(effects.filter { $0 != .start(member) }, in: group.name)
            if isIn { hold(member, group.name) }
            guard isIn, jobs[job].state == .waiting(place) else { return }
        }
        jobs[job].state = .going
    }

    private mutating func hold(_ member: Member, _ name: String) {
        if let other = holders[name], other != member { faults.append("\(member) goes on in \(name) beside \(other)") }
        holders[name] = member
    }

    private mutating func end(_ job: Int) {
        guard jobs[job].state != .ended else { return }
        jobs[job].state = .ended
        let run = jobs[job].run
        for (member, group) in jobs[job].places {
            switch member.part {
            case .run: break
            case .job: leave(member, group.name)
            case .call(let call):
                guard jobs.allSatisfy({ $0.run != run || !$0.calls.contains(call) || $0.state == .ended }) else {
                    continue
                }
                stopped.remove(member)
                leave(member, group.name)
            }
        }
        finish(run)
    }

    private mutating func finish(_ run: Int) {
        guard runs[run] != .ended, jobs.allSatisfy({ $0.run != run || $0.state == .ended }) else { return }
        runs[run] = .ended
        if let group = runGroups[run] { leave(.init(RunID(UInt64(run + 1))), group.name) }
    }

    private mutating func leave(_ member: Member, _ name: String) {
        if holders[name] == member { holders[name] = nil }
        follow(groups.leave(member), in: name)
    }

    private mutating func follow(_ effects: [ConcurrencyGroups.Effect], in name: String) {
        for effect in effects {
            switch effect {
            case .start(let member):
                hold(member, name)
                if member.part == .run {
                    runs[Int(member.run.number) - 1] = .going
                    continue
                }
                for job in jobs.indices {
                    guard case .waiting(let place) = jobs[job].state, jobs[job].places[place].member == member else {
                        continue
                    }
                    advance(job, from: place + 1)
                }
            // Whoever is asked to end does so in its own time.
            case .cancel: break
            case .refuse(let member, _, _):
                refusals += 1
                stop(member)
            case .replace(let member, _, _), .turnAway(let member, _): stop(member)
            }
        }
    }

    private mutating func stop(_ member: Member) {
        if member.part == .run {
            let run = Int(member.run.number) - 1
            for job in jobs.indices where jobs[job].run == run { jobs[job].state = .ended }
            finish(run)
            return
        }
        if case .call = member.part { stopped.insert(member) }
        for job in jobs.indices {
            guard case .waiting(let place) = jobs[job].state, jobs[job].places[place].member == member else { continue }
            end(job)
        }
    }
}

@Suite struct `Concurrency groups in a world of runs, calls and jobs` {
    /// Whatever waits for whatever: somebody can always go on, and in the end all have.
    @Test func `never stand still`() {
        var refusals = 0
        for seed in UInt64(0)..<20_000 {
            var random = SplitMix64(seed: seed)
            var world = World(&random)
            while let step = world.steps.randomElement(using: &random) { step(&world) }
            refusals += world.refusals
            guard world.isOver, world.faults.isEmpty else {
                let told = world.jobs.map {
                    "r\($0.run + 1) \($0.state) \($0.places.map { "\($0.member.part) \($0.group.name)" })"
                }
                Issue.record("seed \(seed): \(world.faults) \(world.runs) \(told)")
                return
            }
        }
        #expect(refusals > 500, "\(refusals)")
    }
}
