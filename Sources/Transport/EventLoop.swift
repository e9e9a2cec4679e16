import CLinux
import Glibc
import Locks
import Model

import struct Synchronization.Atomic

/// One thread that waits for descriptors, timers and jobs: the executor of every connection that it carries.
///
/// A loop lives as long as anybody holds it; its thread ends after the last reference has gone, so that no job can ever
/// be given to a loop that has ended. What runs here must not block: bulk work belongs elsewhere.
package final class EventLoop: SerialExecutor, Sendable {
    let core: LoopCore

    /// - Parameters:
    ///   - name: names the thread; the kernel keeps 15 characters.
    ///   - onEnd: called on the loop's thread as its last deed.
    package init(name: String, onEnd: @escaping @Sendable () -> Void = {}) throws(SystemError) {
        core = try LoopCore()
        unsafe try core.start(name: name, executor: asUnownedSerialExecutor(), onEnd: onEnd)
    }

    deinit { core.stop() }

    package func enqueue(_ job: consuming ExecutorJob) {
        core.give(.job(UnownedJob(job)))
    }

    package func checkIsolated() {
        precondition(core.isCurrent, "this code belongs on its event loop")
    }

    package func isIsolatingCurrentContext() -> Bool? { core.isCurrent }

    /// Runs `body` on the loop's thread, after what was enqueued before it.
    package func execute(_ body: @escaping @Sendable () -> Void) { core.give(.block(body)) }
}

/// Runs tasks, and what they ask of actors without an executor of their own, on a loop's thread: whoever prefers it stays
/// beside the connections there, and must not block them.
///
/// A task that prefers it may pause wherever it awaits, also within an actor that is on the same loop: what was looked at
/// before an `await` is looked at again behind it.
final class LoopTasks: TaskExecutor, Sendable {
    private let loop: EventLoop

    init(on loop: EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { [self] in unsafe job.runSynchronously(on: asUnownedTaskExecutor()) }
    }
}

/// What a descriptor is watched for.
struct Interest: OptionSet, Hashable, Sendable {
    let rawValue: UInt32
    static let readable = Interest(rawValue: UInt32(CLINUX_READABLE))
    static let writable = Interest(rawValue: UInt32(CLINUX_WRITABLE))
    /// Only reported, never asked for: the peer has left, or the socket failed.
    static let hungUp = Interest(rawValue: UInt32(CLINUX_HUNG_UP))
}

/// Who is told that a descriptor is ready. Called on the loop's thread.
protocol LoopHandler: AnyObject, Sendable {
    func ready(_ interest: Interest)
}

/// The loop's inside, kept alive by its thread.
///
/// Everything but `inbox` belongs to the thread; that makes `@unchecked Sendable` true.
@safe final class LoopCore: @unchecked Sendable {
    enum Work {
        case job(UnownedJob)
        case block(@Sendable () -> Void)
    }

    /// What other threads leave for the loop.
    private struct Inbox: Sendable {
        var work: [Work] = []
        /// The loop waits in the kernel (or is about to): whoever adds work wakes it.
        var asleep = false
        var stopping = false
    }

    private struct Slot {
        var descriptor: CInt
        var handler: (any LoopHandler)?
        var generation: UInt32
    }

    /// Jobs run between two looks at the descriptors: a flood of jobs does not starve the sockets.
    private static let jobsPerTurnMax = 1024
    private static let wakeToken = UInt64.max

    private let poll: Descriptor
    private let bell: Descriptor
    private let inbox = Mutex(Inbox())
    /// The thread's `pthread_t`, 0 before it runs.
    private let thread = Atomic<UInt>(0)
    private var executor: UnownedSerialExecutor?

    private var slots: [Slot] = []
    private var freeSlots: [Int] = []
    private var work: [Work] = []
    /// An empty array with room, swapped with the inbox's.
    private var spare: [Work] = []
    private var atTurnEnd: [@Sendable () -> Void] = []
    private var timers = TimerQueue()
    /// Where connections read to: shared, for only one reads at a time, and none keeps anything here.
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
    /// What a connection is about to write; empty between two of them.
    var outgoing: [UInt8] = []

    init() throws(SystemError) {
        poll = Descriptor(adopting: try SystemError.check(clinux_epoll_create(), "make an epoll"))
        bell = Descriptor(adopting: try SystemError.check(clinux_eventfd(), "make an eventfd"))
        try SystemError.check(
            clinux_epoll_add(poll.raw, bell.raw, Interest.readable.rawValue, Self.wakeToken), "watch the eventfd")
    }

    deinit { unsafe scratch.deallocate() }

    var isCurrent: Bool { thread.load(ordering: .relaxed) == UInt(pthread_self()) }

    static func readClock() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    // MARK: From any thread

    func give(_ item: Work) {
        if isCurrent {
            work.append(item)
            return
        }
        let wake = inbox.withLock { inbox in
            inbox.work.append(item)
            defer { inbox.asleep = false }
            return inbox.asleep
        }
        if wake { ring() }
    }

    func stop() {
        inbox.withLock { $0.stopping = true }
        ring()
    }

    private func ring() {
        let answer = clinux_eventfd_signal(bell.raw)
        precondition(answer == 0, "an eventfd that we hold can be written")
    }

    // MARK: On the thread

    /// Watches a descriptor. The answer names it until `forget`; the handler is held until then.
    func watch(_ descriptor: CInt, for interest: Interest, _ handler: any LoopHandler) throws(SystemError) -> Int {
        let index: Int
        if let free = freeSlots.popLast() {
            index = free
        } else {
            index = slots.count
            slots.append(Slot(descriptor: -1, handler: nil, generation: 0))
        }
        slots[index].descriptor = descriptor
        slots[index].handler = handler
        do {
            try SystemError.check(
                clinux_epoll_add(poll.raw, descriptor, interest.rawValue, token(of: index)), "watch a socket")
        } catch {
            release(index)
            throw error
        }
        return index
    }

    func change(_ index: Int, to interest: Interest) {
        let answer = clinux_epoll_change(poll.raw, slots[index].descriptor, interest.rawValue, token(of: index))
        precondition(answer == 0, "a watched descriptor can be changed")
    }

    /// Ends the watch; call it before the descriptor is closed.
    func forget(_ index: Int) {
        _ = clinux_epoll_remove(poll.raw, slots[index].descriptor)
        release(index)
    }

    /// Runs `body` once `delay` has passed, unless cancelled. The resolution is a millisecond, rounded up.
    func schedule(after delay: Duration, _ body: @escaping @Sendable () -> Void) -> TimerID {
        let (deadline, overflow) = Self.readClock().addingReportingOverflow(max(0, delay.wholeNanoseconds))
        return timers.add(at: overflow ? .max : deadline, body)
    }

    func cancel(_ timer: TimerID) { timers.cancel(timer) }

    /// Runs `body` after this turn's events and jobs: the place to write what they left to write, at once.
    func whenTurnEnds(_ body: @escaping @Sendable () -> Void) { atTurnEnd.append(body) }

    private func token(of index: Int) -> UInt64 { UInt64(slots[index].generation) << 32 | UInt64(index) }

    private func release(_ index: Int) {
        slots[index].handler = nil
        slots[index].descriptor = -1
        // An event that was fetched before this moment names the old generation and is dropped.
        slots[index].generation &+= 1
        freeSlots.append(index)
    }

    func start(
        name: String, executor: UnownedSerialExecutor, onEnd: @escaping @Sendable () -> Void
    ) throws(SystemError) {
        unsafe self.executor = executor
        try startDeviceThread(named: name) { [self] in
            thread.store(UInt(pthread_self()), ordering: .relaxed)
            run()
            onEnd()
        }
    }

    private func run() {
        var events = [clinux_event](repeating: clinux_event(token: 0, ready: 0), count: 256)
        while let timeout = sleepTime() {
            let count = unsafe events.withUnsafeMutableBufferPointer { buffer in
                unsafe clinux_epoll_wait(poll.raw, buffer.baseAddress, CInt(buffer.count), timeout)
            }
            precondition(count >= 0, "an epoll that we hold can be waited for")
            for event in events.prefix(Int(count)) { deliver(event) }
            takeInbox()
            let now = Self.readClock()
            while let body = timers.takeDue(upTo: now) { body() }
            runJobs()
            while !atTurnEnd.isEmpty {
                let bodies = atTurnEnd
                atTurnEnd.removeAll(keepingCapacity: true)
                for body in bodies { body() }
            }
        }
    }

    /// How long the kernel may keep us, in milliseconds: 0 when there is work, -1 for ever. `nil` when the loop ends.
    private func sleepTime() -> CInt? {
        guard work.isEmpty else { return 0 }
        let (waiting, stopping) = inbox.withLock { inbox in
            inbox.asleep = inbox.work.isEmpty
            return (!inbox.work.isEmpty, inbox.stopping)
        }
        if waiting { return 0 }
        if stopping { return nil }
        guard let deadline = timers.nextDeadline else { return -1 }
        let milliseconds = (max(0, deadline - Self.readClock()) + 999_999) / 1_000_000
        return CInt(min(milliseconds, 3_600_000))
    }

    private func deliver(_ event: clinux_event) {
        if event.token == Self.wakeToken {
            _ = clinux_eventfd_drain(bell.raw)
            return
        }
        let index = Int(event.token & 0xffff_ffff)
        guard slots[index].generation == UInt32(event.token >> 32), let handler = slots[index].handler else { return }
        handler.ready(Interest(rawValue: event.ready))
    }

    private func takeInbox() {
        var taken: [Work] = []
        swap(&taken, &spare)
        inbox.withLock { inbox in
            inbox.asleep = false
            swap(&inbox.work, &taken)
        }
        work.append(contentsOf: taken)
        taken.removeAll(keepingCapacity: true)
        swap(&taken, &spare)
    }

    /// Runs the jobs that are there and those that they make, up to the limit of a turn.
    private func runJobs() {
        var index = 0
        while index < work.count, index < Self.jobsPerTurnMax {
            switch work[index] {
            case .job(let job):
                if let executor = unsafe executor { unsafe job.runSynchronously(on: executor) }
            case .block(let body): body()
            }
            index += 1
        }
        if index == work.count { work.removeAll(keepingCapacity: true) } else { work.removeFirst(index) }
    }
}
