import Glibc
import Locks

import struct Synchronization.Atomic

/// Signals as a stream: a handler may do next to nothing, so it writes a byte to a pipe, and a thread reads the pipe.
enum Signals {
    private static let writeEnd = Atomic<CInt>(-1)

    private struct Hub: Sendable {
        var isStarted = false
        var listener: AsyncStream<CInt>.Continuation?
        /// What came while nobody listened.
        var waiting: [CInt] = []

        mutating func hand(_ signal: CInt) {
            if let listener {
                guard case .terminated = listener.yield(signal) else { return }
                self.listener = nil
            }
            if waiting.count < 16 { waiting.append(signal) }
        }
    }
    private static let hub = Mutex(Hub())

    /// - Parameter numbers: the same in every call.
    /// - Returns: each of these signals as it comes, and those that have come since the listener before this one ended.
    static func stream(_ numbers: [CInt]) -> AsyncStream<CInt> {
        let (stream, continuation) = AsyncStream.makeStream(of: CInt.self, bufferingPolicy: .bufferingNewest(16))
        let isFirst = hub.withLock { hub in
            hub.listener = continuation
            for signal in hub.waiting { continuation.yield(signal) }
            hub.waiting = []
            defer { hub.isStarted = true }
            return !hub.isStarted
        }
        if isFirst { start(numbers) }
        return stream
    }

    private static func start(_ numbers: [CInt]) {
        var ends: [CInt] = [-1, -1]
        precondition(pipe(&ends) == 0, "a pipe can be made")
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        writeEnd.store(ends[1], ordering: .releasing)
        var thread = pthread_t()
        let reader = Unmanaged.passRetained(Reader(ends[0]))
        pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                return Unmanaged<Reader>.fromOpaque(context).takeRetainedValue().run()
            }, reader.toOpaque())
        pthread_detach(thread)
        for number in numbers {
            signal(number) { number in
                let saved = errno
                var byte = UInt8(truncatingIfNeeded: number)
                _ = write(Signals.writeEnd.load(ordering: .acquiring), &byte, 1)
                errno = saved
            }
        }
    }

    private final class Reader: Sendable {
        private let descriptor: CInt
        init(_ descriptor: CInt) { self.descriptor = descriptor }

        /// Ends when the pipe does: never.
        func run() -> UnsafeMutableRawPointer? {
            var byte: UInt8 = 0
            while true {
                let count = read(descriptor, &byte, 1)
                if count == 1 {
                    Signals.hub.withLock { $0.hand(CInt(byte)) }
                } else if count == 0 || errno != EINTR {
                    return nil
                }
            }
        }
    }
}
