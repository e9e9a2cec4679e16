import Gates
import Model
import Testing

@Suite struct `The blame` {
    /// 4 devices × 4 backends × 6 Pythons.
    private func cells(_ fails: (String, String, Int) -> Bool) -> [(values: [Value.Member], fails: Bool)] {
        var cells: [(values: [Value.Member], fails: Bool)] = []
        for device in ["cpu", "cuda", "rocm", "tpu"] {
            for backend in ["torch", "jax", "onnx", "tf"] {
                for python in 8..<14 {
                    cells.append(
                        (
                            [
                                .init("device", .string(device)), .init("backend", .string(backend)),
                                .init("python", .string("3.\(python)")), .init("os", "linux"),
                            ], fails(device, backend, python)
                        ))
                }
            }
        }
        return cells
    }

    private func place(_ blame: Blame?) -> [String] { blame?.place.map { "\($0.key)=\($0.value.shown)" } ?? [] }

    @Test func `falls on the fewest values that explain the failures`() {
        let two = Blame.find(cells { $0 == "cuda" && $1 == "jax" || ($0, $1, $2) == ("cpu", "tf", 9) })
        #expect(place(two) == ["device=cuda", "backend=jax"])
        #expect(two?.failed == 6 && two?.count == 6 && two?.failedElsewhere == 1 && two?.countElsewhere == 90)
        #expect(two.map { $0.probability < 1e-5 } == true)
        let one = Blame.find(cells { device, _, _ in device == "tpu" })
        #expect(place(one) == ["device=tpu"] && one?.failed == 24)
    }

    @Test func `falls on nobody where chance explains as much`() {
        #expect(Blame.find(cells { _, _, _ in false }) == nil)
        #expect(Blame.find(cells { _, _, _ in true }) == nil)
        #expect(Blame.find(cells { ($0, $1, $2) == ("cpu", "tf", 9) }) == nil)
        #expect(Blame.find([]) == nil)
        // Failures at random are blamed in at most one of twenty runs, whatever is searched.
        var blamed = 0
        for seed in UInt64(0)..<300 {
            var random = SplitMix64(seed: seed)
            if Blame.find(cells { _, _, _ in Int.random(in: 0..<8, using: &random) == 0 }) != nil { blamed += 1 }
        }
        #expect(blamed <= 15, "\(blamed) of 300")
    }

    /// Against every set of values tried one by one, the test by its definition.
    @Test func `finds what trying all of them finds`() {
        for seed in UInt64(0)..<40 {
            var random = SplitMix64(seed: seed)
            let bad = ["cpu", "cuda", "rocm", "tpu"][Int.random(in: 0..<4, using: &random)]
            let cells = cells { device, _, python in
                device == bad && python < 11 || Int.random(in: 0..<20, using: &random) == 0
            }
            let failing = cells.count(where: \.fails)
            var sets: [[Value.Member]] = [[]]
            for axis in ["device", "backend", "python"] {
                var values: [Value.Member] = []
                for cell in cells {
                    for member in cell.values where member.key == axis && !values.contains(member) {
                        values.append(member)
                    }
                }
                sets += sets.flatMap { set in values.map { set + [$0] } }
            }
            sets.removeFirst()
            var best = (p: 2.0, place: [Value.Member]())
            for set in sets {
                let inside = cells.filter { cell in set.allSatisfy(cell.values.contains) }
                let failed = inside.count(where: \.fails)
                guard failed > 0 else { continue }
                // P(X ≥ failed) from binomial coefficients.
                let ways = { (n: Int, k: Int) in (0..<k).reduce(1.0) { $0 * Double(n - $1) / Double($1 + 1) } }
                let all = ways(cells.count, inside.count)
                let p = (failed...min(failing, inside.count)).reduce(0.0) {
                    $0 + ways(failing, $1) * ways(cells.count - failing, inside.count - $1) / all
                }
                if p < best.p * (1 - 1e-9) || p < best.p * (1 + 1e-9) && set.count < best.place.count {
                    best = (p, set)
                }
            }
            let corrected = best.p * Double(sets.count)
            let found = Blame.find(cells)
            #expect((found == nil) == (corrected >= 0.05), "seed \(seed)")
            guard let found else { continue }
            #expect(found.searched == sets.count && (found.probability / min(1, corrected) - 1).magnitude < 1e-6)
            #expect(found.place.count == best.place.count, "seed \(seed): \(found.place), not \(best.place)")
        }
    }
}
