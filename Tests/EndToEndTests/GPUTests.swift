import Foundation
import Glibc
import JSON
import Model
import Testing

/// Where a C compiler makes a library that says it is the driver's.
private let hasCompiler = FileManager.default.isExecutableFile(atPath: "/usr/bin/cc")

/// Agents whose GPUs are a library's word: what is leased, and what is said when a device fails.
@Suite(.enabled(if: hasCompiler, "a C compiler makes the driver's library")) struct `A farm with GPUs` {
    /// As much of NVML as an agent asks. `FAKE_GPUS` has a letter for each device: `h` an H200, `a` an A100, `m` an H200 that MIG
    /// has divided in two; `FAKE_BUS` is the bus of the first one. `FAKE_HEALTH` names a file: of each device, on a line, the GiB in
    /// use, the programs that compute on it, the errors of its memory, and whether rows of that wait for a reset.
    private static let library = """
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        typedef struct { int device, part; } *handle;
        typedef struct { unsigned long long total, free, used; } memory;
        typedef struct { char a[16]; unsigned domain, bus, device, b, c; char d[32]; } place;
        static const char *kinds(void) { const char *s = getenv("FAKE_GPUS"); return s ? s : ""; }
        static int is(handle d, char kind) { return kinds()[d->device] == kind; }
        static handle make(int device, int part) {
            handle d = malloc(sizeof *d);
            d->device = device;
            d->part = part;
            return d;
        }
        static unsigned health(handle d, int which) {
            unsigned found[4] = {0, 0, 0, 0};
            FILE *file = getenv("FAKE_HEALTH") ? fopen(getenv("FAKE_HEALTH"), "r") : NULL;
            for (int i = 0; file && i <= d->device; i++)
                if (fscanf(file, "%u %u %u %u", &found[0], &found[1], &found[2], &found[3]) != 4) memset(found, 0, sizeof found);
            if (file) fclose(file);
            return found[which];
        }
        int nvmlInit_v2(void) { return 0; }
        int nvmlShutdown(void) { return 0; }
        int nvmlDeviceGetCount_v2(unsigned *count) { *count = (unsigned)strlen(kinds()); return 0; }
        int nvmlDeviceGetHandleByIndex_v2(unsigned i, handle *d) { *d = make((int)i, 0); return 0; }
        int nvmlDeviceGetName(handle d, char *text, unsigned size) {
            snprintf(text, size, "%s%s", is(d, 'a') ? "NVIDIA A100" : "NVIDIA H200", d->part ? " MIG 3g.71gb" : "");
            return 0;
        }
        int nvmlDeviceGetUUID(handle d, char *text, unsigned size) {
            snprintf(text, size, d->part ? "MIG-%d-%d" : "GPU-%d", d->device, d->part);
            return 0;
        }
        int nvmlDeviceGetMemoryInfo(handle d, memory *m) {
            memset(m, 0, sizeof *m);
            m->total = (d->part ? 71ull : 141ull) << 30;
            m->used = (unsigned long long)health(d, 0) << 30;
            return 0;
        }
        int nvmlDeviceGetComputeRunningProcesses_v3(handle d, unsigned *count, void *infos) {
            *count = health(d, 1);
            if (*count > 0) *(unsigned *)infos = 4242;
            return 0;
        }
        int nvmlDeviceGetTotalEccErrors(handle d, int kind, int counter, unsigned long long *errors) {
            if (kind != 1 || counter != 0) return 3;
            *errors = health(d, 2);
            return 0;
        }
        int nvmlDeviceGetRemappedRows(handle d, unsigned *a, unsigned *b, unsigned *pending, unsigned *failed) {
            *a = *b = *failed = 0;
            *pending = health(d, 3);
            return 0;
        }
        int nvmlDeviceGetPciInfo_v3(handle d, place *p) {
            memset(p, 0, sizeof *p);
            p->bus = (unsigned)atoi(getenv("FAKE_BUS")) + (unsigned)d->device;
            return 0;
        }
        int nvmlDeviceGetMigMode(handle d, unsigned *now, unsigned *later) { *now = *later = is(d, 'm'); return 0; }
        int nvmlDeviceGetMaxMigDeviceCount(handle d, unsigned *count) { *count = 7; return 0; }
        int nvmlDeviceGetMigDeviceHandleByIndex(handle d, unsigned i, handle *part) {
            if (i >= 2) return 6;
            *part = make(d->device, (int)i + 1);
            return 0;
        }
        """

    /// Buses that no other test's devices sit on, while it runs at the same time.
    private static let bus = Int.random(in: 16...200)

    /// - Returns: the environment of an agent that finds these devices.
    private static func devices(_ kinds: String, for farm: RealFarm) async throws -> [String: String] {
        let folder = farm.folder + "/driver"
        if !FileManager.default.fileExists(atPath: folder) {
            let source = try farm.write("driver/nvml.c", library)
            let made = try await Finished.run(
                "/usr/bin/cc", ["-shared", "-fPIC", "-o", folder + "/libnvidia-ml.so.1", source])
            try #require(made.status == 0, "\(made.error)")
        }
        return ["LD_LIBRARY_PATH": folder, "FAKE_GPUS": kinds, "FAKE_BUS": "\(bus)"]
    }

    private static func lines(_ farm: RealFarm, _ run: String) async throws -> [Value] {
        let export = try await farm.sheaf("export", run)
        #expect(export.status == 0, "\(export.error)")
        return try export.output.split(separator: "\n").dropFirst().map { try JSONParser.value(String($0)) }
    }

    private static func job(_ resources: String, cells: Int = 1, _ script: String) -> String {
        """
        sheaf: 1
        on: workflow_dispatch
        jobs:
          eval:
            runs-on: [self-hosted, gpu]
            resources: \(resources)
            strategy: {matrix: {seed: [\((1...cells).map(String.init).joined(separator: ", "))]}}
            retry: {attempts: 3, on: [infrastructure], backoff: 1s..1s}
            steps:
              - run: |
                  \(script.replacingOccurrences(of: "\n", with: "\n          "))
        """
    }

    /// A device that is divided in two: two attempts at a time, each of which sees its own part alone.
    @Test(.timeLimit(.minutes(10))) func `leases the parts of a divided device as devices of their own`() async throws {
        try await withFarm { farm in
            let gate = try Gate(farm.folder + "/gate")
            var environment = try await Self.devices("m", for: farm)
            environment["FARM_GATE"] = gate.folder
            try await farm.startAgent("one", cpus: 2, "--pass-env", "FARM_GATE", environment: environment)
            let workflow = try farm.write(
                "code/eval.yml",
                Self.job(
                    "{cpus: 1, gpus: 1}", cells: 3,
                    """
                    echo "devices $CUDA_VISIBLE_DEVICES $NVIDIA_VISIBLE_DEVICES"
                    echo $$ > "$FARM_GATE/started"
                    read -r line < "$FARM_GATE/go" || true
                    """))
            #expect(try await farm.sheaf("submit", workflow).status == 0)
            #expect(await gate.started(2).count == 2)
            let explained = try await farm.sheaf("explain", "r1").output
            #expect(explained.contains("agent one has 0 of 2 cores, 0 of 2 GPUs free"), "\(explained)")
            gate.open()
            #expect(try await farm.sheaf("watch", "r1").status == 0)
            let seen = try await farm.sheaf("logs", "r1").output.split(separator: "\n")
                .filter { $0.contains("devices MIG") }.map {
                    $0.split(separator: " ").dropFirst().joined(separator: " ")
                }
            #expect(seen.count == 3 && Set(seen) == ["MIG-0-1 MIG-0-1", "MIG-0-2 MIG-0-2"], "\(seen)")
            gate.close()

            // A part is too small for what a whole one has room for, and two parts are not one device.
            let large = try farm.write(
                "code/large.yml",
                Self.job("{gpus: {memory: 100GiB}}", "echo \"devices $CUDA_VISIBLE_DEVICES\""))
            #expect(try await farm.sheaf("submit", large).status == 0)
            let unmet = try await farm.sheaf("explain", "r2").output
            #expect(unmet.contains("the most that one has is 0"), "\(unmet)")
            try await farm.startAgent("two", cpus: 1, environment: try await Self.devices("h", for: farm))
            #expect(try await farm.sheaf("watch", "r2").status == 0)
            #expect(try await farm.sheaf("logs", "r2").output.contains("devices GPU-0"))
        }
    }

    /// Programs of nobody's attempt, memory errors while an attempt has a device, rows that wait for a reset.
    @Test(.timeLimit(.minutes(10)))
    func `gives no device out that is not fit, and believes nothing that was computed on one`()
        async throws
    {
        try await withFarm { farm in
            var environment = try await Self.devices("hh", for: farm)
            let health = farm.folder + "/health"
            environment["FAKE_HEALTH"] = health
            // Written beside and moved there: nobody reads half of it.
            func say(_ lines: String) throws { try lines.write(toFile: health, atomically: true, encoding: .utf8) }
            try say("90 1 0 0\n0 0 0 1\n")
            try await farm.startAgent("one", cpus: 2, environment: environment)
            let workflow = try farm.write(
                "code/eval.yml", Self.job("{gpus: 1}", "echo \"devices $CUDA_VISIBLE_DEVICES\""))
            while true {
                let agents = try await farm.sheaf("agents").output
                if agents.contains("GPU-0 is not given out: process 4242 computes on it, for nobody's attempt"),
                    agents.contains("GPU-1 is not given out: rows of its memory wait to be replaced")
                {
                    break
                }
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(try await farm.sheaf("submit", workflow).status == 0)
            let explained = try await farm.sheaf("explain", "r1").output
            #expect(explained.contains("GPU-0 of agent one is not given out: process 4242"), "\(explained)")
            // The program has ended.
            try say("0 0 5 0\n0 0 0 1\n")
            #expect(try await farm.sheaf("watch", "r1").status == 0)
            #expect(try await farm.sheaf("logs", "r1").output.contains("devices GPU-0"))

            // While the first attempt has it, its memory fails: what passed there is tried again.
            let failing = try farm.write(
                "code/failing.yml",
                Self.job(
                    "{gpus: 1}",
                    """
                    [ -e \(farm.folder)/again ] || printf '0 0 7 0\\n0 0 0 1\\n' > \(health)
                    touch \(farm.folder)/again
                    """))
            let waited = try await farm.sheaf("submit", failing, "--wait")
            #expect(waited.status == 0, "\(waited.output)\(waited.error)")
            let told = try await farm.sheaf("explain", "r2").output
            #expect(told.contains("gpu_fault") && told.contains("2 errors in the memory of GPU-0"), "\(told)")
            #expect(try await Self.lines(farm, "r2").first?["attempt"]?.number == 2)
        }
    }

    /// Ten minutes, shortened to three seconds.
    @Test(.timeLimit(.minutes(10))) func `gives another kind of device to who has waited for the first`() async throws {
        try await withFarm { farm in
            try await farm.startAgent("one", cpus: 1, environment: try await Self.devices("a", for: farm))
            let workflow = try farm.write(
                "code/eval.yml",
                Self.job(
                    "{gpus: {model: H200, or: [{model: A100, after-minutes: 0.05}]}}",
                    "echo \"devices $CUDA_VISIBLE_DEVICES\""))
            let planned = try await farm.sheaf("plan", workflow)
            #expect(planned.output.contains("1 × H200 or A100 after 3 s"), "\(planned.output)")
            #expect(try await farm.sheaf("submit", workflow).status == 0)
            let explained = try await farm.sheaf("explain", "r1").output
            #expect(explained.contains("takes GPUs of model A100 as well once it has waited 3 s"), "\(explained)")
            #expect(try await farm.sheaf("watch", "r1").status == 0)
            #expect(try await farm.sheaf("logs", "r1").output.contains("devices GPU-0"))
            let wrong = try farm.write(
                "code/wrong.yml", Self.job("{gpus: {model: H200, or: [{model: A100}]}}", "true"))
            let refused = try await farm.sheaf("submit", wrong)
            #expect(refused.status == 2 && refused.error.contains("after how many minutes"), "\(refused.error)")
        }
    }

    /// As root, who may write to the kernel's log what the driver would.
    @Test(
        .timeLimit(.minutes(10)), .enabled(if: access("/dev/kmsg", W_OK) == 0, "the kernel's log cannot be written"))
    func `calls it gpu_fault when the driver says so, and tries it on another device`() async throws {
        try await withFarm { farm in
            try await farm.startAgent("one", cpus: 8, environment: try await Self.devices("hh", for: farm))
            func report(_ xid: Int, _ words: String) -> String {
                "printf '<4>NVRM: Xid (PCI:0000:%02x:00): \(xid), pid=7, name=python, \(words)\\n' $((\(Self.bus) + ${CUDA_VISIBLE_DEVICES#GPU-})) > /dev/kmsg"
            }
            // What fails on the first attempt's device; the second passes.
            let broken = try farm.write(
                "code/broken.yml",
                Self.job(
                    "{gpus: 1}",
                    """
                    [ -e \(farm.folder)/failed ] && exit 0
                    touch \(farm.folder)/failed
                    \(report(79, "GPU has fallen off the bus."))
                    exit 1
                    """))
            let waited = try await farm.sheaf("submit", broken, "--wait")
            #expect(waited.status == 0, "\(waited.output)\(waited.error)")
            let explained = try await farm.sheaf("explain", "r1").output
            for words in ["gpu_fault", "Xid 79 for GPU-", "fallen off the bus"] {
                #expect(explained.contains(words), "\(words): \(explained)")
            }
            #expect(try await Self.lines(farm, "r1").first?["attempt"]?.number == 2)

            // Other devices' faults are none of its, and what a program does to a device is the program's.
            let own = try farm.write(
                "code/own.yml",
                Self.job(
                    "{gpus: 1}",
                    """
                    printf '<4>NVRM: Xid (PCI:0000:fe:00): 79, pid=7, of another device\\n' > /dev/kmsg
                    \(report(31, "MMU Fault: ENGINE GRAPHICS"))
                    exit 3
                    """))
            #expect(try await farm.sheaf("submit", own, "--wait").status == 1)
            let line = try #require(try await Self.lines(farm, "r2").first)
            #expect(line["cause"]?.string == "user_exit" && line["code"]?.number == 3, "\(line)")
            #expect(line["attempt"]?.number == 1, "\(line)")
            let told = try await farm.sheaf("explain", "r2").output
            #expect(told.contains("Xid 31 for GPU-") && !told.contains("of another device"), "\(told)")
        }
    }
}
