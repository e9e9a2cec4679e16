import Model
import Scheduling
import Testing

/// GPUs that their agent says are not fit for an attempt.
@Suite struct `An unfit GPU` {
    private static let gpus = (0..<2).map { GPU(uuid: "GPU-\($0)", model: "NVIDIA H200", memory: .gibibytes(141)) }
    private static let reason = "process 42 computes on it, for nobody's attempt"

    private static func plan(_ shards: Int, gpus: Int = 1) -> Plan {
        let asking = ResourceRequest(gpus: GPURequest(count: gpus, model: "H200"))
        return .one(cells: PlannedCell.named("x", asking: asking), shards: ShardPlan(count: shards))
    }

    private static func unfit(_ uuids: String...) -> Farm.Event {
        .devicesLooked("a", unfit: uuids.map { .init(uuid: $0, reason: reason) })
    }

    private func explain(_ stage: Stage, _ number: Int) -> [String] {
        stage.farm.explain(shard(number).cell, shard: number, at: stage.now)
    }

    @Test func `is not given out until it is fit again`() {
        var stage = Stage()
        stage.join("a", gpus: Self.gpus)
        #expect(stage(Self.unfit("GPU-0")) == [])
        #expect(stage.submit(1, Self.plan(3)).leases.map(\.devices) == [["GPU-1"]])
        let waiting = explain(stage, 1)
        #expect(waiting.contains("GPU-0 of agent a is not given out: \(Self.reason)"), "\(waiting)")
        #expect(stage.farm.quarantines(of: "a") == ["GPU-0 is not given out: \(Self.reason)"])
        #expect(stage(Self.unfit()).leases.map(\.devices) == [["GPU-0"]])
        #expect(stage.farm.quarantines(of: "a") == [])
        #expect(stage.finish(shard(0)).leases.map(\.devices) == [["GPU-1"]])
    }

    @Test func `goes on with the attempt that has it, and counts when that has ended`() {
        var stage = Stage()
        stage.join("a", gpus: [Self.gpus[0]])
        stage.submit(1, Self.plan(2))
        #expect(stage(Self.unfit("GPU-0")) == [])
        #expect(stage.finish(shard(0)).leases.isEmpty)
        #expect(
            explain(stage, 1) == [
                "shard 1 waits: no agent has 1 GPU of model h200; the most that one has is 0; "
                    + "GPU-0 of agent a is not given out: \(Self.reason)"
            ])
        #expect(stage(Self.unfit()).leases.map(\.devices) == [["GPU-0"]])
        // Said twice, of devices that nobody knows, by an agent that nobody knows.
        #expect(stage(Self.unfit()) == [] && stage(Self.unfit("GPU-7")) == [])
        #expect(stage(.devicesLooked("z", unfit: [])) == [])
    }

    /// As long as it stays so, it says it again.
    @Test func `is fit for a farm that its agent joins, until it says otherwise`() {
        var stage = Stage()
        stage.join("a", gpus: Self.gpus)
        stage(Self.unfit("GPU-0", "GPU-1"))
        #expect(stage.submit(1, Self.plan(1, gpus: 2)).leases.isEmpty)
        #expect(stage.join("a", gpus: Self.gpus).leases.map(\.devices) == [["GPU-0", "GPU-1"]])
    }

    /// That ends a quarantine, which is the farm's own doing.
    @Test func `is not let in by a release by hand`() {
        var stage = Stage()
        stage.join("a", gpus: Self.gpus)
        stage(Self.unfit("GPU-0"))
        stage(.agentReleased("a"))
        #expect(stage.submit(1, Self.plan(2)).leases.map(\.devices) == [["GPU-1"]])
        #expect(stage(Self.unfit()).leases.map(\.devices) == [["GPU-0"]])
    }
}
