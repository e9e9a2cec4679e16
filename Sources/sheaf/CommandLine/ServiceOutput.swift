import Glibc

/// What a service says in passing, written by a thread of its own: a terminal that stands still (Ctrl-S), a collector of logs
/// that hangs or has gone holds up no connection.
final class ServiceOutput: @unchecked Sendable {
    // Everything below is touched under `mutex` alone.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let descriptor: CInt
    private var waiting: [UInt8] = []
    private var omitted = 0
    private var isWriting = false

    /// Of what nobody has read yet, beside what is in the pipe: some ten thousand lines.
    private static let waitingBytesMax = 1 << 20
    /// How long the end of the program waits for somebody to read its last words.
    private static let flushSeconds = 2

    /// Lives as long as the program.
    init(to descriptor: CInt) {
        self.descriptor = descriptor
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(changed, nil)
        let box = Unmanaged.passRetained(self).toOpaque()
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<ServiceOutput>.fromOpaque(argument).takeRetainedValue().serve()
            }, box)
        precondition(failure == 0, "the system gives no thread (error \(failure))")
        pthread_detach(thread)
    }

    /// Never waits. What there is no room for is counted, and told of when there is.
    func add(_ bytes: [UInt8]) {
        pthread_mutex_lock(mutex)
        if waiting.count + bytes.count <= Self.waitingBytesMax && omitted == 0 {
            waiting += bytes
        } else {
            omitted += 1
        }
        pthread_cond_broadcast(changed)
        pthread_mutex_unlock(mutex)
    }

    /// Back when all of it is written, or after two seconds in which nobody read.
    func flush() {
        var end = timespec()
        clock_gettime(CLOCK_REALTIME, &end)
        end.tv_sec += Self.flushSeconds
        pthread_mutex_lock(mutex)
        while isWriting || !waiting.isEmpty || omitted > 0 {
            guard pthread_cond_timedwait(changed, mutex, &end) != ETIMEDOUT else { break }
        }
        pthread_mutex_unlock(mutex)
    }

    private func serve() -> Never {
        while true {
            pthread_mutex_lock(mutex)
            isWriting = false
            pthread_cond_broadcast(changed)
            while waiting.isEmpty && omitted == 0 { pthread_cond_wait(changed, mutex) }
            isWriting = true
            var bytes = waiting
            if omitted > 0 {
                bytes += "(\(omitted) more were said here while nobody read)\n".utf8
            }
            (waiting, omitted) = ([], 0)
            pthread_mutex_unlock(mutex)
            // Whoever read may have gone, and the disk be full: a service goes on without saying so.
            _ = Terminal.writeAll(bytes, to: descriptor)
        }
    }
}
