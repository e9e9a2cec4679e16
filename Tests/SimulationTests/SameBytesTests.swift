import Foundation
import Model
import Scheduling
import Simulation
import Testing

@Suite struct `The same seed` {
    /// What a few worlds come to, each step of them; and how this process hashes.
    private static func lines(of bug: Bug) -> [String] {
        ["hash \("any word".hashValue)"]
            + (UInt64(0)..<6).map { seed in
                let scenario = Scenario(seed: seed, trouble: .much, isComparable: false)
                var world = World<PlantedFarm>(scenario, journal: Journal()) { PlantedFarm(bug, $0, $1) }
                world.keepFingerprint()
                do throws(Violation) {
                    try world.run()
                } catch {
                    return "world \(seed): \(error)"
                }
                let fingerprint = world.fingerprint.map { "\($0)" } ?? "nothing"
                return "world \(seed): \(world.steps) steps, fingerprint of \(fingerprint)"
            }
    }

    private static func lines(in output: [UInt8]) -> [String] {
        String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init)
            .filter { $0.hasPrefix("world ") || $0.hasPrefix("hash ") }
    }

    /// Leases in the order of a set: lawful, and another in each process.
    private static var ordersByHash: Bug {
        Bug("leases in the order of a set") { effects, _, _, _ in
            let places = effects.indices.filter { if case .leased = effects[$0] { true } else { false } }
            let leases = places.map { effects[$0] }.sorted { "\($0)".hashValue < "\($1)".hashValue }
            for (place, lease) in zip(places, leases) { effects[place] = lease }
        }
    }

    private static let hashesAlike = ProcessInfo.processInfo.environment["SWIFT_DETERMINISTIC_HASHING"] != nil

    /// Each process hashes otherwise: what depends on the order of a dictionary or a set shows.
    @Test(.enabled(if: !hashesAlike, "SWIFT_DETERMINISTIC_HASHING is set"))
    func `gives the same bytes in another process`() async {
        let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
            print(`The same seed`.lines(of: Bug("none")).joined(separator: "\n"))
        }
        let (here, there) = (Self.lines(of: Bug("none")), Self.lines(in: result?.standardOutputContent ?? []))
        #expect(here.count == 7 && here.first != there.first, "both processes hash alike")
        #expect(here.dropFirst() == there.dropFirst())
        #expect(!here.contains { $0.contains("fingerprint of nothing") })
    }

    @Test(.enabled(if: !hashesAlike, "SWIFT_DETERMINISTIC_HASHING is set"))
    func `shows a farm that decides in the order of a set`() async {
        let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
            print(`The same seed`.lines(of: `The same seed`.ordersByHash).joined(separator: "\n"))
        }
        let (here, there) = (Self.lines(of: Self.ordersByHash), Self.lines(in: result?.standardOutputContent ?? []))
        #expect(there.count == 7 && here.dropFirst() != there.dropFirst())
    }
}
