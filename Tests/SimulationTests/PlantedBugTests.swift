import Model
import Scheduling
import Simulation
import Testing

@Suite struct `The simulation catches` {
    /// A world ends with the first rule that breaks: it was this one that saw the bug.
    @Test func `for each rule that it holds, a bug that breaks it`() {
        var caught = 0
        for rule in Rule.allCases {
            #expect(!rule.bugs.isEmpty, "nothing is known to break it: \(rule.rawValue)")
            for bug in rule.bugs {
                let seeds = (UInt64(0)..<60).lazy
                let seen = seeds.compactMap {
                    Replay(seed: $0, $0 % 2 == 0 ? .some : .much, isComparable: false).violation(with: bug)?.rule
                }
                guard !seen.contains(rule) else {
                    caught += 1
                    continue
                }
                let others = Set(seen).map(\.rawValue).sorted()
                Issue.record("a farm that \(bug.name) is not caught by: \(rule.rawValue). It is by: \(others)")
            }
        }
        #expect(caught >= Rule.allCases.count)
    }

    /// Each step is lawful; only what it all comes to is not what it should be.
    @Test func `a farm that never retries`() {
        let bug = Bug("counts infrastructure's faults as results", job: { $0.retry.attemptsMax = 1 })
        let differs = (UInt64(0)..<20).contains { seed in
            let calm = tally(Replay(seed: seed, .none, isComparable: true), Bug("none"))
            return tally(Replay(seed: seed, .much, isComparable: true), bug) != calm
        }
        #expect(differs)
    }

    private func tally(_ replay: Replay, _ bug: Bug) -> [String]? {
        var world = World<PlantedFarm>(replay.scenario, journal: Journal()) { PlantedFarm(bug, $0, $1) }
        do throws(Violation) {
            try world.run()
            return world.checker.tally
        } catch {
            Issue.record("\(replay): \(error)")
            return nil
        }
    }

    /// Counts a report of an attempt that is no longer current. Which rule sees it depends on what became of the shard.
    @Test func `a farm that counts late reports`() {
        let bug = Bug("counts late reports") { effects, event, _, _ in
            guard case .attemptFinished(let attempt, _, let cause, _, _) = event else { return }
            for case .forgetAttempt(attempt, _, _) in effects where !attempt.shard.isListing {
                let shard = attempt.shard.shard
                effects.append(.settled(attempt.shard.cell, shards: shard...shard, attempt: attempt.number, cause))
            }
        }
        let rules = (UInt64(0)..<60).compactMap {
            Replay(seed: $0, .much, isComparable: false).violation(with: bug)?.rule
        }
        #expect(Set(rules).isSubset(of: [.settlesOnce, .lastAttempt, .settlesUnleased]) && !rules.isEmpty, "\(rules)")
    }

    @Test func `a farm that leases twice, in a world that is cut down to it`() throws {
        for seed in UInt64(0)..<60 {
            let replay = Replay(seed: seed, .much, isComparable: false)
            guard let violation = replay.violation(with: .leasesTwice) else { continue }
            let small = replay.shrunk { $0.violation(with: .leasesTwice)?.rule == violation.rule }
            let jobs = { (scenario: Scenario) in scenario.submissions.reduce(0) { $0 + $1.plan.jobs.count } }
            #expect(small.scenario.submissions.count == 1 && jobs(small.scenario) <= 3)
            #expect(jobs(small.scenario) < jobs(replay.scenario))
            #expect(small.cuts.contains(.trouble(.loss)) && small.cuts.contains(.trouble(.disturbances)))
            // Its line makes the same world again.
            let again = try #require(Replay("\(small)"))
            #expect(again == small && again.violation(with: .leasesTwice) == small.violation(with: .leasesTwice))
            #expect(again.violation(with: .leasesTwice)?.rule == violation.rule)
            return
        }
        Issue.record("the bug was never seen")
    }

    /// Nothing else goes wrong in it: the death is in its line, and an earlier one where less is left to commit.
    @Test func `a farm that forgets when it starts anew, in a world with one death at one commit`() throws {
        let bug = try #require(Rule.restored.bugs.first { $0.name.hasPrefix("forgets leases") })
        let calm = Replay(seed: 1, .none, isComparable: true)
        #expect(calm.violation(with: bug) == nil)
        for commit in 40...200 {
            var replay = calm
            replay.death = Death(commit: commit, .after)
            guard let violation = replay.violation(with: bug) else { continue }
            let small = replay.shrunk { $0.violation(with: bug)?.rule == violation.rule }
            let death = try #require(small.death)
            #expect(small.scenario.submissions.count == 1 && death.commit < commit && death.crash == .after, "\(small)")
            let again = try #require(Replay("\(small)"))
            #expect(again == small && again.violation(with: bug)?.rule == violation.rule, "\(small)")
            var alive = small
            alive.death = nil
            #expect(alive.violation(with: bug) == nil, "\(alive)")
            return
        }
        Issue.record("the bug was never seen")
    }
}
