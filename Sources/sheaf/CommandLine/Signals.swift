import Glibc

import struct Synchronization.Atomic

/// Signals as a stream: a handler may do next to nothing, so it writes a byte to a pipe, and a thread reads the pipe.
enum Signals {
    private static let writeEnd = Atomic<CInt>(-1)

    /// - Returns: each of these signals as it comes, from now on. Call it once in a process.
    static func stream(_ numbers: [CInt]) -> AsyncStream<CInt> {
        var ends: [CInt] = [-1, -1]
        precondition(pipe(&ends) == 0, "a pipe can be made")
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        writeEnd.store(ends[1], ordering: .releasing)
        let (stream, continuation) = AsyncStream.makeStream(of: CInt.self, bufferingPolicy: .bufferingNewest(16))
        let readEnd = ends[0]
        var thread = pthread_t()
        let reader = Unmanaged.passRetained(Reader(readEnd, continuation))
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
        return stream
    }

    private final class Reader: Sendable {
        private let descriptor: CInt
        private let continuation: AsyncStream<CInt>.Continuation

        init(_ descriptor: CInt, _ continuation: AsyncStream<CInt>.Continuation) {
            self.descriptor = descriptor
            self.continuation = continuation
        }

        /// Ends when the pipe does: never.
        func run() -> UnsafeMutableRawPointer? {
            var byte: UInt8 = 0
            while true {
                let count = read(descriptor, &byte, 1)
                if count == 1 { continuation.yield(CInt(byte)) } else if count == 0 || errno != EINTR { return nil }
            }
        }
    }
}
