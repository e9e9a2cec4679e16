import CLinux
import Glibc
import Model

/// Where connections come in: accepts, shakes hands, and hands those over that are whom they say.
///
/// It has a loop of its own, so that strangers, however many and however slow, wait for each other and never hold up a
/// connection that serves. Their number is bounded, and so is the time each has.
actor Door {
    /// A connection before, or instead of, being handed over.
    private enum Stranger {
        case shakingHands(TLSConnection, Visit)
        /// Refused; stays a moment so that our last words are not lost with the bytes that it sent after them.
        case leaving(TLSConnection, Visit)
        /// On a listener without certificates, everybody stays a stranger.
        case guest(Link)
    }

    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    private let settings: LinkServerSettings
    private let certified: Bool
    private var context: TLSContext
    private let receive: @Sendable (TLSConnection, PeerIdentity?, _ left: Duration, _ visit: UInt64) -> Link?
    private let refused: @Sendable (LinkError) -> Void
    private var listeners: [Listener] = []
    private var strangers: [UInt64: Stranger] = [:]
    /// Visits in the order of their coming, the oldest first; those that are over are dropped when they are many.
    private var order: [UInt64] = []
    private var last: UInt64 = 0

    init(
        on loop: EventLoop, certified: Bool, context: TLSContext, settings: LinkServerSettings,
        receive: @escaping @Sendable (TLSConnection, PeerIdentity?, _ left: Duration, _ visit: UInt64) -> Link?,
        refused: @escaping @Sendable (LinkError) -> Void
    ) {
        self.loop = loop
        self.certified = certified
        self.context = context
        self.settings = settings
        self.receive = receive
        self.refused = refused
    }

    func listen(at places: [SocketAddress]) throws(LinkError) -> [Address] {
        var bound: [Address] = []
        for place in places {
            let listener: Listener
            do throws(SystemError) {
                listener = try Listener(place, door: self)
                listener.watch = try loop.core.watch(listener.socket.raw, for: .readable, listener)
            } catch {
                throw .cannotListen("\(place.address)", "\(error)")
            }
            listeners.append(listener)
            bound.append(listener.address)
        }
        return bound
    }

    func use(_ context: TLSContext) { self.context = context }

    func close() {
        for listener in listeners {
            if let watch = listener.watch { loop.core.forget(watch) }
        }
        listeners = []
        for visit in strangers.keys.sorted() { drop(visit) }
    }

    var strangerCount: Int { strangers.count }

    // MARK: Accepting

    fileprivate func accept(from listener: Listener) {
        // A bounded turn: handshakes that go on must get theirs.
        for _ in 0..<64 {
            let raw = clinux_accept(listener.socket.raw)
            if raw >= 0 {
                welcome(Descriptor(adopting: raw))
                continue
            }
            switch -raw {
            case EAGAIN: return
            case EMFILE, ENFILE, ENOBUFS, ENOMEM:
                // Make room, or else let the kernel keep the newcomers for a moment.
                guard !dropOldest(), let watch = listener.watch else { continue }
                loop.core.change(watch, to: [])
                _ = loop.core.schedule(after: .milliseconds(100)) { [weak self] in
                    self?.assumeIsolated { door in
                        guard door.listeners.contains(where: { $0 === listener }) else { return }
                        door.loop.core.change(watch, to: .readable)
                    }
                }
                return
            // The newcomer has gone again, or its network has: the next one is another's.
            default: continue
            }
        }
    }

    private func welcome(_ socket: consuming Descriptor) {
        if strangers.count >= settings.strangersMax { _ = dropOldest() }
        // Out of memory: this one is not served, which its closing says.
        guard let tls = try? TLSConnection(context, on: socket) else { return }
        last += 1
        let visit = Visit(number: last, door: self)
        guard let watch = try? loop.core.watch(tls.descriptor, for: .readable, visit) else { return }
        visit.watch = watch
        strangers[last] = .shakingHands(tls, visit)
        order.append(last)
        visit.timer = schedule(settings.link.handshakeMax, last)
        visit.end = LoopCore.readInstant().advanced(by: settings.link.handshakeMax)
        // What it said is read before the next one is let in: nobody is pushed out for bytes that lay there unread.
        advance(last)
    }

    private func schedule(_ delay: Duration, _ number: UInt64) -> TimerID {
        loop.core.schedule(after: delay) { [weak self] in
            self?.assumeIsolated { $0.drop(number) }
        }
    }

    /// Makes room for one: the oldest of those who have not said what TLS begins with goes first, then the oldest of those who
    /// were refused, so that many who say nothing, or noise, push out nobody who is about to be known. `false` when nobody is
    /// there.
    private func dropOldest() -> Bool {
        // Each newcomer adds one: looked through once in as many as may be there.
        if order.count > 2 * settings.strangersMax { order.removeAll { strangers[$0] == nil } }
        var refused: UInt64?
        var oldest: UInt64?
        for number in order {
            switch strangers[number] {
            case nil: continue
            case .shakingHands(_, let visit)? where !visit.hasSpoken:
                drop(number)
                return true
            case .leaving: refused = refused ?? number
            case .shakingHands, .guest: oldest = oldest ?? number
            }
        }
        guard let victim = refused ?? oldest else { return false }
        drop(victim)
        return true
    }

    private func drop(_ number: UInt64) {
        switch strangers.removeValue(forKey: number) {
        case nil: return
        case .shakingHands(_, let visit):
            leave(visit)
            refused(.timedOut("a stranger did not finish the handshake in time, or had to make room"))
        case .leaving(_, let visit): leave(visit)
        case .guest(let link):
            // Who waits for it: nobody; closing a link ends by itself.
            Task { await link.close(LinkStatus(.exhausted, "strangers may stay only for a moment; try again")) }
        }
    }

    private func leave(_ visit: Visit) {
        if let watch = visit.watch { loop.core.forget(watch) }
        visit.watch = nil
        if let timer = visit.timer { loop.core.cancel(timer) }
        visit.timer = nil
    }

    // MARK: Shaking hands

    fileprivate func advance(_ number: UInt64) {
        switch strangers[number] {
        case nil, .guest: return
        case .leaving(let tls, _):
            for _ in 0..<16 {
                let count = unsafe recv(tls.descriptor, loop.core.scratch.baseAddress, loop.core.scratch.count, 0)
                if count < 0, errno == EAGAIN || errno == EINTR { return }
                if count <= 0 { return drop(number) }
            }
        case .shakingHands(let tls, let visit):
            do throws(LinkError) {
                switch try tls.handshake() {
                case .moved: try admit(tls, visit)
                case .wantsRead:
                    visit.hasSpoken = tls.hasAnswered
                    setInterest(.readable, visit)
                case .wantsWrite: setInterest([.readable, .writable], visit)
                case .ended: throw .lost("the stranger left during the handshake")
                }
            } catch {
                refused(error)
                dismiss(tls, visit)
            }
        }
    }

    private func setInterest(_ interest: Interest, _ visit: Visit) {
        guard interest != visit.interest, let watch = visit.watch else { return }
        visit.interest = interest
        loop.core.change(watch, to: interest)
    }

    private func dismiss(_ tls: TLSConnection, _ visit: Visit) {
        tls.sayGoodbye()
        guard shutdown(tls.descriptor, CInt(SHUT_WR)) == 0 else {
            leave(visit)
            strangers[visit.number] = nil
            return
        }
        setInterest(.readable, visit)
        if let timer = visit.timer { loop.core.cancel(timer) }
        visit.timer = schedule(.seconds(1), visit.number)
        strangers[visit.number] = .leaving(tls, visit)
    }

    private func admit(_ tls: TLSConnection, _ visit: Visit) throws(LinkError) {
        var peer: PeerIdentity?
        if certified {
            guard let certificate = try tls.peerCertificate() else { throw .certificate(.missing) }
            guard let identity = PeerIdentity(certificate), identity.principal.role != .coordinator else {
                throw .certificate(.wrongRole("the certificate names no agent, user or admin"))
            }
            peer = identity
        }
        leave(visit)
        let left = max(.milliseconds(1), LoopCore.readInstant().duration(to: visit.end))
        let link = receive(tls, peer, left, visit.number)
        if certified {
            strangers[visit.number] = nil
        } else if let link {
            strangers[visit.number] = .guest(link)
            _ = schedule(settings.strangerStayMax, visit.number)
        } else {
            strangers[visit.number] = nil
        }
    }

    func guestLeft(_ number: UInt64) { strangers[number] = nil }
}

/// A socket that takes connections.
private final class Listener: LoopHandler, @unchecked Sendable {
    let socket: Descriptor
    let address: Address
    private weak let door: Door?
    /// Written once, on the door's loop, before anything is accepted; read there alone: `@unchecked Sendable`.
    var watch: Int?

    init(_ place: SocketAddress, door: Door) throws(SystemError) {
        let raw = try SystemError.check(clinux_tcp_socket(place.family), "make a socket")
        socket = Descriptor(adopting: raw)
        var on: CInt = 1
        let size = socklen_t(MemoryLayout<CInt>.size)
        unsafe setsockopt(raw, SOL_SOCKET, SO_REUSEADDR, &on, size)
        // So that `[::]` and `0.0.0.0` can be listened on side by side.
        if place.family == AF_INET6 { unsafe setsockopt(raw, CInt(IPPROTO_IPV6), IPV6_V6ONLY, &on, size) }
        guard unsafe place.withPointer({ unsafe bind(raw, $0, $1) }) == 0 else {
            throw SystemError(errno, during: "bind")
        }
        // Those who connect and say nothing are kept by the kernel for a second: however many they are, they push out nobody
        // whose first words are on their way.
        unsafe setsockopt(raw, CInt(IPPROTO_TCP), TCP_DEFER_ACCEPT, &on, size)
        guard Glibc.listen(raw, 4096) == 0 else { throw SystemError(errno, during: "listen") }
        address = SocketAddress.local(of: raw)?.address ?? place.address
        self.door = door
    }

    func ready(_ ready: Interest) {
        door?.assumeIsolated { $0.accept(from: self) }
    }
}

/// A stranger's place at the door. Used on the door's loop alone: `@unchecked Sendable`.
private final class Visit: LoopHandler, @unchecked Sendable {
    let number: UInt64
    private weak let door: Door?
    var watch: Int?
    var timer: TimerID?
    var interest: Interest = .readable
    var end = Instant.epoch
    /// It has sent what a client of TLS sends first, and was answered.
    var hasSpoken = false

    init(number: UInt64, door: Door) {
        self.number = number
        self.door = door
    }

    func ready(_ ready: Interest) {
        door?.assumeIsolated { $0.advance(number) }
    }
}
