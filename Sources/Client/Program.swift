import Glibc

/// A program that is run to its end for what it writes.
enum Program {
    static let outputBytesMax = 1 << 30

    struct Failure: Error {
        var problem: String
    }

    /// Blocks until the program has ended. Its standard error goes nowhere.
    static func output(_ name: String, _ arguments: [String]) -> Result<[UInt8], Failure> {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { return .failure(Failure(problem: "no pipe can be made")) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        var words: [UnsafeMutablePointer<CChar>?] = ([name] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var pid: pid_t = 0
        let code = posix_spawnp(&pid, name, &actions, nil, &words, environ)
        close(ends[1])
        defer { close(ends[0]) }
        guard code == 0 else { return .failure(Failure(problem: String(cString: strerror(code)))) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        var isTooMuch = false
        while true {
            let count = read(ends[0], &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { break }
            if bytes.count + count > outputBytesMax { isTooMuch = true } else { bytes += buffer[..<count] }
        }
        var status: CInt = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        if isTooMuch { return .failure(Failure(problem: "it wrote more than \(outputBytesMax) bytes")) }
        guard status == 0 else { return .failure(Failure(problem: "it ended with status \(status >> 8 & 0xff)")) }
        return .success(bytes)
    }
}
