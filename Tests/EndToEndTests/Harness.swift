import Foundation
import Glibc
import Testing

/// Whom an agent of a test runs as, and its steps.
enum AgentUser: CaseIterable, Sendable {
    /// As root, where the tests are; anywhere, steps are the agent's own user.
    case sameForSteps
    case oneForEachAttempt, unprivileged

    /// Whether this test may start such an agent.
    var isPossible: Bool { self == .sameForSteps || geteuid() == 0 }
}

/// The binary, run as people run it: a farm of real processes on loopback, in a folder of its own.
final class RealFarm {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    static let binary = Bundle.main.executableURL?.deletingLastPathComponent().appending(path: "sheaf").path ?? ""
    /// Built beside the tests; `swift test --filter` of a single target may not have made it.
    static var sheaf: String {
        FileManager.default.isExecutableFile(atPath: binary) ? binary : root.appending(path: ".build/debug/sheaf").path
    }

    let folder: String
    private(set) var coordinator: Running?
    private(set) var agents: [String: Running] = [:]
    private var listen = "127.0.0.1:0"
    private var enrolment = "127.0.0.1:0"
    let lease: Int
    /// More of the coordinator's.
    var coordinatorOptions: [String] = []
    /// Of the coordinator and the agents; not of the commands.
    var environment: [String: String] = [:]

    init(lease: Int = 30) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-e2e-\(UUID().uuidString)").path
        self.lease = lease
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    var adminHome: String { folder + "/admin" }
    /// Where the coordinator listens, once it has started.
    var address: String { listen }

    /// Starts the coordinator, the first time with an admin who enrols; later on the same ports and state.
    func startCoordinator() async throws {
        let process = try Running(
            Self.sheaf,
            [
                "coordinator", "--state", folder + "/farm", "--listen", listen, "--enrol", enrolment, "--lease",
                "\(lease)",
            ] + coordinatorOptions, environment: environment, log: folder + "/coordinator.log")
        coordinator = process
        enrolment = try await process.line(with: "enrolment at ").split(separator: ",")[0]
            .replacingOccurrences(of: "enrolment at ", with: "")
        listen = try await process.line(with: "listening at ").replacingOccurrences(of: "listening at ", with: "")
        if !FileManager.default.fileExists(atPath: adminHome) {
            let enrolled = try await sheaf("enrol", "--token-file", folder + "/farm/admin.token")
            #expect(enrolled.status == 0, "\(enrolled.error)")
        }
    }

    func killCoordinator() async { await coordinator?.kill() }

    /// A token file for an agent or a person.
    func token(_ role: String, _ name: String, _ more: String...) async throws -> String {
        let path = folder + "/\(name).token"
        // A used one, when somebody comes a second time: a token that is there is not overwritten.
        try? FileManager.default.removeItem(atPath: path)
        let made = try await sheaf(["token", "create", "--role", role, "--name", name, "-o", path] + more)
        #expect(made.status == 0, "\(made.error)")
        return path
    }

    /// Starts an agent; it enrols the first time. Returns once it has joined.
    func startAgent(
        _ name: String, cpus: Int = 1, _ more: String..., environment: [String: String] = [:],
        as user: AgentUser = .sameForSteps
    ) async throws {
        var command = [
            Self.sheaf, "agent", "--home", folder + "/agents/\(name)/home", "--work", folder + "/agents/\(name)/work",
            "--cpus", "\(cpus)",
        ]
        if agents[name] == nil {
            let token = try await token("agent", name)
            command += ["--token-file", token]
            if user == .unprivileged {
                try FileManager.default.createDirectory(
                    atPath: folder + "/agents/\(name)", withIntermediateDirectories: true)
                for path in [folder + "/agents/\(name)", token] { chown(path, 65_534, 65_534) }
            }
        }
        switch user {
        case .sameForSteps: command.append("--same-user")
        case .oneForEachAttempt: break
        case .unprivileged:
            command = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] + command
        }
        let process = try Running(
            command[0], command.dropFirst() + more, environment: self.environment.merging(environment) { $1 },
            log: folder + "/\(name).log")
        agents[name] = process
        _ = try await process.line(with: "joined")
    }

    func killAgent(_ name: String) async { await agents[name]?.kill() }

    /// Writes a file below the folder.
    @discardableResult
    func write(_ name: String, _ text: String) throws -> String {
        let path = folder + "/" + name
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(filePath: path))
        return path
    }

    func sheaf(_ arguments: String...) async throws -> Finished { try await sheaf(arguments) }

    /// Runs one command as the admin, to its end.
    func sheaf(_ arguments: [String], home: String? = nil) async throws -> Finished {
        try await Finished.run(Self.sheaf, arguments, environment: ["SHEAF_HOME": home ?? adminHome])
    }

    /// Ends every process and takes the folder away.
    func end() async {
        for agent in agents.values { await agent.kill() }
        await coordinator?.kill()
        try? FileManager.default.removeItem(atPath: folder)
    }
}

/// A farm for the time of a test, ended whatever happens.
func withFarm(
    lease: Int = 30, coordinator options: [String] = [], _ body: (RealFarm) async throws -> Void
) async throws {
    let farm = try RealFarm(lease: lease)
    farm.coordinatorOptions = options
    do {
        try await farm.startCoordinator()
        try await body(farm)
    } catch {
        await farm.end()
        throw error
    }
    await farm.end()
}

/// A process that goes on, whose standard output is read line by line.
final class Running: @unchecked Sendable {
    // `process` is used by one test at a time; lines go through the stream.
    private let process = Process()
    private var lines: AsyncStream<String>.Iterator
    private(set) var seen: [String] = []
    let ended: AsyncStream<Int32>
    let log: String

    /// - Parameter log: where its standard error goes; `nil`: it is read with the output.
    init(_ path: String, _ arguments: [String], environment: [String: String] = [:], log: String?) throws {
        let pipe = Pipe()
        let (stream, continuation) = AsyncStream.makeStream(of: String.self)
        let (ended, ending) = AsyncStream.makeStream(of: Int32.self)
        self.ended = ended
        self.log = log ?? ""
        lines = stream.makeAsyncIterator()
        process.executableURL = URL(filePath: path)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardOutput = pipe
        process.standardInput = FileHandle.nullDevice
        var errors: FileHandle?
        defer { try? errors?.close() }
        if let log {
            _ = FileManager.default.createFile(atPath: log, contents: nil)
            errors = FileHandle(forWritingAtPath: log)
            process.standardError = errors ?? FileHandle.standardError
        } else {
            process.standardError = pipe
        }
        process.terminationHandler = { process in
            ending.yield(process.terminationStatus)
            ending.finish()
        }
        // A thread of its own that blocks in read, until the process and everything it started have closed the pipe.
        let descriptor = pipe.fileHandleForReading.fileDescriptor
        let reader = Thread {
            withExtendedLifetime(pipe) {
                var rest: [UInt8] = []
                var buffer = [UInt8](repeating: 0, count: 4096)
                while true {
                    let count = read(descriptor, &buffer, buffer.count)
                    if count < 0 && errno == EINTR { continue }
                    guard count > 0 else { break }
                    rest += buffer[..<count]
                    while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                        continuation.yield(String(decoding: rest[..<end], as: UTF8.self))
                        rest.removeSubrange(...end)
                    }
                }
                continuation.finish()
            }
        }
        try process.run()
        try? pipe.fileHandleForWriting.close()
        reader.start()
    }

    var pid: Int32 { process.processIdentifier }

    /// The next line that holds a text.
    func line(with text: String) async throws -> String {
        while let line = await lines.next() {
            seen.append(line)
            if line.contains(text) { return line }
        }
        let said = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
        throw Failure("the process ended without '\(text)': \(seen.suffix(20)) \(said.suffix(2000))")
    }

    func signal(_ number: Int32) { Foundation.kill(pid, number) }

    /// SIGKILL, and back when it is gone.
    func kill() async {
        signal(SIGKILL)
        for await _ in ended {}
    }

    /// - Returns: its exit status.
    func end() async -> Int32 {
        for await status in ended { return status }
        return process.terminationStatus
    }
}

/// A process that has ended, with what it wrote.
struct Finished {
    var status: Int32
    var output: String
    var error: String

    static func run(_ path: String, _ arguments: [String], environment: [String: String] = [:]) async throws -> Finished
    {
        let process = Process()
        process.executableURL = URL(filePath: path)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let folder = FileManager.default.temporaryDirectory
        let places = ["out", "err"].map { folder.appending(path: "sheaf-\(UUID().uuidString).\($0)") }
        for place in places { _ = FileManager.default.createFile(atPath: place.path, contents: nil) }
        defer { for place in places { try? FileManager.default.removeItem(at: place) } }
        process.standardInput = FileHandle.nullDevice
        let handles = try places.map { try FileHandle(forWritingTo: $0) }
        (process.standardOutput, process.standardError) = (handles[0], handles[1])
        let (ended, ending) = AsyncStream.makeStream(of: Int32.self)
        process.terminationHandler = { process in
            ending.yield(process.terminationStatus)
            ending.finish()
        }
        defer { for handle in handles { try? handle.close() } }
        try process.run()
        // The program has its own by now. A process keeps its handles for longer than anybody wants, and a thousand open files are
        // too many: Foundation then reads beyond its buffer of `/proc/self/fd` when it starts the next one.
        for handle in handles { try handle.close() }
        var status: Int32 = -1
        for await value in ended { status = value }
        return Finished(
            status: status, output: String(decoding: try Data(contentsOf: places[0]), as: UTF8.self),
            error: String(decoding: try Data(contentsOf: places[1]), as: UTF8.self))
    }
}

struct Failure: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// Processes that live, whose command line holds a text.
func living(_ mark: String) -> [Int32] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { Int32($0) }.filter { pid in
        guard pid != getpid(), let line = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") else {
            return false
        }
        return String(decoding: line, as: UTF8.self).contains(mark)
    }
}

/// How many programs `sleep` with this argument run: not what starts them, whose command line names them too.
func sleepers(_ mark: String) -> Int {
    living("sleep\0\(mark)").count {
        FileManager.default.contents(atPath: "/proc/\($0)/cmdline") == Data("sleep\0\(mark)\0".utf8)
    }
}

/// Of a process that lives; `nil` where it does not.
func parent(of pid: Int32) -> Int32? {
    let status = FileManager.default.contents(atPath: "/proc/\(pid)/status").map { String(decoding: $0, as: UTF8.self) }
    let line = status?.split(separator: "\n").first { $0.hasPrefix("PPid:") }
    return line.flatMap { Int32($0.filter(\.isNumber)) }
}
