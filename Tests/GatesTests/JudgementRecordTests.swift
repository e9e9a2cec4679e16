import Gates
import Model
import Testing

@Suite struct `A judgement's record` {
    @Test func `gives back the judgement`() {
        for seed in seeds(60, deep: 4000) {
            let random = RandomRun(seed: seed, passing: seed % 2 == 0)
            let judgement = judge(random.rules, results: random.results, baselines: random.baselines)
            #expect(Judgement(record: judgement.record) == judgement, "seed \(seed)")
        }
    }

    @Test func `is read from what sheaf judge prints, as far as that goes`() {
        let judgement = judge([GateRule(.atLeast(0.5))], results: plain(0.4))
        let read = Judgement(record: judgement.json)
        #expect(read?.verdict == .fail && read?.gates.map(\.name) == ["jobs", "gate"])
        #expect(read?.gates[1].groups[0].bound == [0.5] && read?.cells.isEmpty == true)
        #expect(read?.json == judgement.json)
    }

    @Test func `is not read from anything else`() {
        #expect(Judgement(record: []) == nil)
        #expect(Judgement(record: Array("{}".utf8)) == nil)
        // A record whose verdict is not that of its gates was tampered with, or is damaged.
        let record = String(decoding: judge([], results: plain(1)).record, as: UTF8.self)
        let forged = record.replacing("\"pass\"", with: "\"fail\"", maxReplacements: 1)
        #expect(forged != record && Judgement(record: Array(forged.utf8)) == nil)
    }
}
