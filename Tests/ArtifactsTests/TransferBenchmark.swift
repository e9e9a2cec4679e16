import Artifacts
import Foundation
import Model
import Testing

/// Figures for docs/performance.md: `SHEAF_BENCH=1 swift test --filter TransferBenchmark`. Nothing is asserted about time.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["SHEAF_BENCH"] != nil), .serialized)
struct TransferBenchmark {
    private func measure(_ what: String, bytes: Int, files: Int = 0, _ work: () async throws -> Void) async throws {
        var before = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &before)
        let clock = ContinuousClock()
        let taken = try await clock.measure(work)
        var after = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &after)
        let cpu = { (usage: rusage) in
            Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
                + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
        }
        let seconds = taken.inSeconds
        let rate = files > 0 ? "\(Int(Double(files) / seconds)) files/s" : "\(Int(Double(bytes) / 1e6 / seconds)) MB/s"
        let burden = String(format: "%.2f", cpu(after) - cpu(before))
        print("bench: \(what): \(rate), \(String(format: "%.2f", seconds)) s, \(burden) CPU s")
    }

    @Test func `one gibibyte`() async throws {
        for (kind, repeated) in [("incompressible", 1), ("compressible", 4)] {
            let scratch = Scratch()
            let size = 1 << 30
            // Compressible: each kilobyte four times over, which zstd finds and the cutter does not.
            var bytes: [UInt8] = []
            bytes.reserveCapacity(size)
            let fresh = noise(size / repeated, seed: 1)
            for start in stride(from: 0, to: fresh.count, by: 1024) {
                for _ in 0..<repeated { bytes += fresh[start..<start + 1024] }
            }
            try scratch.write("in/file", bytes)
            bytes = []
            let store = try ObjectStore(at: scratch.url("s"))
            let known = PackCache()
            let transfer = Transfer(LocalChannel(store), known: known)
            let later = Instant(nanoseconds: Int64(Date().timeIntervalSince1970 * 1e9)).advanced(by: .seconds(10))
            let plan = TreePlan(try TreeScan(of: scratch.folder("in"), .everything(except: []), at: later))
            var uploaded: Transfer<LocalChannel>.Uploaded?
            try await measure("pack 1 GiB \(kind), no store", bytes: size) { _ = try plan.pack { _ in } }
            try await measure("upload 1 GiB \(kind), stored and synced", bytes: size) {
                uploaded = try await transfer.upload(plan)
            }
            try await measure("the same again, read", bytes: size) {
                _ = try await Transfer(LocalChannel(store)).upload(plan)
            }
            try await measure("the same again, inode cache", bytes: size) { _ = try await transfer.upload(plan) }
            let manifest = try #require(uploaded?.manifest)
            print("bench: \(uploaded?.chunks ?? 0) chunks, \(uploaded?.sentBytes ?? 0) bytes sent")
            try scratch.makeFolder("out")
            try await measure("download 1 GiB \(kind)", bytes: size) {
                try await transfer.download(manifest, into: scratch.folder("out"))
            }
        }
    }

    @Test func `ten thousand files`() async throws {
        let scratch = Scratch()
        for number in 0..<10_000 {
            try scratch.write("in/d\(number / 100)/f\(number)", noise(4096, seed: UInt64(number)))
        }
        let store = try ObjectStore(at: scratch.url("s"))
        let transfer = Transfer(LocalChannel(store))
        var uploaded: Transfer<LocalChannel>.Uploaded?
        try await measure("upload 10 000 files of 4 KiB", bytes: 0, files: 10_000) {
            let scan = try TreeScan(of: scratch.folder("in"), .everything(except: []))
            uploaded = try await transfer.upload(TreePlan(scan))
        }
        let manifest = try #require(uploaded?.manifest)
        try scratch.makeFolder("out")
        try await measure("download 10 000 files of 4 KiB", bytes: 0, files: 10_000) {
            try await transfer.download(manifest, into: scratch.folder("out"))
        }
    }
}
