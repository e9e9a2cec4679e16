import Glibc
import Locks

import struct Synchronization.Atomic

/// Standard output and standard error as the program uses them: whole writes, colour only where a person looks.
enum Terminal {
    static let outputIsTerminal = isatty(STDOUT_FILENO) == 1
    static let errorIsTerminal = isatty(STDERR_FILENO) == 1

    /// Colour on standard output: on a terminal, unless `NO_COLOR` is set or the terminal is dumb.
    static var usesColor: Bool { outputIsTerminal && environment("NO_COLOR") == nil && environment("TERM") != "dumb" }

    /// The width of the terminal in characters; 100 where there is none.
    static var columns: Int {
        var size = winsize()
        for descriptor in [STDOUT_FILENO, STDERR_FILENO] {
            if ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 { return Int(size.ws_col) }
        }
        return 100
    }

    static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    static func print(_ text: String) { write(Array((text + "\n").utf8), to: STDOUT_FILENO) }
    static func write(_ bytes: [UInt8]) { write(bytes, to: STDOUT_FILENO) }
    /// For the terminal's eyes: no line's end is added.
    static func complainRaw(_ text: String) { write(Array(text.utf8), to: STDERR_FILENO) }
    static func complain(_ text: String) { write(Array((text + "\n").utf8), to: STDERR_FILENO) }

    /// What a service says goes through threads of its own from now on: whoever reads it, or does not, holds up nothing else.
    static func serve() {
        services.withLock { services in
            for descriptor in [STDOUT_FILENO, STDERR_FILENO] {
                services[descriptor] = services[descriptor] ?? ServiceOutput(to: descriptor)
            }
        }
    }

    private static let services = Mutex([CInt: ServiceOutput]())

    /// The error number of the first write to standard output that failed; 0 while none has.
    private static let outputFailure = Atomic<CInt>(0)

    /// What ended well, and could not say so, did not end well.
    ///
    /// - Returns: `code`, or `.usage` in place of `.passed` where not all of standard output was written; the reason is said.
    static func outcome(of code: ExitCode) -> ExitCode {
        let number = outputFailure.load(ordering: .relaxed)
        guard number != 0 else { return code }
        complain("error: standard output could not be written: \(String(cString: strerror(number)))")
        return code == .passed ? .usage : code
    }

    /// Ends the process, with what was written out. Not by `exit`: that would tear down what libraries share (OpenSSL's tables)
    /// under threads that let go of their connections only now, and the heap broke with it.
    static func end(_ code: CInt) -> Never {
        for service in services.withLock({ Array($0.values) }) { service.flush() }
        fflush(nil)
        _exit(code)
    }

    /// Writes all of it. A reader that has gone away ends the program quietly, as it does other filters.
    private static func write(_ bytes: [UInt8], to descriptor: CInt) {
        if let service = services.withLock({ $0[descriptor] }) { return service.add(bytes) }
        let failure = writeAll(bytes, to: descriptor)
        if failure == EPIPE { end(141) }
        if failure != 0 && descriptor == STDOUT_FILENO {
            _ = outputFailure.compareExchange(expected: 0, desired: failure, ordering: .relaxed)
        }
    }

    /// Blocks until all of it is written, or cannot be.
    ///
    /// - Returns: 0, or the number of the error.
    static func writeAll(_ bytes: [UInt8], to descriptor: CInt) -> CInt {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.write(descriptor, buffer.baseAddress?.advanced(by: sent), buffer.count - sent)
            }
            if count > 0 {
                sent += count
            } else if errno == EAGAIN {
                // Whoever gave us this descriptor has made it non-blocking.
                var room = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&room, 1, -1)
            } else if errno != EINTR {
                return errno
            }
        }
        return 0
    }
}
