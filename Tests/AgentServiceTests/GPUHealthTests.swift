import Locks
import Model
import Scheduling
import Testing
import Wire

@testable import AgentService

/// What the driver says of a device before an attempt gets it, and after.
@Suite struct `The health of a GPU` {
    private static func health(
        used: ByteCount? = .mebibytes(700), processes: Int? = 0, _ change: (inout GPUHealth) -> Void = { _ in }
    ) -> GPUHealth {
        var health = GPUHealth(memory: .gibibytes(141), memoryUsed: used, processes: processes)
        change(&health)
        return health
    }

    @Test func `keeps it from attempts while somebody has it, or its memory is broken`() {
        let rows: [(GPUHealth, String?)] = [
            (Self.health(), nil), (Self.health(used: nil, processes: nil), nil),
            // What the driver keeps for itself is no use of it.
            (Self.health(used: .mebibytes(2_800)), nil),
            (Self.health(used: .gibibytes(3)), "3 GiB of its memory are in use, for nobody's attempt"),
            (Self.health(processes: 1) { $0.process = 42 }, "process 42 computes on it, for nobody's attempt"),
            (
                Self.health(processes: 3) { $0.process = 42 },
                "3 programs compute on it, process 42 among them, for nobody's attempt"
            ),
            (Self.health(processes: 100), "100 programs compute on it, for nobody's attempt"),
            (
                Self.health { $0.hasRowsPending = true },
                "rows of its memory wait to be replaced: reset it (nvidia-smi --gpu-reset)"
            ),
            (
                Self.health(processes: 1) { ($0.hasRowsPending, $0.hasRowsFailed) = (true, true) },
                "rows of its memory have failed and cannot be replaced: have it exchanged"
            ),
            // Errors of before are over: the rows in which they were are replaced, or wait for that.
            (Self.health { $0.uncorrected = 7 }, nil),
        ]
        for (health, ailment) in rows { #expect(health.ailment(isUsed: false) == ailment, "\(health)") }
        #expect(Self.health(used: .gibibytes(100), processes: 2).ailment(isUsed: true) == nil)
        #expect(Self.health { $0.hasRowsPending = true }.ailment(isUsed: true) != nil)
    }

    @Test func `tells errors of an attempt from those before it`() {
        let before = Self.health { $0.uncorrected = 2 }
        #expect(Self.health { $0.uncorrected = 5 }.errors(since: before) == 3)
        #expect(before.errors(since: before) == 0)
        // The driver was loaded anew, or says nothing.
        #expect(Self.health { $0.uncorrected = 0 }.errors(since: before) == 0)
        #expect(Self.health().errors(since: before) == 0 && before.errors(since: Self.health()) == 0)
    }

    /// The last process of an attempt may be gone a moment before its memory.
    @Test func `is told to the farm when it was seen twice, and when it has changed`() {
        var rounds = GPURounds()
        let fine = ["GPU-1": Self.health(), "GPU-2": Self.health()]
        var taken = fine
        taken["GPU-1"] = Self.health(processes: 1)
        let unfit = [Farm.UnfitDevice(uuid: "GPU-1", reason: "a program computes on it, for nobody's attempt")]
        func look(_ health: [String: GPUHealth], used: Set<String> = []) -> [Farm.UnfitDevice]? {
            rounds.look(health, isUsed: used.contains)
        }
        #expect(look(fine) == nil)
        #expect(look(taken) == nil && look(fine) == nil)
        #expect(look(taken) == nil && look(taken) == unfit && look(taken) == nil)
        // A new connection hears it at once.
        rounds.forget()
        #expect(look(taken) == unfit)
        // An attempt has it: then somebody computes on it, of course.
        #expect(look(taken, used: ["GPU-1"]) == [])
        #expect(look(taken) == nil && look(taken) == unfit)
        #expect(look(fine) == [] && look(fine) == nil)
        rounds.forget()
        #expect(look(fine) == nil)
    }

    private static func workshop(_ looks: [[String: GPUHealth]]) async throws -> Workshop {
        let given = Looks(looks)
        return try await Workshop {
            $0.gpuHealth = { given.next() }
            $0.gpuPatience = .milliseconds(600)
        }
    }

    @Test func `lets no attempt begin on a device that somebody has, and waits a moment for it`() async throws {
        let taken = ["GPU-1": Self.health(processes: 1) { $0.process = 42 }]
        let refused = try await Self.workshop([taken]).attempt([run("echo never")]) { $0.gpus = ["GPU-1"] }
        #expect(refused.report.cause == "gpu_fault" && !refused.out.contains("never"))
        #expect(
            refused.report.evidence
                == "before the attempt had begun: GPU-1: process 42 computes on it, for nobody's attempt")
        let waited = try await Self.workshop([taken, ["GPU-1": Self.health()]]).attempt([run("echo done")]) {
            $0.gpus = ["GPU-1"]
        }
        #expect(waited.report.cause == "passed" && waited.out.last == "done", "\(waited.report.evidence)")
        // Another's device is none of its business, and what nobody tells keeps nobody.
        for looks in [["GPU-2": Self.health(processes: 1)], [:]] {
            let other = try await Self.workshop([looks]).attempt([run("echo done")]) { $0.gpus = ["GPU-1"] }
            #expect(other.report.cause == "passed")
        }
    }

    @Test func `that has got worse by errors in its memory makes what was computed there a gpu_fault`() async throws {
        let before = ["GPU-1": Self.health { $0.uncorrected = 1 }]
        let after = ["GPU-1": Self.health { $0.uncorrected = 3 }]
        let words = "2 errors in the memory of GPU-1 could not be corrected while the attempt had it"
        let passed = try await Self.workshop([before, after]).attempt([run("echo done")]) { $0.gpus = ["GPU-1"] }
        #expect(passed.report.cause == "gpu_fault" && passed.report.evidence == words, "\(passed.report.evidence)")
        let failed = try await Self.workshop([before, after]).attempt([run("exit 3")]) { $0.gpus = ["GPU-1"] }
        #expect(failed.report.cause == "gpu_fault" && failed.report.evidence.hasPrefix(words + "; step"))
        let well = try await Self.workshop([after]).attempt([run("exit 3")]) { $0.gpus = ["GPU-1"] }
        #expect(well.report.cause == "user_exit")
    }
}

/// One look after the other; the last one stays.
private final class Looks: Sendable {
    private let left: Mutex<[[String: GPUHealth]]>
    init(_ looks: [[String: GPUHealth]]) { left = Mutex(looks) }
    func next() -> [String: GPUHealth] {
        left.withLock { $0.count > 1 ? $0.removeFirst() : $0.first ?? [:] }
    }
}
