import Gates
import Model
import Queries
import Reporting
import Scheduling
import Storage
import Testing
import Wire
import Workflows

/// One submission, end to end, as docs/walkthrough.md tells it. Every decision is the real one; nothing here touches a
/// disk, a socket or a clock.
@Suite struct `One shard` {
    static let file = """
        sheaf: 1
        name: nightly
        on: workflow_dispatch
        jobs:
          eval:
            runs-on: self-hosted
            strategy:
              matrix:
                backend: [torch, onnxruntime]
            shards: {count: 2, items: {file: items.txt}}
            steps:
              - run: python eval.py --items "$SHEAF_ITEMS"
            metrics: metrics.json
        gates:
          floor: {metric: accuracy, per: cell, at-least: 0.75}
        """
    static let alice = Principal(role: .user, name: "alice", team: "vision")
    static let tree = Digest([UInt8](repeating: 0xAB, count: 32))

    @Test func `goes from a line of YAML to a verdict`() throws {
        // 1. The file is read whole: a workflow, or every mistake in it.
        let (read, diagnostics) = Workflow.read(Array(Self.file.utf8), file: "nightly.yml")
        #expect(diagnostics.isEmpty)
        let workflow = try #require(read)

        // 2, 3. Its matrix comes to cells; how many items they have is not known yet.
        let request = PlanRequest(actor: "alice", run: RunID(1))
        let plan = try workflow.plan(request)
        #expect(plan.jobs[0].cells?.map(\.name) == ["eval (torch)", "eval (onnxruntime)"])
        #expect(plan.gates.map(\.name) == ["floor"])

        // 4. The run is stored before anything else happens. Nobody is there to work on it.
        var story = Story(workflow, request, plan)
        story.submit(by: Self.alice, tree: Self.tree)
        #expect(story.offers.isEmpty)

        // 5. An agent joins, and is offered the listing of each cell's items: a lease on an attempt.
        let agent = AgentID("gpu-1")
        story.join(agent, cpus: 2)
        #expect(story.offers.map(\.attempt.shard.shard) == [ShardID.listing, ShardID.listing])

        // 6, 7, 8. It works, uploads what it found by digest, and reports. Now the cells have shards.
        for offer in story.offers { try Worked.listing(offer, ["cat", "dog", "fox", "owl"], in: &story) }
        #expect(story.offers.map(\.attempt.shard.shard) == [0, 1])
        while let offer = story.offers.first { try Worked.shard(offer, right: ["cat", "dog", "owl"], in: &story) }

        // 9. Every shard has settled, once. The last one ended its cell, its job, and the run.
        #expect(story.isOver)
        #expect(try story.ledger.settlements(of: story.run).map(\.cause.kind) == Array(repeating: .passed, count: 4))

        // 10. Results are read from what was stored; gates answer.
        let judgement = try story.judge()
        #expect(judgement.gates.map(\.name) == ["jobs", "floor"])
        #expect(judgement.gates[1].groups.map(\.value) == [0.75, 0.75])
        #expect(judgement.gates[1].groups.map(\.count) == [4, 4])

        // 11. One report, for whoever asks.
        #expect(
            try story.report().text(columns: 100).hasPrefix(
                """
                ✓ PASS  r1 nightly (nightly.yml)
                  all 2 required gates pass; exit code 0

                eval  2 cells: 2 pass
                  shown: the value that gate floor compares
                    backend
                  ✓ torch 0.75         ✓ onnxruntime 0.75

                """))

        // 12. And an exit code, for whoever waits.
        #expect(judgement.exitCode == 0)
    }

    /// The usual gate takes `NaN` for a pass; this one names the cell and the reason.
    @Test func `that writes NaN fails the run`() throws {
        var story = try Self.started(agents: ["gpu-1": 4])
        for offer in story.offers { try Worked.listing(offer, ["cat", "dog"], in: &story) }
        while let offer = story.offers.first {
            let isBroken = offer.attempt.shard.cell.cell == 1 && offer.attempt.shard.shard == 0
            try Worked.shard(offer, right: ["cat", "dog"], value: isBroken ? "NaN" : nil, in: &story)
        }
        let judgement = try story.judge()
        #expect(judgement.verdict == .fail && judgement.exitCode == 1)
        let text = try story.report().text(columns: 200)
        #expect(text.contains("eval (onnxruntime): accuracy: item 'cat': not a number (NaN) at $SHEAF_ITEMS_OUT:1"))
    }

    /// An agent dies with a shard in hand; what it says afterwards counts for nothing.
    @Test func `whose agent dies ends in the same verdict`() throws {
        let undisturbed = try Self.finished(Self.started(agents: ["gpu-1": 2, "gpu-2": 2])).judge()

        var story = try Self.started(agents: ["gpu-1": 2, "gpu-2": 2])
        for offer in story.offers { try Worked.listing(offer, ["cat", "dog", "fox", "owl"], in: &story) }
        let lost = try #require(story.offers.first { $0.agent == AgentID("gpu-1") })
        story.start(lost)
        let other = AgentID("gpu-2")
        for offer in story.offers where offer.agent == other {
            try Worked.shard(offer, right: ["cat", "dog", "owl"], in: &story)
        }
        // Its heartbeats stop. The lease ends, and the shard is queued again, for another agent.
        story.wait(40, alive: [other])
        let again = try #require(story.offers.first { $0.attempt.shard == lost.attempt.shard })
        #expect(again.attempt.number == 2 && again.agent == other)
        try Worked.shard(lost, right: [], in: &story)
        #expect(story.offers.contains(again))

        story = try Self.finished(story)
        let judgement = try story.judge()
        #expect(judgement.json == undisturbed.json && judgement.verdict == .pass)

        // What happened is told to whoever asks.
        let snapshot = try #require(try story.snapshot())
        let cell = try #require(snapshot.cell(lost.attempt.shard.cell))
        let told = try snapshot.explain(RunPart(cell: cell.id, shard: lost.attempt.shard.shard))
        #expect(told.contains { $0.contains("attempt 1 on gpu-1: lost_agent after 30 s") })
        #expect(told.contains { $0.contains("attempt 2 on gpu-2: passed after 2 s") })
    }

    // MARK: shorthands

    private static func started(agents: KeyValuePairs<String, Int>) throws -> Story {
        let workflow = try #require(Workflow.read(Array(file.utf8), file: "nightly.yml").workflow)
        let request = PlanRequest(actor: "alice", run: RunID(1))
        var story = Story(workflow, request, try workflow.plan(request))
        story.submit(by: alice, tree: tree)
        for (name, cpus) in agents { story.join(AgentID(name), cpus: cpus) }
        return story
    }

    /// Works on whatever is offered until nothing is.
    private static func finished(_ story: consuming Story) throws -> Story {
        var story = story
        while let offer = story.offers.first {
            if offer.attempt.shard.isListing {
                try Worked.listing(offer, ["cat", "dog", "fox", "owl"], in: &story)
            } else {
                try Worked.shard(offer, right: ["cat", "dog", "owl"], in: &story)
            }
        }
        #expect(story.isOver)
        return story
    }
}

/// What an agent does with an attempt, without its processes.
enum Worked {
    static func listing(_ offer: Farm.Lease, _ items: [String], in story: inout Story) throws {
        story.start(offer)
        story.wait(1, alive: [offer.agent])
        var report = begun(offer)
        report.listing = story.upload(items.map { $0 + "\n" }.joined())
        report.listingCount = UInt32(items.count)
        try story.receive(report.encoded(), from: offer.agent)
    }

    /// - Parameters:
    ///   - right: the items that the model gets right.
    ///   - value: what the program writes instead of its numbers.
    static func shard(_ offer: Farm.Lease, right: Set<String>, value: String? = nil, in story: inout Story) throws {
        story.start(offer)
        story.wait(2, alive: [offer.agent])
        var report = begun(offer)
        let lines = try story.items(of: offer.attempt.shard).map { item in
            #"{"id": "\#(item)", "accuracy": \#(value ?? (right.contains(item) ? "1" : "0"))}"# + "\n"
        }
        report.items = story.upload(lines.joined())
        try story.receive(report.encoded(), from: offer.agent)
    }

    private static func begun(_ offer: Farm.Lease) -> Proto.AttemptReport {
        var report = Proto.AttemptReport()
        report.attempt = Proto.AttemptRef(offer.attempt)
        report.cause = Cause.Kind.passed.rawValue
        report.metricsPath = "metrics.json"
        return report
    }
}

extension Story {
    /// The lines of the listing that a shard is given.
    fileprivate func items(of shard: ShardID) throws -> [String] {
        let cell = try #require(ledger.cells(of: run).first { $0.cell == shard.cell })
        let listing = try #require(cell.listing.flatMap { objects[$0] })
        let lines = String(decoding: listing, as: UTF8.self).split(separator: "\n").map(String.init)
        let count = try #require(cell.shards)
        return Array(lines[ShardPlan.slice(shard: shard.shard, of: count, items: lines.count)])
    }
}
