import Foundation
import Model
import Scheduling
import Simulation
import Testing

/// How many seeds a test tries: more with SHEAF_DEEP=1.
func seeds(_ few: UInt64, deep: UInt64) -> Range<UInt64> {
    0..<(ProcessInfo.processInfo.environment["SHEAF_DEEP"] == "1" ? deep : few)
}

/// Runs a world to its end; one that breaks a rule is cut down, and the line that makes it again is the failure.
func hold<Decider: Deciding>(_ replay: Replay, _ decider: Decider.Type = Farm.self) -> World<Decider>? {
    var world = replay.world(of: decider)
    do throws(Violation) {
        try world.run()
        return world
    } catch {
        // Cutting it down takes its time.
        print("world \(replay): \(error)")
        let small = replay.shrunk(decider, breaking: error.rule)
        let violation = small.violation(of: decider) ?? error
        Issue.record("\(violation)\nagain: SHEAF_REPLAY='\(small)' make test FILTER='one world again'")
        return nil
    }
}

@Suite struct `A farm in a troubled world` {
    @Test func `keeps its promises and ends every run`() throws {
        var deaths = 0
        var troubles = Troubles()
        for seed in seeds(400, deep: 3_000) {
            guard let world = hold(Replay(seed: seed, seed % 3 == 0 ? .much : .some, isComparable: false)) else {
                continue
            }
            deaths += world.deaths
            troubles += world.troubles
        }
        #expect(deaths > 100, "the coordinator was killed \(deaths) times")
        // It was not a calm sea.
        #expect(troubles.partitionsOfSeveral > 20 && troubles.partitionsOneWay > 20, "\(troubles)")
        #expect(troubles.partitionsLong > 20 && troubles.partitionsShort > 20, "\(troubles)")
        #expect(troubles.overtaken > 10, "\(troubles)")
        #expect(troubles.deathsStored > 5 && troubles.deathsUnstored > 5, "\(troubles)")
    }

    @Test func `comes to what an undisturbed one comes to`() throws {
        for seed in seeds(100, deep: 2_500) {
            let calm = hold(Replay(seed: seed, .none, isComparable: true))
            let troubled = hold(Replay(seed: seed, seed % 2 == 0 ? .some : .much, isComparable: true))
            if let calm, let troubled, calm.checker.tally != troubled.checker.tally {
                let small = Replay(seed: seed, seed % 2 == 0 ? .some : .much, isComparable: true)
                    .shrunk { $0.difference(of: Farm.self) != nil }
                Issue.record(
                    """
                    \(small.difference(of: Farm.self) ?? "")
                    again: SHEAF_REPLAY='\(small)' make test FILTER='one world again'
                    """)
            }
        }
    }

    @Test func `decides the same from the same seed`() throws {
        for seed in UInt64(0)..<10 {
            var first = World<Farm>(Scenario(seed: seed, trouble: .much, isComparable: false))
            var second = first
            try first.run()
            try second.run()
            #expect(first.steps == second.steps && first.checker.tally == second.checker.tally)
        }
    }

    /// The world is a value: before each commit of a calm one, a copy of it goes on with a coordinator that dies before the
    /// commit, in it (and the store has it, or has not), after it, or after its effects have left: in a few worlds in each of
    /// these ways, in the many of a deep run by turns. All come to the same.
    @Test func `loses nothing to a death at any commit`() async throws {
        let all = seeds(6, deep: 1_000)
        let counts = await withTaskGroup(of: (deaths: Int, commits: Int).self) { group in
            // One lane leaves others' tests a thread.
            let lanes = UInt64(all.count > 100 ? 4 : 1)
            for lane in 0..<lanes {
                group.addTask {
                    var sum = (deaths: 0, commits: 0)
                    for seed in stride(from: lane, to: all.upperBound, by: Int(lanes)) {
                        do {
                            let one = try Self.deathsAtEachCommit(seed: seed, inEachWay: seed < 60)
                            sum = (sum.deaths + one.deaths, sum.commits + one.commits)
                        } catch {
                            Issue.record("seed \(seed): \(error)")
                        }
                        await Task.yield()
                    }
                    return sum
                }
            }
            return await group.reduce((0, 0)) { ($0.0 + $1.deaths, $0.1 + $1.commits) }
        }
        let ways = Crash.allCases.count
        #expect(counts.0 >= (all.count > 100 ? 1 : ways) * counts.1 && counts.1 >= 30 * all.count, "\(counts)")
        if all.count > 100 {
            print("the coordinator died \(counts.0) times, at \(counts.1) commits of \(all.count) worlds")
        }
    }

    /// One run of few shards: what follows from a death does not need many.
    private static func deathsAtEachCommit(
        seed: UInt64, inEachWay: Bool
    ) throws -> (deaths: Int, commits: Int) {
        let ways = Crash.allCases
        var one = Replay(seed: seed, .none, isComparable: true)
        one.cuts = [.run(1), .run(2), .jobs(run: 0, keep: 2), .agents(keep: 3)]
        for job in 0..<2 { one.cuts += [.cells(run: 0, job: job, keep: 2), .shards(run: 0, job: job, keep: 3)] }
        let calm = try #require(hold(one)).checker.tally
        var (deaths, commits, isFaulty) = (0, 0, false)
        var world = World<Farm>(one.scenario)
        try world.run { (before) throws(Violation) in
            commits += 1
            let turn = (Int(seed) + commits) % ways.count
            for crash in inEachWay ? ways : [ways[turn]] {
                var future = before
                future.crashNext(crash)
                var isSame = false
                do throws(Violation) {
                    try future.run()
                    isSame = future.checker.tally == calm
                } catch {
                    // Told below, cut down.
                }
                deaths += future.deaths
                guard !isSame, !isFaulty else { continue }
                // One of each world says enough.
                isFaulty = true
                report(one, Death(commit: commits, crash))
            }
        }
        return (deaths, commits)
    }

    /// The world that dies there by itself, cut down, is the failure.
    private static func report(_ world: Replay, _ death: Death) {
        var replay = world
        replay.death = death
        guard let violation = replay.violation(of: Farm.self) else {
            let small = replay.shrunk { $0.difference(of: Farm.self) != nil }
            Issue.record(
                """
                \(small.difference(of: Farm.self) ?? "")
                again: SHEAF_REPLAY='\(small)' make test FILTER='one world again'
                """)
            return
        }
        let small = replay.shrunk(Farm.self, breaking: violation.rule)
        Issue.record(
            "\(violation)\nagain: SHEAF_REPLAY='\(small)' make test FILTER='one world again'")
    }

    @Test(.enabled(if: ProcessInfo.processInfo.environment["SHEAF_REPLAY"] != nil))
    func `one world again`() throws {
        let line = ProcessInfo.processInfo.environment["SHEAF_REPLAY"] ?? ""
        let replay = try #require(Replay(line), "SHEAF_REPLAY is no world: \(line)")
        _ = hold(replay)
        #expect(!replay.isComparable || replay.difference(of: Farm.self) == nil)
    }
}
