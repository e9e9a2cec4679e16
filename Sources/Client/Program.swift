import CLinux
import Glibc

/// A program that is run to its end for what it writes.
package enum Program {
    static let outputBytesMax = 1 << 30

    package struct Failure: Error, CustomStringConvertible {
        var problem: String
        package var description: String { problem }
    }

    /// Blocks until the program has ended. Its standard error goes nowhere.
    package static func output(_ name: String, _ arguments: [String]) -> Result<[UInt8], Failure> {
        guard let path = find(name) else { return .failure(Failure(problem: "there is no \(name) on PATH")) }
        var ends: [CInt] = [-1, -1]
        guard clinux_pipe(&ends, 1 << 20) == 0 else { return .failure(Failure(problem: "no pipe can be made")) }
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        var words: [UnsafeMutablePointer<CChar>?] = ([name] + arguments).map { strdup($0) }
        words.append(nil)
        defer { words.forEach { free($0) } }
        var spawned = clinux_spawned()
        let code = path.withCString { path in
            words.withUnsafeBufferPointer { words in
                var request = clinux_spawn_request()
                request.path = path
                request.arguments = words.baseAddress
                request.environment = UnsafePointer(environ)
                request.input = null
                request.output = ends[1]
                request.error = null
                request.file_mask = 0o022
                return clinux_spawn(&request, &spawned)
            }
        }
        close(ends[1])
        close(null)
        defer { close(ends[0]) }
        guard code == 0 else { return .failure(Failure(problem: String(cString: strerror(-code)))) }
        let (bytes, isTooMuch) = readAll(ends[0])
        let exit = wait(for: spawned)
        if isTooMuch { return .failure(Failure(problem: "it wrote more than \(outputBytesMax) bytes")) }
        guard exit.was_signalled == 0, exit.code == 0 else {
            let how = exit.was_signalled == 0 ? "exit code" : "signal"
            return .failure(Failure(problem: "it ended with \(how) \(exit.code)"))
        }
        return .success(bytes)
    }

    private static func readAll(_ descriptor: CInt) -> (bytes: [UInt8], isTooMuch: Bool) {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        var isTooMuch = false
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return (bytes, isTooMuch) }
            if bytes.count + count > outputBytesMax { isTooMuch = true } else { bytes += buffer[..<count] }
        }
    }

    private static func wait(for spawned: clinux_spawned) -> clinux_exit {
        var exit = clinux_exit()
        // A pidfd is readable once its process has ended.
        var watch = pollfd(fd: spawned.pidfd, events: Int16(POLLIN), revents: 0)
        while poll(&watch, 1, -1) < 0 && errno == EINTR {}
        while clinux_collect(spawned.pid, spawned.pidfd, &exit) == -EAGAIN { usleep(1000) }
        close(spawned.pidfd)
        return exit
    }

    private static func find(_ name: String) -> String? {
        if name.contains("/") { return name }
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
        return path.split(separator: ":").map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }
}
