import CLinux
import Glibc
import Locks
import Model

/// A running program, in a session of its own, whose output is read by a thread of its own.
///
/// The end of its pipes is not its end, nor the other way round: children may hold them open. So its exit is what its
/// pidfd says, and output is read on until the pipes are empty or `closeOutput` is called.
final class StepProcess: Sendable {
    enum Stream: Sendable { case out, err }

    static let pipeBytes: CInt = 1 << 20
    /// How long output is waited for once the process has ended, when something else holds its pipes open.
    static let drainMax = Duration.milliseconds(500)

    let pid: pid_t
    private let pidfd: CInt
    private let wake: CInt
    private let state = Mutex(State())

    private struct State {
        var exit: ProcessExit?
        /// The pipes are empty, or were not worth more waiting.
        var isDrained = false
        var isClosed = false
        var isReadingOver = false
        var waiters: [CheckedContinuation<ProcessExit, Never>] = []
        var overWaiters: [CheckedContinuation<Void, Never>] = []
    }

    /// - Parameter input: what it reads; `nil`: nothing.
    /// - Parameter output: gets the bytes as they come, on the process's thread, both streams one after the other. While
    ///   it works nothing is read, so a slow taker slows the program down and no memory fills.
    static func start(
        _ program: Program, in enclosure: Enclosure?, input: CInt? = nil,
        output: @escaping @Sendable (Stream, ArraySlice<UInt8>) -> Void
    ) throws(AgentError) -> StepProcess {
        let doors = try enclosure?.groups.openDoors() ?? []
        defer { for raw in doors { close(raw) } }
        var program = program
        if program.chamber == nil { program.chamber = try enclosure?.chamber() }
        program.forgetsKeys = enclosure?.isUserNew ?? false
        let pipes = try pipePair()
        let null = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
        defer { for raw in [null] + pipes.map(\.write) { close(raw) } }
        let wake = clinux_eventfd()
        let born: (pid: pid_t, pidfd: CInt)
        do throws(AgentError) {
            born = try Births.spawn(
                program, doors: doors, input: input ?? null, output: pipes[0].write, error: pipes[1].write)
        } catch {
            for raw in pipes.map(\.read) + [wake] { close(raw) }
            throw error
        }
        let process = StepProcess(pid: born.pid, pidfd: born.pidfd, wake: wake)
        enclosure?.joined(by: process.pid)
        startThread("step-\(process.pid)") {
            process.read(pipes.map(\.read), output)
        }
        return process
    }

    private init(pid: pid_t, pidfd: CInt, wake: CInt) {
        self.pid = pid
        self.pidfd = pidfd
        self.wake = wake
    }

    deinit {
        close(pidfd)
        close(wake)
    }

    /// Sends a signal to the process alone; nothing when it has ended.
    func signal(_ number: CInt) { _ = clinux_pidfd_signal(pidfd, number) }

    /// Waits until the process has ended and what it wrote was taken.
    nonisolated(nonsending) var exit: ProcessExit {
        get async {
            await withCheckedContinuation { continuation in
                let known = state.withLock { state -> ProcessExit? in
                    if state.isDrained, let exit = state.exit { return exit }
                    state.waiters.append(continuation)
                    return nil
                }
                if let known { continuation.resume(returning: known) }
            }
        }
    }

    /// Stops to read, even if something still holds the pipes; back when `output` will not be called any more.
    nonisolated(nonsending) func closeOutput() async {
        state.withLock { $0.isClosed = true }
        _ = clinux_eventfd_signal(wake)
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isOver = state.withLock { state in
                if !state.isReadingOver { state.overWaiters.append(continuation) }
                return state.isReadingOver
            }
            if isOver { continuation.resume() }
        }
    }

    // MARK: The thread

    private func read(_ pipes: [CInt], _ output: (Stream, ArraySlice<UInt8>) -> Void) {
        var open: [CInt?] = pipes
        for raw in pipes { _ = fcntl(raw, F_SETFL, O_NONBLOCK) }
        // Not filled: what the kernel has not written there is never looked at, and most steps write little.
        var buffer = unsafe [UInt8](unsafeUninitializedCapacity: 256 << 10) { $1 = $0.count }
        var drainUntil: Instant?
        // What the process itself may have left in each pipe when it ended: that is read however long it takes.
        var owed = [Int](repeating: Int(Self.pipeBytes), count: pipes.count)
        while true {
            let (ended, isDrained, isClosed) = state.withLock { ($0.exit != nil, $0.isDrained, $0.isClosed) }
            let isOwed = zip(open, owed).contains { $0 != nil && $1 > 0 }
            if ended && !isDrained {
                let now = Clock.monotonic()
                let until = isOwed ? .distantFuture : drainUntil ?? now.advanced(by: Self.drainMax)
                if !isOwed { drainUntil = until }
                if open.allSatisfy({ $0 == nil }) || now >= until || (isClosed && !isOwed) { finish() }
            }
            if ended && ((isClosed && !isOwed) || open.allSatisfy { $0 == nil }) { break }
            let drainMilliseconds = CInt(StepProcess.drainMax.wholeNanoseconds / 1_000_000)
            let wait: CInt = !ended ? -1 : isOwed ? 0 : isDrained ? -1 : drainMilliseconds
            var polled = open.map { pollfd(fd: $0 ?? -1, events: Int16(POLLIN), revents: 0) }
            polled.append(pollfd(fd: ended ? -1 : pidfd, events: Int16(POLLIN), revents: 0))
            polled.append(pollfd(fd: wake, events: Int16(POLLIN), revents: 0))
            let ready = unsafe poll(&polled, nfds_t(polled.count), wait)
            if ended, ready >= 0 { for index in 0..<2 where polled[index].revents == 0 { owed[index] = 0 } }
            guard ready > 0 else { continue }
            if polled[3].revents != 0 { _ = clinux_eventfd_drain(wake) }
            for index in 0..<2 where polled[index].revents != 0 {
                guard let raw = open[index] else { continue }
                let count = unsafe Glibc.read(raw, &buffer, buffer.count)
                if count > 0 {
                    if ended { owed[index] -= count }
                    output(index == 0 ? .out : .err, buffer[..<count])
                } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
                    close(raw)
                    open[index] = nil
                }
            }
            // After reading: what a process wrote before it ended is then already here.
            if polled[2].revents != 0 { collect() }
        }
        for raw in open { if let raw { close(raw) } }
        let waiters = state.withLock { state in
            state.isReadingOver = true
            defer { state.overWaiters = [] }
            return state.overWaiters
        }
        for waiter in waiters { waiter.resume() }
    }

    private func collect() {
        guard let exit = Births.collect(pid, pidfd) else { return }
        state.withLock { $0.exit = exit }
    }

    private func finish() {
        let (exit, waiters) = state.withLock { state in
            state.isDrained = true
            defer { state.waiters = [] }
            return (state.exit, state.waiters)
        }
        guard let exit else { return }
        for waiter in waiters { waiter.resume(returning: exit) }
    }

    // MARK: Pipes

    private static func pipePair() throws(AgentError) -> [(read: CInt, write: CInt)] {
        let first = try pipe()
        do throws(AgentError) { return [first, try pipe()] } catch {
            close(first.read)
            close(first.write)
            throw error
        }
    }

    private static func pipe() throws(AgentError) -> (read: CInt, write: CInt) {
        var ends: [CInt] = [-1, -1]
        let answer = unsafe clinux_pipe(&ends, pipeBytes)
        guard answer == 0 else { throw .system("make a pipe", -answer) }
        return (ends[0], ends[1])
    }
}
