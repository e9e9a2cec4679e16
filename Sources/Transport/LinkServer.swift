import Locks
import Model

/// Takes connections from agents and people, or from strangers who want to enrol, and serves their streams.
package final class LinkServer: Sendable {
    package enum Admission: Sendable {
        /// Only bearers of the farm's certificates, in a role other than the coordinator's. The closure is asked about
        /// each once its certificate was verified, and again nothing: revocation also needs `closeConnections`.
        case certified(_ admit: @Sendable (PeerIdentity) -> LinkStatus?)
        /// Anybody, without a certificate and for a short time: an enrolment listener.
        case strangers
    }

    /// What the server tells. Called on loops: keep it short.
    package struct Observer: Sendable {
        package var connected: @Sendable (Link) -> Void
        /// Once for each link of which `connected` told.
        package var disconnected: @Sendable (Link, LinkError) -> Void
        /// Somebody did not get in, and why.
        package var refused: @Sendable (LinkError) -> Void

        package init(
            connected: @escaping @Sendable (Link) -> Void = { _ in },
            disconnected: @escaping @Sendable (Link, LinkError) -> Void = { _, _ in },
            refused: @escaping @Sendable (LinkError) -> Void = { _ in }
        ) {
            self.connected = connected
            self.disconnected = disconnected
            self.refused = refused
        }
    }

    /// Where it listens, with the actual ports.
    package let addresses: [Address]
    private let door: Door
    private let members: Members

    /// Starts to listen.
    ///
    /// - Parameters:
    ///   - addresses: of this machine; port 0 takes a free one.
    ///   - identity: a coordinator's.
    ///   - loops: connections are spread over them in turn; at least one.
    ///   - onLoop: the methods whose handler runs on the connection's loop, which saves changes of threads and forbids
    ///     whatever blocks or takes long. All others run on the shared pool.
    ///   - handler: a task for each stream; it is cancelled when the peer takes the stream back or the connection ends.
    package static func start(
        on addresses: [Address], as identity: Identity, admitting admission: Admission, loops: [EventLoop],
        settings: LinkServerSettings = .standard, observer: Observer = Observer(),
        onLoop: Set<String> = [], handler: @escaping Link.StreamHandler
    ) async throws(LinkError) -> LinkServer {
        precondition(!loops.isEmpty, "a server needs a loop")
        let certified = if case .certified = admission { true } else { false }
        let context = try serverContext(identity, certified: certified)
        let members = Members(
            loops: loops, settings: settings, admission: admission, observer: observer, onLoop: onLoop,
            handler: handler)
        let doorLoop: EventLoop
        do throws(SystemError) { doorLoop = try EventLoop(name: "sheaf-door") } catch {
            throw .exhausted("cannot listen: \(error)")
        }
        let door = Door(
            on: doorLoop, certified: certified, context: context, settings: settings,
            receive: { members.receive($0, $1, $2, visit: $3) }, refused: observer.refused)
        members.door.withLock { $0 = door }
        var places: [SocketAddress] = []
        for address in addresses { places += try await address.resolve(passive: true) }
        do throws(LinkError) {
            return LinkServer(addresses: try await door.listen(at: places), door: door, members: members)
        } catch {
            await door.close()
            throw error
        }
    }

    private init(addresses: [Address], door: Door, members: Members) {
        self.addresses = addresses
        self.door = door
        self.members = members
    }

    /// Shows another certificate to whoever connects from now on: a renewal.
    package func use(_ identity: Identity) async throws(LinkError) {
        let certified = if case .certified = members.admission { true } else { false }
        await door.use(try Self.serverContext(identity, certified: certified))
    }

    private static func serverContext(_ identity: Identity, certified: Bool) throws(LinkError) -> TLSContext {
        guard identity.principal.role == .coordinator else {
            throw .ownCertificate(
                .wrongRole("a \(identity.principal.role.rawValue)'s certificate cannot serve as coordinator's"))
        }
        do throws(CertificateError) { try identity.certificate.checkTime(.wallClock()) } catch {
            throw .ownCertificate(error)
        }
        return try TLSContext.server(identity, certified: certified)
    }

    /// The links that are open, in no order.
    package var links: [Link] { members.links }

    /// Peers that have shown no certificate, those in the middle of the handshake included.
    package var strangerCount: Int { get async { await door.strangerCount } }

    /// Closes every connection of the peers that `matches` names, telling them `status`. Returns how many.
    ///
    /// Add to the revocation list first, then call this: whoever connects in between is refused by `admit`.
    @discardableResult
    package func closeConnections(
        because status: LinkStatus, where matches: @Sendable (PeerIdentity) -> Bool
    ) async -> Int {
        let chosen = members.links.filter { $0.peer.map(matches) ?? false }
        for link in chosen { await link.close(status) }
        return chosen.count
    }

    /// Stops listening, closes every connection, and returns when all have ended.
    package func stop(_ status: LinkStatus = LinkStatus(.unavailable, "the coordinator stops")) async {
        await door.close()
        for link in members.stop() { await link.close(status) }
        await members.waitUntilEmpty()
        // The door and the members hold each other while they work.
        members.door.withLock { $0 = nil }
    }
}

/// The links of a server.
private final class Members: Sendable {
    private struct Entry: Sendable {
        var link: Link
        var visit: UInt64
        var wasAnnounced = false
    }

    private struct State: Sendable {
        var entries: [ObjectIdentifier: Entry] = [:]
        var perCertificate: [Digest: Int] = [:]
        var turn = 0
        var stopping = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    let loops: [EventLoop]
    let settings: LinkServerSettings
    let admission: LinkServer.Admission
    let observer: LinkServer.Observer
    let onLoop: Set<String>
    let handler: Link.StreamHandler
    let door = Mutex<Door?>(nil)
    private let state = Mutex(State())

    init(
        loops: [EventLoop], settings: LinkServerSettings, admission: LinkServer.Admission,
        observer: LinkServer.Observer, onLoop: Set<String>, handler: @escaping Link.StreamHandler
    ) {
        self.loops = loops
        self.settings = settings
        self.admission = admission
        self.observer = observer
        self.onLoop = onLoop
        self.handler = handler
    }

    var links: [Link] { state.withLock { $0.entries.values.map(\.link) } }

    /// Takes a connection over from the door.
    func receive(_ tls: TLSConnection, _ peer: PeerIdentity?, _ left: Duration, visit: UInt64) -> Link? {
        let turn = state.withLock { state -> Int? in
            guard !state.stopping else { return nil }
            state.turn += 1
            return state.turn
        }
        guard let turn else { return nil }
        let link = Link(
            tls, connects: false, peer: peer, settings: settings.link, on: loops[turn % loops.count],
            callbacks: Link.Callbacks(
                admit: { [self] in admit($0) }, ready: { [self] in announce($0) },
                ended: { [self] in remove($0, $1) }, handler: handler, onLoop: onLoop))
        state.withLock { state in
            state.entries[ObjectIdentifier(link)] = Entry(link: link, visit: visit)
            if let peer { state.perCertificate[peer.fingerprint, default: 0] += 1 }
        }
        // Nobody waits for it: the link begins its life on its own loop.
        link.loop.execute { link.assumeIsolated { $0.start(helloWithin: left) } }
        return link
    }

    /// Called once the link is on the list: a revocation finds it there, or is found here.
    private func admit(_ link: Link) -> LinkStatus? {
        let refusal = state.withLock { state -> LinkStatus? in
            if state.stopping { return LinkStatus(.unavailable, "the coordinator stops") }
            if state.entries.count > settings.linksMax {
                return LinkStatus(.exhausted, "the coordinator has its \(settings.linksMax) connections; try later")
            }
            if let peer = link.peer,
                state.perCertificate[peer.fingerprint, default: 0] > settings.linksPerCertificateMax
            {
                return LinkStatus(
                    .exhausted, "\(peer) has \(settings.linksPerCertificateMax) connections already; close some")
            }
            return nil
        }
        if let refusal { return refusal }
        guard case .certified(let admit) = admission, let peer = link.peer else { return nil }
        return admit(peer)
    }

    private func announce(_ link: Link) {
        state.withLock { $0.entries[ObjectIdentifier(link)]?.wasAnnounced = true }
        observer.connected(link)
    }

    private func remove(_ link: Link, _ reason: LinkError) {
        let (entry, waiters) = state.withLock { state -> (Entry?, [CheckedContinuation<Void, Never>]) in
            let entry = state.entries.removeValue(forKey: ObjectIdentifier(link))
            if let print = link.peer?.fingerprint, let count = state.perCertificate[print] {
                state.perCertificate[print] = count > 1 ? count - 1 : nil
            }
            guard state.entries.isEmpty else { return (entry, []) }
            defer { state.waiters = [] }
            return (entry, state.waiters)
        }
        guard let entry else { return }
        if entry.wasAnnounced { observer.disconnected(link, reason) } else { observer.refused(reason) }
        if link.peer == nil, let door = door.withLock({ $0 }) {
            door.loop.execute { door.assumeIsolated { $0.guestLeft(entry.visit) } }
        }
        for waiter in waiters { waiter.resume() }
    }

    func stop() -> [Link] {
        state.withLock { state in
            state.stopping = true
            return state.entries.values.map(\.link)
        }
    }

    func waitUntilEmpty() async {
        await withCheckedContinuation { continuation in
            let isEmpty = state.withLock { state in
                if !state.entries.isEmpty { state.waiters.append(continuation) }
                return state.entries.isEmpty
            }
            if isEmpty { continuation.resume() }
        }
    }
}
