import Artifacts
import Client
import Glibc
import Locks
import Programs
import Transport

/// This program as a coordinator, a process of its own.
final class CoordinatorProcess: Sendable {
    let pid: pid_t
    /// What it writes; open for as long as it lives.
    private let output: CInt
    private let folder: String
    private let isOver = Mutex(false)

    private init(pid: pid_t, output: CInt, folder: String) {
        self.pid = pid
        self.output = output
        self.folder = folder
    }

    deinit {
        end(by: SIGTERM)
        close(output)
    }

    /// Back when it listens.
    ///
    /// - Parameter port: of its agents and people; 0 for a free one.
    static func start(in folder: String, port: UInt16 = 0) async throws -> CoordinatorProcess {
        let pipe = folder + "/output"
        unlink(pipe)
        guard mkfifo(pipe, 0o600) == 0 else { throw CommandFailure("\(pipe): \(String(cString: strerror(errno)))") }
        let script = """
            /proc/\(getpid())/exe coordinator --state "$0" --listen 127.0.0.1:\(port) --enrol 127.0.0.1:0 \\
                </dev/null >"$0/output" 2>"$0/errors" &
            echo $!
            """
        return try await DiskThreads.shared.run {
            let started = String(decoding: try Program.output("sh", ["-c", script, folder]).get(), as: UTF8.self)
            let output = open(pipe, O_RDONLY | O_CLOEXEC)
            guard let pid = pid_t(started.filter(\.isNumber)), output >= 0, let lines = fdopen(dup(output), "r") else {
                throw CommandFailure("\(pipe): \(String(cString: strerror(errno)))")
            }
            defer { fclose(lines) }
            var line: UnsafeMutablePointer<CChar>?
            var size = 0
            defer { free(line) }
            while getline(&line, &size, lines) > 0 {
                guard let text = line.map({ String(cString: $0) }), text.hasPrefix("listening at") else { continue }
                return CoordinatorProcess(pid: pid, output: output, folder: folder)
            }
            throw CommandFailure("the coordinator of the benchmark did not come up", help: "look at \(folder)/errors")
        }
    }

    /// Its admin, enrolled, and where it listens. Once in its life.
    func admin(on loop: EventLoop) async throws -> (client: FarmClient, address: Address, identity: Identity) {
        let token = String(decoding: try Files.read(folder + "/admin.token", bytesMax: 1 << 16), as: UTF8.self)
        let (identity, address) = try await Enrolling.enrol(tokenFile: token)
        return (try await FarmClient.connect(to: address, as: identity, on: loop), address, identity)
    }

    func end() { end(by: SIGTERM) }

    /// As if the machine had lost power: back when it is gone.
    func die() async {
        end(by: SIGKILL)
        await DiskThreads.shared.run { [output] in
            var byte: UInt8 = 0
            while read(output, &byte, 1) > 0 {}
        }
    }

    private func end(by signal: CInt) {
        let isFirst = isOver.withLock { isOver in
            defer { isOver = true }
            return !isOver
        }
        if isFirst { kill(pid, signal) }
    }

    /// What all its threads have used, as the kernel counts it.
    func processorTime() throws -> Duration {
        let stat = String(decoding: try Files.read("/proc/\(pid)/stat", bytesMax: 1 << 16), as: UTF8.self)
        // The name stands in brackets, and may hold any character (proc(5)); then utime and stime are the 12th and 13th.
        let fields = stat.suffix(from: stat.lastIndex(of: ")") ?? stat.startIndex).split(separator: " ")
        guard fields.count > 13, let user = Int(fields[12]), let system = Int(fields[13]) else {
            throw CommandFailure("/proc/\(pid)/stat cannot be read")
        }
        return .seconds(Double(user + system) / Double(sysconf(CInt(_SC_CLK_TCK))))
    }

    /// Memory that it holds in the machine's now, in bytes (proc(5), `VmRSS`).
    func residentBytes() throws -> Int {
        let status = String(decoding: try Files.read("/proc/\(pid)/status", bytesMax: 1 << 16), as: UTF8.self)
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmRSS:") }),
            let kibibytes = Int(line.filter(\.isNumber))
        else { throw CommandFailure("/proc/\(pid)/status cannot be read") }
        return kibibytes << 10
    }
}
