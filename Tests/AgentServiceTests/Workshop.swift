import Artifacts
import Foundation
import Glibc
import Locks
import Model
import Testing
import Wire

import struct Synchronization.Atomic

@testable import AgentService

/// An agent's folders and what it lends to attempts, for one test.
final class Workshop: Sendable {
    let path: String
    let farm: FakeFarm
    let host: AttemptHost
    private static let runs = Atomic<UInt64>(0)

    /// The machine's own cgroups, in a folder of this process.
    static let cgroups: Cgroups = {
        let cgroups = Cgroups(name: "tests-\(getpid())")
        atexit { Workshop.cgroups.remove() }
        return cgroups
    }()

    /// Attempts of tests that run at the same time must not share users.
    static let users = AccountPool(.standardPool)
    static var isRoot: Bool { geteuid() == 0 }

    init(
        cgroups: Cgroups = Workshop.cgroups, accounts: AccountPool = AccountPool(.own),
        change: (inout AttemptHost) throws -> Void = { _ in }
    ) async throws {
        var template = Array("/tmp/sheaf-agent-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw POSIXError(.EIO) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        chmod(path, 0o711)
        farm = try await FakeFarm.shared.value
        try Files.makeFolder(path + "/spool", mode: 0o700)
        var host = AttemptHost(
            agent: "node7", workFolder: path, spoolFolder: path + "/spool", interpreters: [], cgroups: cgroups,
            accounts: accounts, environments: try Environments(in: path + "/environments"), inputs: InputCheck(),
            objects: FarmObjects(line: farm.line), cache: nil, environment: [], hasCUDA: false,
            incarnation: "t\(getpid())", views: nil)
        try change(&host)
        self.host = host
    }

    deinit { Files.removeTree(path) }

    /// Lives on with this workshop.
    private let kept = Mutex<Workshop?>(nil)

    func keeping(_ other: Workshop) -> Workshop {
        kept.withLock { $0 = other }
        return self
    }

    /// Another workshop, with a private view of the file system.
    ///
    /// - Parameter shown: what attempts see beside their own folder.
    /// - Parameter areMadeAhead: berths, as an agent has them made.
    func withViews(shown: [String] = [], areMadeAhead: Bool = false) async throws -> Workshop {
        let account = try #require(host.accounts.probe)
        return try await Workshop(cgroups: host.cgroups, accounts: host.accounts) {
            $0.views = PrivateViews(
                attempts: $0.attemptsFolder, hidden: [$0.spoolFolder], shown: [$0.workFolder + "/environments"] + shown,
                account: account)
            $0.berths = Berths(areMadeAhead: areMadeAhead)
        }
    }

    /// Begins an attempt of these steps.
    func begin(
        _ steps: [Step] = [], logBytesMax: Int = Limits.logBytesMax, shard: Int = 0,
        change: (inout Assignment) -> Void = { _ in }
    ) throws -> Trial {
        let run = Self.runs.wrappingAdd(1, ordering: .relaxed).newValue
        let id = AttemptID(shard: ShardID(run: RunID(run), job: 0, cell: 0, shard: shard), number: 1)
        var assignment = try Assignment(
            .with {
                $0.attempt = Proto.AttemptRef(id)
                $0.jobId = "eval"
                $0.cellId = "eval_a"
                $0.cellName = "eval (a)"
                $0.shardCount = 3
                $0.work = Proto.JobWork()
                $0.contextsJson = #"{"github": {"ref": "refs/heads/main", "sha": "abc123", "event": {"number": 7}}}"#
            })
        assignment.work.steps = steps
        assignment.grace = .milliseconds(200)
        change(&assignment)
        let log = try LogSpool(at: host.spoolFolder + "/\(id.fileName).log", bytesMax: logBytesMax)
        return Trial(AttemptDriver(assignment, on: host, log: log), farm)
    }

    /// Works on an attempt to its end.
    func attempt(
        _ steps: [Step] = [], logBytesMax: Int = Limits.logBytesMax, shard: Int = 0,
        change: (inout Assignment) -> Void = { _ in }
    ) async throws -> Ended {
        try await begin(steps, logBytesMax: logBytesMax, shard: shard, change: change).end()
    }

    /// A code tree of these files, given to the farm.
    func tree(_ files: [String: String], links: [String: String] = [:]) async throws -> Digest {
        let folder = path + "/tree-\(UInt64.random(in: 0...UInt64.max))"
        for (name, text) in files {
            try Files.makeFolder((folder + "/" + name).parentPath)
            try Files.write(text, to: folder + "/" + name, mode: 0o644)
        }
        for (name, target) in links { symlink(target, folder + "/" + name) }
        let channel = host.objects.channel(
            for: AttemptID(shard: ShardID(run: RunID(1), job: 0, cell: 0, shard: 0), number: 1))
        let plan = TreePlan(try TreeScan(of: Folder(at: folder), .everything(except: [])))
        return try await Transfer(channel).upload(plan).manifest.digest
    }
}

/// An attempt that is being worked on.
final class Trial: Sendable {
    let driver: AttemptDriver
    let log: LogSpool
    private let farm: FakeFarm
    private let task: Task<Proto.AttemptReport, Never>

    init(_ driver: AttemptDriver, _ farm: FakeFarm) {
        self.driver = driver
        self.farm = farm
        log = driver.output.log
        task = Task { await driver.run() }
    }

    /// Waits until the log holds a text, the titles of steps left aside. Call it from one task at a time.
    func logged(_ text: String) async throws {
        for await _ in log.growth where try holds(text) { return }
        try #require(try holds(text), "the attempt ended before '\(text)' was logged")
    }

    private func holds(_ text: String) throws -> Bool {
        try LogLine.all(log).contains { !$0.text.hasPrefix("step: ") && $0.text.contains(text) }
    }

    /// What came of it, as the agent gets it.
    func report() async -> Proto.AttemptReport { await task.value }

    /// What came of it, once the farm has the objects that the report names.
    func end() async throws -> Ended {
        let report = await report()
        try await driver.results.send(report.results.compactMap { ObjectRef($0) }, by: driver.transfer)
        return Ended(report: report, lines: try LogLine.all(log), farm: farm)
    }
}

/// What came of an attempt.
struct Ended {
    var report: Proto.AttemptReport
    var lines: [LogLine]
    var farm: FakeFarm

    /// What the steps wrote on their standard output.
    var out: [String] { lines.filter { $0.source == "o" }.map(\.text) }
    var err: [String] { lines.filter { $0.source == "e" }.map(\.text) }
    /// What the agent said.
    var said: [String] { lines.filter { $0.source == "s" }.map(\.text) }
    var outcomes: [String] { report.steps.map(\.outcome) }
    func text(_ object: Proto.ObjectRef?) throws -> String { try farm.objects.text(object) }
}

struct LogLine: Equatable {
    var at: Int64
    var source: String
    var text: String

    /// Every line of a log; one that is not `<nanoseconds> <o|e|s> <text>` fails the test.
    static func all(_ log: LogSpool) throws -> [LogLine] {
        let bytes = try Files.read(log.path, bytesMax: 128 << 20)
        return try bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true).map { line in
            let parts = String(decoding: line, as: UTF8.self).split(
                separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
            let at = try #require(
                parts.first.flatMap { Int64($0) }, "no time in '\(String(decoding: line.prefix(80), as: UTF8.self))'")
            try #require(parts.count == 3 && ["o", "e", "s"].contains(parts[1]))
            return LogLine(at: at, source: String(parts[1]), text: String(parts[2]))
        }
    }
}

/// A step that runs a script.
func run(
    _ script: String, id: String? = nil, if condition: String? = nil, env: [Template] = [], shell: String? = nil,
    in folder: String? = nil, timeout: String? = nil, continueOnError: String? = nil
) -> Step {
    Step(
        id: id, condition: condition, action: .run(script), environment: env, shell: shell, workingDirectory: folder,
        timeout: timeout, continueOnError: continueOnError)
}

/// A step that uses an action.
func uses(_ action: String, _ with: [String: String] = [:], id: String? = nil, if condition: String? = nil) -> Step {
    Step(
        id: id, condition: condition,
        action: .uses(
            action: action, reference: "v4", with: with.sorted { $0.key < $1.key }.map { Template($0.key, $0.value) }))
}

/// Living processes whose command line holds a text.
func living(_ mark: String) -> [pid_t] {
    ProcessTable().entries.values.filter { entry in
        guard !entry.isZombie, entry.pid != getpid(),
            let bytes = try? Files.read("/proc/\(entry.pid)/cmdline", bytesMax: 1 << 20)
        else { return false }
        return String(decoding: bytes, as: UTF8.self).contains(mark)
    }.map(\.pid)
}

/// A text that no other process has in its command line: `1000.483920`, which `sleep` takes as a time.
func sleepMark() -> String { "1000.\(UInt32.random(in: 100_000...999_999))\(getpid())" }
