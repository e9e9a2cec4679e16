import Foundation
import Glibc
import Model
import Testing
import Wire

@testable import AgentService

@Suite(.timeLimit(.minutes(10))) struct `Why an attempt failed` {
    @Test(arguments: [
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has 139 GiB",
        "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes",
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)",
    ])
    func `is told by the framework that ran out of GPU memory`(message: String) async throws {
        for stream in ["", " >&2"] {
            let workshop = try await Workshop()
            let ended = try await workshop.attempt([run("echo '\(message)'\(stream); exit 1")])
            #expect(ended.report.cause == "gpu_oom")
            #expect(ended.report.evidence.hasSuffix(message), "\(ended.report.evidence)")
        }
    }

    @Test func `is not what a program said long before it ended`() async throws {
        let workshop = try await Workshop()
        let went = "echo 'CUDA out of memory: halving the batch'; seq 300; echo 'accuracy 0.3 < 0.9' >&2; exit 1"
        let ended = try await workshop.attempt([run(went)])
        #expect(ended.report.cause == "user_exit", "\(ended.report.evidence)")
        let again = try await workshop.attempt([
            run("echo 'CUDA out of memory'; seq 300; echo 'CUDA out of memory'; exit 1")
        ])
        #expect(again.report.cause == "gpu_oom", "\(again.report.evidence)")
    }

    /// Figures of a v1 group: the kernel charges by the batch, so the peak may stay a little below the limit.
    @Test func `is memory of its own only at its own limit`() {
        let (gibibyte, kill) = (
            ByteCount.gibibytes(1), { AttemptDriver.cause(ofKills: 1, "step 'a'", limit: $0, peak: $1) }
        )
        #expect(kill(gibibyte, .mebibytes(1023)).kind == .oom && kill(gibibyte, nil).kind == .oom)
        #expect(kill(nil, .mebibytes(700)).kind == .oom)
        let other = kill(gibibyte, .mebibytes(605))
        #expect(other.kind == .agentFault && other.evidence.hasSuffix("its own peak was 605 MiB of 1 GiB"), "\(other)")
    }

    @Test func `is not what an earlier step said, nor what a step said that passed`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([
            run("echo 'CUDA out of memory' >&2; exit 1", continueOnError: "true"),
            run("echo 'CUDA out of memory: halving the batch'"), run("exit 3"),
        ])
        #expect(ended.report.cause == "user_exit" && ended.report.code == 3, "\(ended.report.evidence)")
    }

    @Test func `of a 137 is memory on the kernel's word alone`() async throws {
        let counted = try await Workshop()
        let ended = try await counted.attempt([run("exit 137")])
        #expect(ended.report.cause == "user_exit" && ended.report.code == 137)
        if counted.host.cgroups.limitsMemory {
            #expect(ended.report.evidence.contains("the kernel killed none of them for memory"))
        }
        let uncounted = try await Workshop(cgroups: .none)
        for script in ["exit 137", "kill -KILL $$"] {
            let ended = try await uncounted.attempt([run(script)])
            #expect(
                ended.report.evidence.contains("whether for memory cannot be told"), "\(ended.report.evidence)")
        }
    }

    @Test func `is a full disk only when the disk is full`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([run("echo 'watch: No space left on device' >&2; exit 1")])
        #expect(ended.report.cause == "user_exit", "\(ended.report.evidence)")
    }

    @Test(.enabled(if: Workshop.isRoot && Chamber.refusal == nil))
    func `is a full disk, on its own word and the disk's`() async throws {
        let disk = try SmallDisk()
        defer { disk.remove() }
        let workshop = try await Workshop {
            $0.workFolder = disk.path
            $0.environments = try Environments(in: disk.path + "/environments")
        }
        let ended = try await workshop.attempt([run("head -c 100000000 /dev/zero > big")])
        #expect(ended.report.cause == "disk_full", "\(ended.report.evidence)")
        #expect(ended.report.evidence.hasSuffix("No space left on device"), "\(ended.report.evidence)")
        let evidence = ended.report.evidence
        #expect(evidence.contains("failed while 0 B were free on the agent's disk; its own files took "), "\(evidence)")
        #expect(evidence.contains(" MiB, and it said:") || evidence.contains(" KiB, and it said:"), "\(evidence)")
    }

    @Test(.enabled(if: Workshop.cgroups.limitsMemory && Files.exists("/usr/bin/python3")))
    func `is memory, too, when all attempts together have no more`() async throws {
        let cgroups = Cgroups(name: "tests-\(getpid())-all")
        defer { cgroups.remove() }
        cgroups.limitAll(memory: .mebibytes(32))
        let workshop = try await Workshop(cgroups: cgroups)
        let ended = try await workshop.attempt([run("exec /usr/bin/python3 -c 'x = bytearray(200 << 20)'")])
        #expect(ended.report.cause == "oom", "\(ended.report.evidence)")
        #expect(
            ended.report.evidence.contains(
                "killed 1 of its processes at the limit of the agent or the machine; the peak"),
            "\(ended.report.evidence)")
    }

    @Test func `comes with what each step used`() async throws {
        for cgroups in [Workshop.cgroups, Cgroups.none] {
            let workshop = try await Workshop(cgroups: cgroups)
            let ended = try await workshop.attempt([
                run("i=0; while [ $i -lt 30000 ]; do i=$((i + 1)); done"), run("true"),
            ])
            let (first, second) = (ended.report.steps[0].cpuNs, ended.report.steps[1].cpuNs)
            #expect(first > second && second > 0, "\(first) \(second)")
            #expect(ended.report.usage?.cpuNs ?? 0 >= first)
        }
    }
}

/// A file system of 64 MiB.
private struct SmallDisk {
    let path: String

    init() throws {
        var template = Array("/tmp/sheaf-disk-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        try #require(mount("tmpfs", path, "tmpfs", 0, "size=64m,mode=0711") == 0, "a file system cannot be mounted")
    }

    func remove() {
        umount2(path, Int32(MNT_DETACH))
        rmdir(path)
    }
}
