import Foundation
import Model
import Scheduling
import Simulation
import Testing

/// How many seeds a test tries: more with SHEAF_DEEP=1.
func seeds(_ few: UInt64, deep: UInt64) -> Range<UInt64> {
    0..<(ProcessInfo.processInfo.environment["SHEAF_DEEP"] == "1" ? deep : few)
}

@Suite struct `A farm in a troubled world` {
    @Test func `keeps its promises and ends every run`() throws {
        var deaths = 0
        for seed in seeds(200, deep: 5_000) {
            let trouble = seed % 3 == 0 ? Trouble.much : .some
            var world = World<Farm>(Scenario(seed: seed, trouble: trouble, isComparable: false))
            #expect(throws: Never.self, "seed \(seed)") { try world.run() }
            deaths += world.deaths
        }
        #expect(deaths > 100, "the coordinator was killed \(deaths) times")
    }

    @Test func `comes to what an undisturbed one comes to`() throws {
        for seed in seeds(100, deep: 3_000) {
            var calm = World<Farm>(Scenario(seed: seed, trouble: .none, isComparable: true))
            try calm.run()
            var troubled = World<Farm>(
                Scenario(seed: seed, trouble: seed % 2 == 0 ? .some : .much, isComparable: true))
            #expect(throws: Never.self, "seed \(seed)") { try troubled.run() }
            #expect(calm.checker.tally == troubled.checker.tally, "seed \(seed)")
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
}
