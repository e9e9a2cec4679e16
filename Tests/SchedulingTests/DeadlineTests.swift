import Model
import Scheduling
import Testing

@Suite struct `A run with a deadline` {
    private static func plan() -> Plan {
        var plan = Plan.one(cells: PlannedCell.named("x"), shards: ShardPlan(count: 2))
        plan.deadline = .minutes(90)
        return plan
    }

    private static func reached(_ effects: [Farm.Effect]) -> [String] {
        effects.compactMap { if case .deadlineReached(_, let reason) = $0 { reason } else { nil } }
    }

    @Test func `is to be cancelled when that has passed, and once`() {
        var stage = Stage()
        stage.join("a")
        stage.submit(1, Self.plan())
        #expect(Self.reached(stage.work(.minutes(89))).isEmpty)
        #expect(Self.reached(stage.work(.minutes(2))) == ["1 h 30 min have passed since the farm took it"])
        stage(.runCancelled(RunID(1), by: "its deadline", reason: "x"))
        #expect(Self.reached(stage.work(.minutes(200))).isEmpty)
    }

    @Test func `that has ended, or was cancelled, hears nothing of it`() {
        var stage = Stage()
        stage.join("a")
        stage.submit(1, Self.plan())
        for index in 0..<2 { stage.finish(shard(index)) }
        stage.submit(2, Self.plan())
        stage(.runCancelled(RunID(2), by: "ada", reason: ""))
        #expect(Self.reached(stage.work(.minutes(100))).isEmpty)
    }
}
