import CLinux
import Glibc
import Locks

/// A program that is run to its end for what it writes.
package enum Program {
    static let outputBytesMax = 1 << 30

    /// What to run, and within which bounds.
    package struct Order: Sendable {
        package var name: String
        package var arguments: [String]
        /// `NAME=value`; `nil`: this process's own.
        package var environment: [String]?
        package var directory: String?
        package var outputBytesMax = Program.outputBytesMax
        /// It is killed then, with all of its process group; `nil`: it may take as long as it wants.
        package var timeout: Duration?
        /// `RLIMIT_…` and what it is set to.
        package var limits: [(resource: UInt32, value: UInt64)] = []

        package init(_ name: String, _ arguments: [String]) {
            self.name = name
            self.arguments = arguments
        }
    }

    /// What a program that succeeded has written.
    package struct Answer: Sendable {
        package var output: [UInt8]
        /// The end of its standard error.
        package var complaint: String
    }

    package struct Failure: Error, CustomStringConvertible {
        package var problem: String
        /// The end of its standard error.
        package var complaint = ""
        /// It was killed because its time was over.
        package var isLate = false
        package var description: String { problem }

        package init(problem: String, complaint: String = "", isLate: Bool = false) {
            self.problem = problem
            self.complaint = complaint
            self.isLate = isLate
        }
    }

    /// Blocks until the program has ended. Its standard error goes nowhere.
    package static func output(_ name: String, _ arguments: [String]) -> Result<[UInt8], Failure> {
        run(Order(name, arguments)).map(\.output)
    }

    /// Blocks until the program has ended, or was killed.
    package static func run(_ order: Order) -> Result<Answer, Failure> {
        guard let path = find(order.name) else {
            return .failure(Failure(problem: "there is no \(order.name) on PATH"))
        }
        let deadline = order.timeout.map { ContinuousClock.now.advanced(by: $0) }
        var (out, err): ([CInt], [CInt]) = ([-1, -1], [-1, -1])
        guard clinux_pipe(&out, 1 << 20) == 0 else { return .failure(Failure(problem: "no pipe can be made")) }
        guard clinux_pipe(&err, 64 << 10) == 0 else {
            for raw in out { close(raw) }
            return .failure(Failure(problem: "no pipe can be made"))
        }
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        var spawned = clinux_spawned()
        var code: CInt = 0
        Children.bear {
            code = spawn(order, path, input: null, output: out[1], error: err[1], &spawned)
            return code == 0 ? spawned.pid : nil
        }
        for raw in [out[1], err[1], null] { close(raw) }
        defer { for raw in [out[0], err[0]] { close(raw) } }
        guard code == 0 else { return .failure(Failure(problem: String(cString: strerror(-code)))) }
        var taken = Taken(outputMax: order.outputBytesMax)
        let isLate = taken.read(out[0], err[0], spawned.pidfd, until: deadline)
        // Also where it has ended: what it left running is of no use to anybody.
        if order.timeout != nil || taken.isTooMuch { _ = kill(-spawned.pid, SIGKILL) }
        if isLate || taken.isTooMuch { _ = clinux_pidfd_signal(spawned.pidfd, SIGKILL) }
        let (collected, exit) = wait(for: spawned)
        let complaint = String(decoding: taken.complaint, as: UTF8.self)
        if isLate { return .failure(Failure(problem: "it took too long", complaint: complaint, isLate: true)) }
        if taken.isTooMuch {
            return .failure(Failure(problem: "it wrote more than \(order.outputBytesMax) bytes", complaint: complaint))
        }
        // Nothing that is not known to be whole is given out as an answer.
        guard collected == 0 else {
            let reason = String(cString: strerror(-collected))
            return .failure(Failure(problem: "how it ended cannot be told: \(reason)", complaint: complaint))
        }
        guard taken.error == 0 else {
            let reason = String(cString: strerror(taken.error))
            return .failure(Failure(problem: "its output cannot be read: \(reason)", complaint: complaint))
        }
        guard exit.was_signalled == 0, exit.code == 0 else {
            let how = exit.was_signalled == 0 ? "exit code" : "signal"
            return .failure(Failure(problem: "it ended with \(how) \(exit.code)", complaint: complaint))
        }
        return .success(Answer(output: taken.output, complaint: complaint))
    }

    private static func spawn(
        _ order: Order, _ path: String, input: CInt, output: CInt, error: CInt, _ spawned: inout clinux_spawned
    ) -> CInt {
        var words: [UnsafeMutablePointer<CChar>?] = ([order.name] + order.arguments).map { strdup($0) } + [nil]
        var own: [UnsafeMutablePointer<CChar>?] = (order.environment ?? []).map { strdup($0) } + [nil]
        let directory = order.directory.flatMap { strdup($0) }
        defer { (words + own + [directory]).forEach { free($0) } }
        let limits = order.limits.map { clinux_limit(resource: CInt($0.resource), value: $0.value) }
        return path.withCString { path in
            words.withUnsafeMutableBufferPointer { words in
                own.withUnsafeMutableBufferPointer { own in
                    var request = clinux_spawn_request()
                    request.path = path
                    request.arguments = UnsafePointer(words.baseAddress)
                    request.environment =
                        order.environment == nil ? UnsafePointer(environ) : UnsafePointer(own.baseAddress)
                    request.directory = UnsafePointer(directory)
                    request.input = input
                    request.output = output
                    request.error = error
                    request.file_mask = 0o022
                    return limits.withUnsafeBufferPointer { limits in
                        request.limits = limits.baseAddress
                        request.limit_count = limits.count
                        return clinux_spawn(&request, &spawned)
                    }
                }
            }
        }
    }

    /// What is read from a program's pipes.
    private struct Taken {
        let outputMax: Int
        var output: [UInt8] = []
        var complaint: [UInt8] = []
        var isTooMuch = false
        /// Of reading; 0 while nothing went wrong.
        var error: CInt = 0

        private static let complaintBytesMax = 8 << 10

        init(outputMax: Int) { self.outputMax = outputMax }

        /// Reads until both pipes have ended, or the program has and nothing more is there.
        ///
        /// - Returns: whether its time was over before that.
        mutating func read(_ out: CInt, _ err: CInt, _ pidfd: CInt, until deadline: ContinuousClock.Instant?) -> Bool {
            for raw in [out, err] { _ = fcntl(raw, F_SETFL, O_NONBLOCK) }
            var open = [true, true]
            var buffer = [UInt8](repeating: 0, count: 64 << 10)
            var hasEnded = false
            while (open[0] || open[1] || !hasEnded) && !isTooMuch {
                var polled = [
                    pollfd(fd: open[0] ? out : -1, events: Int16(POLLIN), revents: 0),
                    pollfd(fd: open[1] ? err : -1, events: Int16(POLLIN), revents: 0),
                    pollfd(fd: hasEnded ? -1 : pidfd, events: Int16(POLLIN), revents: 0),
                ]
                let left = deadline.map { Self.milliseconds(until: $0) } ?? -1
                let ready = poll(&polled, 3, hasEnded ? 0 : left)
                if ready < 0 && errno == EINTR { continue }
                if ready == 0 { return !hasEnded }
                for (index, raw) in [out, err].enumerated() where polled[index].revents != 0 {
                    let count = Glibc.read(raw, &buffer, buffer.count)
                    if count > 0 {
                        take(buffer[..<count], isOutput: index == 0)
                    } else if count == 0 {
                        open[index] = false
                    } else if errno != EAGAIN && errno != EINTR {
                        error = errno
                        open[index] = false
                    }
                }
                if polled[2].revents != 0 { hasEnded = true }
            }
            return false
        }

        private mutating func take(_ bytes: ArraySlice<UInt8>, isOutput: Bool) {
            if isOutput {
                if output.count + bytes.count > outputMax { isTooMuch = true } else { output += bytes }
            } else {
                complaint += bytes
                if complaint.count > Self.complaintBytesMax {
                    complaint.removeFirst(complaint.count - Self.complaintBytesMax)
                }
            }
        }

        private static func milliseconds(until deadline: ContinuousClock.Instant) -> CInt {
            let left = ContinuousClock.now.duration(to: deadline)
            return CInt(
                clamping: max(0, left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000))
        }
    }

    private static func wait(for spawned: clinux_spawned) -> (collected: CInt, exit: clinux_exit) {
        var exit = clinux_exit()
        // A pidfd is readable once its process has ended.
        var watch = pollfd(fd: spawned.pidfd, events: Int16(POLLIN), revents: 0)
        while poll(&watch, 1, -1) < 0 && errno == EINTR {}
        var collected = clinux_collect(spawned.pid, spawned.pidfd, &exit)
        while collected == -EAGAIN {
            usleep(1000)
            collected = clinux_collect(spawned.pid, spawned.pidfd, &exit)
        }
        close(spawned.pidfd)
        Children.forget(spawned.pid)
        return (collected, exit)
    }

    private static func find(_ name: String) -> String? {
        if name.contains("/") { return name }
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
        return path.split(separator: ":").map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }
}
