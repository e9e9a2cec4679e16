import Foundation
import Model
import Scheduling
import Testing

/// Figures for docs/performance.md: `SHEAF_BENCH=1 swift test --filter FarmBenchmark`. Nothing is asserted about time.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["SHEAF_BENCH"] != nil), .serialized)
struct FarmBenchmark {
    private func report(_ what: String, _ count: Int, _ taken: Duration) {
        let rate = Int(Double(count) / taken.inSeconds)
        let each = String(format: "%.2f", taken.inSeconds * 1e6 / Double(count))
        print("bench: farm: \(what): \(rate) shards/s, \(each) µs each")
    }

    private func farm(agents: Int, cpus: Int) -> (Farm, Instant) {
        var farm = Farm(seed: 1)
        var effects: [Farm.Effect] = []
        let capacity = Capacity(cpus: cpus, memory: .gibibytes(64), labels: ["linux"])
        for index in 0..<agents {
            let event = Farm.Event.agentJoined(AgentID("agent-\(index)"), team: nil, capacity: capacity, holds: [])
            farm.handle(event, at: .seconds(1), into: &effects)
        }
        return (farm, .seconds(2))
    }

    private func submit(_ farm: inout Farm, _ run: UInt64, shards: Int, cells: Int, at now: Instant) -> [Farm.Effect] {
        var effects: [Farm.Effect] = []
        let cells = (0..<cells).map { PlannedCell(id: "c\($0)", name: "c\($0)", labels: ["linux"]) }
        let plan = Plan.one(cells: cells, shards: ShardPlan(count: shards))
        let owner = Principal(role: .user, name: "ada")
        farm.handle(.runSubmitted(RunID(run), owner: owner, plan: plan), at: now, into: &effects)
        let resolution = Farm.Resolution.cells(cells, failFast: true, maxParallel: nil)
        farm.handle(.jobResolved(RunID(run), job: 0, resolution), at: now, into: &effects)
        goOn(&farm, &effects, at: now)
        return effects
    }

    private func goOn(_ farm: inout Farm, _ effects: inout [Farm.Effect], at now: Instant) {
        while effects.last(where: { !$0.isWake }) == .continueLater {
            effects.removeLast { $0 == .continueLater }
            farm.handle(.resume, at: now, into: &effects)
        }
    }

    @Test func `placing ten thousand uniform shards over a hundred agents`() {
        for (agents, cells) in [(100, 1), (100, 100), (1_000, 1)] {
            var (farm, now) = farm(agents: agents, cpus: 10_000 / agents)
            var effects: [Farm.Effect] = []
            let taken = ContinuousClock().measure {
                effects = submit(&farm, 1, shards: 10_000 / cells, cells: cells, at: now)
            }
            #expect(effects.leases.count == 10_000)
            report("lease, 10 000 free cores on \(agents) agents, \(cells) cells", 10_000, taken)
        }
    }

    /// A saturated farm: each report frees a core that the next shard takes.
    @Test(arguments: [1_000, 10_000, 100_000, 1_000_000])
    func `working off a queue`(queued: Int) {
        var (farm, now) = farm(agents: 100, cpus: 8)
        var effects = submit(&farm, 1, shards: min(10_000, queued), cells: max(1, queued / 10_000), at: now)
        let reports = min(queued, 50_000)
        var leases = effects.leases[...]
        var done = 0
        let taken = ContinuousClock().measure {
            while done < reports, let lease = leases.popFirst() {
                effects.removeAll(keepingCapacity: true)
                farm.handle(.attemptStarted(lease.attempt, by: lease.agent), at: now, into: &effects)
                farm.handle(
                    .attemptFinished(lease.attempt, by: lease.agent, Cause(.passed), listed: nil), at: now,
                    into: &effects)
                for effect in effects { if let lease = effect.lease { leases.append(lease) } }
                done += 1
            }
        }
        report("start, finish and next lease with \(queued) queued, 800 cores", done, taken)
    }

    /// Every cell asks for something else: the worst case for queues by requirement.
    @Test(arguments: [10, 100, 1_000])
    func `many requirements`(kinds: Int) {
        var (farm, now) = farm(agents: 100, cpus: 8)
        var effects: [Farm.Effect] = []
        let cells = (0..<kinds).map { index in
            PlannedCell(
                id: "c\(index)", name: "c\(index)",
                resources: ResourceRequest(memory: .mebibytes(100 + Int64(index % 1_000))))
        }
        let plan = Plan.one(cells: cells, shards: ShardPlan(count: 20_000 / kinds))
        farm.handle(
            .runSubmitted(RunID(1), owner: Principal(role: .user, name: "ada"), plan: plan), at: now, into: &effects)
        farm.handle(
            .jobResolved(RunID(1), job: 0, .cells(cells, failFast: true, maxParallel: nil)), at: now, into: &effects)
        goOn(&farm, &effects, at: now)
        var leases = effects.leases[...]
        var done = 0
        let taken = ContinuousClock().measure {
            while done < 10_000, let lease = leases.popFirst() {
                effects.removeAll(keepingCapacity: true)
                farm.handle(
                    .attemptFinished(lease.attempt, by: lease.agent, Cause(.passed), listed: nil), at: now,
                    into: &effects)
                for effect in effects { if let lease = effect.lease { leases.append(lease) } }
                done += 1
            }
        }
        report("finish and next lease with \(kinds) different requirements queued", done, taken)
    }

    @Test func `renewing a thousand leases of one agent`() {
        var (farm, now) = farm(agents: 1, cpus: 1_000)
        let attempts = submit(&farm, 1, shards: 1_000, cells: 1, at: now).leases.map(\.attempt)
        var effects: [Farm.Effect] = []
        let taken = ContinuousClock().measure {
            for _ in 0..<100 { farm.handle(.leasesRenewed("agent-0", attempts), at: now, into: &effects) }
        }
        report("renew", 100_000, taken)
    }
}

extension [Farm.Effect] {
    fileprivate mutating func removeLast(where matches: (Farm.Effect) -> Bool) {
        if let index = lastIndex(where: matches) { remove(at: index) }
    }
}
