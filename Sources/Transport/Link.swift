import Glibc
import Model

import struct Synchronization.Atomic

/// One connection between an agent or a person and the coordinator: TLS, frames, and streams over them.
///
/// It lives on its loop's thread, and from the handshake until it is closed (by either side, by silence, or when the
/// peer's certificate expires), whether anybody holds it or not.
package actor Link {
    /// What a link tells its owner. All of it is called on the loop: keep it short.
    struct Callbacks: Sendable {
        /// Asked once, before anything of the peer is read; a status refuses it.
        var admit: @Sendable (Link) -> LinkStatus? = { _ in nil }
        /// Both sides have said hello.
        var ready: @Sendable (Link) -> Void = { _ in }
        /// The link has ended; `ready` may not have been called.
        var ended: @Sendable (Link, LinkError) -> Void = { _, _ in }
        /// Serves a stream that the peer opened. `nil`: this side takes none.
        var handler: StreamHandler?
        /// The methods whose streams are served on the link's loop: without a change of threads, and without ever blocking it.
        var onLoop: Set<String> = []
    }

    package typealias StreamHandler = @Sendable (_ stream: LinkStream, _ method: String, _ link: Link) async -> Void

    package nonisolated let loop: EventLoop
    /// Counts this process's links, from 1. The peer hears nothing of one before it has its number: of two links that a peer
    /// made one after the other, the later one has the higher number, whatever comes first on them.
    package nonisolated let number: UInt64
    /// Whom the peer's certificate names; `nil` for a stranger.
    package nonisolated let peer: PeerIdentity?
    package nonisolated let peerAddress: Address
    package nonisolated let settings: LinkSettings
    package nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    var engine: LinkEngine
    var streams: [UInt32: StreamState] = [:]
    /// Streams with somebody in `send`.
    var blocked: Set<UInt32> = []
    /// Why the link ended; from then on nothing is sent or read any more.
    private(set) var ending: LinkError?
    /// How far the peer's clock is ahead of this one's, less the time that its hello took; `nil` when it does not tell.
    package private(set) var peerClockLead: Duration?

    let callbacks: Callbacks
    private var tls: TLSConnection?
    private var watch: Int?
    private var interest: Interest = .readable
    private var isReady = false
    private var flushIsDue = false
    /// What OpenSSL has been offered and the socket has not taken.
    private var unsent: [UInt8] = []
    private var pulse: (timer: TimerID, deadline: Int64)?
    private var timers: [TimerID] = []
    private var readyWaiters: [CheckedContinuation<Void, Never>] = []
    private var endWaiters: [CheckedContinuation<LinkError, Never>] = []
    private static let made = Atomic<UInt64>(0)

    /// - Parameter tls: its handshake is over.
    init(
        _ tls: TLSConnection, connects: Bool, peer: PeerIdentity?, settings: LinkSettings, on loop: EventLoop,
        callbacks: Callbacks
    ) {
        self.loop = loop
        number = Self.made.wrappingAdd(1, ordering: .relaxed).newValue
        self.peer = peer
        self.settings = settings
        self.callbacks = callbacks
        self.tls = tls
        peerAddress = SocketAddress.peer(of: tls.descriptor)?.address ?? Address(host: "unknown", port: 0)
        engine = LinkEngine(connects: connects, settings: settings, at: LoopCore.readInstant(), wallClock: .wallClock())
    }

    // MARK: Life

    /// Begins to read and write. The peer's hello must be there within `helloMax`.
    func start(helloWithin helloMax: Duration) {
        guard ending == nil, let tls else { return }
        do throws(SystemError) {
            watch = try loop.core.watch(tls.descriptor, for: interest, self)
        } catch {
            end(.lost("\(error)"))
            return
        }
        if let refusal = callbacks.admit(self) {
            close(refusal, as: .closed(refusal.text))
            return
        }
        after(helloMax) { link in
            guard !link.isReady else { return }
            link.close(
                LinkStatus(.invalid, "no hello came in time"), as: .timedOut("the peer's hello did not come in time"))
        }
        watchExpiry()
        setPulse()
        flushSoon()
        // OpenSSL may have read on behind the handshake: the kernel would never tell of those bytes again.
        loop.execute { [self] in assumeIsolated { $0.readable() } }
    }

    /// Waits until both sides have said hello, or the link has ended.
    func waitUntilReady() async {
        await withCheckedContinuation { waiter in
            if isReady || ending != nil { waiter.resume() } else { readyWaiters.append(waiter) }
        }
    }

    /// Waits until the link has ended, and says why.
    package var closed: LinkError {
        get async {
            await withCheckedContinuation { waiter in
                if let ending { waiter.resume(returning: ending) } else { endWaiters.append(waiter) }
            }
        }
    }

    package var isOpen: Bool { ending == nil }

    /// Ends the link and all of its streams. The peer is told the status.
    package func close(_ status: LinkStatus = LinkStatus(.unavailable, "the other side is leaving")) {
        close(status, as: .closed(status.text))
    }

    func close(_ status: LinkStatus, as reason: LinkError) {
        guard ending == nil else { return }
        engine.dismiss(status)
        writeOut()
        end(reason)
        linger()
    }

    private func end(_ reason: LinkError) {
        guard ending == nil else { return }
        ending = reason
        let core = loop.core
        for timer in timers { core.cancel(timer) }
        if let pulse { core.cancel(pulse.timer) }
        timers = []
        pulse = nil
        for number in streams.keys.sorted() {
            streams[number]?.end(.failure(reason))
            streams[number]?.service?.cancel()
        }
        streams = [:]
        blocked = []
        for waiter in readyWaiters { waiter.resume() }
        readyWaiters = []
        for waiter in endWaiters { waiter.resume(returning: reason) }
        endWaiters = []
        callbacks.ended(self, reason)
    }

    /// Lets the peer read our last words: closing a socket that holds unread bytes would reset the connection and lose
    /// them. What still comes is thrown away, until the peer has closed too, at most for a second.
    private func linger() {
        guard let tls, watch != nil, unsent.isEmpty else { return release() }
        tls.sayGoodbye()
        guard shutdown(tls.descriptor, CInt(SHUT_WR)) == 0 else { return release() }
        setInterest(.readable)
        after(.seconds(1)) { $0.release() }
    }

    private func release() {
        if let watch { loop.core.forget(watch) }
        watch = nil
        for timer in timers { loop.core.cancel(timer) }
        timers = []
        tls = nil
        unsent = []
    }

    /// A connection does not outlive the certificate that opened it. The wall clock may jump, so it is asked often.
    private func watchExpiry() {
        guard let peer else { return }
        let left = Instant.wallClock().duration(to: peer.expires)
        guard left > .zero else {
            let fault = CertificateError.expired(at: peer.expires)
            // A coordinator renews its own: whoever finds it expired comes back until it has.
            let isFarm = peer.principal.role == .coordinator
            let status =
                isFarm
                ? LinkStatus(.unavailable, "the coordinator's certificate expired on \(peer.expires.utc)")
                : LinkStatus(.denied, "\(fault); enrol again")
            close(status, as: .certificate(fault))
            return
        }
        after(min(left, .seconds(600))) { $0.watchExpiry() }
    }

    private func after(_ delay: Duration, _ body: @escaping @Sendable (isolated Link) -> Void) {
        let timer = loop.core.schedule(after: delay) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { body($0) }
        }
        timers.append(timer)
        // Few are made in a link's life (expiry re-arms itself every ten minutes): keep the list short anyway.
        if timers.count > 8 { timers.removeFirst() }
    }

    // MARK: Reading

    private func readable() {
        guard let tls else { return }
        if ending != nil { return discard(tls) }
        let core = loop.core
        var events: [LinkEngine.Event] = []
        var failure: LinkError?
        var more = true
        let now = LoopCore.readInstant()
        // A bounded turn: a bulk stream must not hold up the loop's other links.
        var turns = 8
        while more, failure == nil, turns > 0 {
            turns -= 1
            do throws(LinkError) {
                switch try unsafe tls.read(into: core.scratch) {
                case .moved(let count):
                    try unsafe engine.receive(
                        UnsafeRawBufferPointer(rebasing: core.scratch[..<count]), at: now, &events)
                case .wantsRead: more = false
                case .wantsWrite:
                    setInterest([.readable, .writable])
                    more = false
                case .ended: throw .lost("the other side closed it")
                }
            } catch {
                failure = error
            }
        }
        // What arrived before a failure counts: a refusal is often followed by the end of the connection.
        take(events)
        if let failure {
            if case .broken(let text) = failure {
                close(LinkStatus(.invalid, text), as: failure)
            } else {
                end(failure)
                release()
            }
            return
        }
        if ending == nil { flushSoon() }
        // OpenSSL may hold bytes that the kernel no longer counts as readable.
        if more { loop.execute { [self] in assumeIsolated { $0.readable() } } }
    }

    private func discard(_ tls: TLSConnection) {
        for _ in 0..<16 {
            let count = unsafe recv(tls.descriptor, loop.core.scratch.baseAddress, loop.core.scratch.count, 0)
            if count < 0, errno == EAGAIN || errno == EINTR { return }
            if count <= 0 { return release() }
        }
    }

    private func take(_ events: [LinkEngine.Event]) {
        for event in events where ending == nil {
            switch event {
            case .ready:
                isReady = true
                peerClockLead = engine.peerClock.map { Instant.wallClock().duration(to: $0) }
                callbacks.ready(self)
            case .opened(let number, let method): serve(number, method)
            case .message(let number, let bytes): streams[number]?.take(bytes, self)
            case .closed(let number, let status): peerClosed(number, status)
            case .dismissed(let status):
                end(.dismissed(status))
                release()
            }
        }
        guard isReady else { return }
        for waiter in readyWaiters { waiter.resume() }
        readyWaiters = []
    }

    // MARK: Writing

    /// Writes at the end of this turn of the loop: what many calls have queued leaves in one record.
    func flushSoon() {
        guard !flushIsDue, ending == nil else { return }
        flushIsDue = true
        loop.core.whenTurnEnds { [self] in
            assumeIsolated { link in
                link.flushIsDue = false
                guard link.ending == nil else { return }
                link.writeOut()
                link.wakeSenders()
                link.setPulse()
            }
        }
    }

    /// Writes until there is nothing left, the socket is full, or the turn is over.
    private func writeOut() {
        guard let tls, watch != nil else { return }
        var turns = 32
        while turns > 0 {
            turns -= 1
            do throws(LinkError) {
                if !unsent.isEmpty {
                    guard try write(&unsent, to: tls) else { return setInterest([.readable, .writable]) }
                }
                let core = loop.core
                core.outgoing.removeAll(keepingCapacity: true)
                engine.pull(into: &core.outgoing)
                guard !core.outgoing.isEmpty else { return setInterest(.readable) }
                guard try write(&core.outgoing, to: tls) else {
                    unsent = core.outgoing
                    return setInterest([.readable, .writable])
                }
            } catch {
                // The read side often knows better why: a refusal may lie there unread.
                if ending == nil { loop.execute { [self] in assumeIsolated { $0.writeFailed(error) } } }
                return
            }
        }
        loop.execute { [self] in assumeIsolated { $0.flushSoon() } }
    }

    /// Writes from the front of `bytes` and takes off what went. `false` when the socket is full.
    private func write(_ bytes: inout [UInt8], to tls: TLSConnection) throws(LinkError) -> Bool {
        var start = 0
        defer { if start == bytes.count { bytes.removeAll(keepingCapacity: true) } else { bytes.removeFirst(start) } }
        while start < bytes.count {
            let progress = try unsafe bytes.withUnsafeBufferPointer { buffer throws(LinkError) in
                try unsafe tls.write(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: buffer[start...])))
            }
            switch progress {
            case .moved(let count): start += count
            case .wantsRead, .wantsWrite: return false
            case .ended: throw .lost("the other side closed it")
            }
        }
        return true
    }

    private func writeFailed(_ error: LinkError) {
        guard ending == nil else { return }
        readable()
        guard ending == nil else { return }
        end(error)
        release()
    }

    private func setInterest(_ wanted: Interest) {
        guard wanted != interest, let watch else { return }
        interest = wanted
        loop.core.change(watch, to: wanted)
    }

    // MARK: Heartbeats

    /// Keeps a timer at the engine's next deadline. A deadline that moved back costs nothing: the timer finds out.
    private func setPulse() {
        guard ending == nil, let deadline = engine.deadline?.nanoseconds else { return }
        if let pulse {
            guard deadline < pulse.deadline else { return }
            loop.core.cancel(pulse.timer)
        }
        let delay = Duration.nanoseconds(max(0, deadline - LoopCore.readClock()))
        let timer = loop.core.schedule(after: delay) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { $0.beat() }
        }
        pulse = (timer, deadline)
    }

    private func beat() {
        pulse = nil
        guard ending == nil else { return }
        do throws(LinkError) {
            try engine.tick(at: LoopCore.readInstant())
        } catch {
            close(LinkStatus(.unavailable, "\(error)"), as: error)
            return
        }
        flushSoon()
        setPulse()
    }
}

extension Link: LoopHandler {
    nonisolated func ready(_ ready: Interest) {
        assumeIsolated { link in
            if ready.contains(.writable), link.ending == nil { link.flushSoon() }
            if !ready.isDisjoint(with: [.readable, .hungUp]) { link.readable() }
        }
    }
}

extension Link: Hashable {
    package nonisolated static func == (a: Link, b: Link) -> Bool { a === b }
    package nonisolated func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

extension LoopCore {
    /// The monotonic clock, in the shape that machines take.
    static func readInstant() -> Instant { Instant(nanoseconds: readClock()) }
}
