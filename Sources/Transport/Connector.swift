import CLinux
import Glibc
package import Model

/// Opens one connection: TCP, then TLS, then the hellos, each step within its time.
actor Connector: LoopHandler {
    nonisolated let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }
    private let settings: LinkSettings
    private var waiting: (id: UInt64, continuation: CheckedContinuation<Outcome, Never>)?
    private var lastWait: UInt64 = 0

    private enum Outcome { case ready, late, cancelled }

    init(on loop: EventLoop, settings: LinkSettings) {
        self.loop = loop
        self.settings = settings
    }

    /// - Parameter places: tried in order; the first that takes the connection is used.
    func connect(
        to address: Address, at places: [SocketAddress], _ context: TLSContext, callbacks: Link.Callbacks
    ) async throws(LinkError) -> Link {
        var failure = LinkError.unreachable("\(address)", "it has no IP address")
        for place in places {
            let socket: Descriptor
            do throws(LinkError) {
                socket = try await dial(place, named: address)
            } catch {
                if error == .cancelled { throw error }
                failure = error
                continue
            }
            let started = LoopCore.readClock()
            let tls = try TLSConnection(context, on: socket)
            try await shakeHands(tls, with: address)
            let peer = try tls.peerCertificate()
            guard let peer else { throw .certificate(.missing) }
            guard let identity = PeerIdentity(peer), identity.principal.role == .coordinator else {
                throw .certificate(.wrongRole("the certificate at \(address) is not a coordinator's"))
            }
            let link = Link(
                tls, connects: true, peer: identity, settings: settings, on: loop, callbacks: callbacks)
            let spent = Duration.nanoseconds(LoopCore.readClock() - started)
            await link.start(helloWithin: max(.milliseconds(1), settings.handshakeMax - spent))
            await withTaskCancellationHandler {
                await link.waitUntilReady()
            } onCancel: {
                loop.execute { link.assumeIsolated { $0.close(LinkStatus(.cancelled), as: .cancelled) } }
            }
            if let ending = await link.ending { throw ending }
            return link
        }
        throw failure
    }

    private func dial(_ place: SocketAddress, named address: Address) async throws(LinkError) -> Descriptor {
        let raw = clinux_tcp_socket(place.family)
        guard raw >= 0 else { throw .unreachable("\(address)", SystemError(-raw, during: "make a socket").description) }
        let socket = Descriptor(adopting: raw)
        func failure(_ number: CInt) -> LinkError {
            .unreachable("\(address)", SystemError(number, during: "connect to \(place.address)").description)
        }
        let answer = unsafe place.withPointer { unsafe Glibc.connect(raw, $0, $1) }
        if answer == 0 { return socket }
        guard errno == EINPROGRESS else { throw failure(errno) }
        switch await wait(for: .writable, of: raw, atMost: settings.connectMax) {
        case .ready: break
        case .late: throw .unreachable("\(address)", "\(place.address) did not answer in time")
        case .cancelled: throw .cancelled
        }
        var number: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        guard unsafe getsockopt(raw, SOL_SOCKET, SO_ERROR, &number, &length) == 0, number == 0 else {
            throw failure(number)
        }
        return socket
    }

    private func shakeHands(_ tls: TLSConnection, with address: Address) async throws(LinkError) {
        let end = LoopCore.readInstant().advanced(by: settings.handshakeMax)
        while true {
            let wanted: Interest
            switch try tls.handshake() {
            case .moved: return
            case .wantsRead: wanted = .readable
            case .wantsWrite: wanted = .writable
            case .ended: throw .lost("\(address) closed the connection during the handshake")
            }
            switch await wait(for: wanted, of: tls.descriptor, atMost: LoopCore.readInstant().duration(to: end)) {
            case .ready: break
            case .late: throw .timedOut("\(address) did not finish the TLS handshake in time")
            case .cancelled: throw .cancelled
            }
        }
    }

    private func wait(for interest: Interest, of descriptor: CInt, atMost most: Duration) async -> Outcome {
        lastWait += 1
        let id = lastWait
        let core = loop.core
        // A socket that cannot be watched is as good as one that never answers.
        guard !Task.isCancelled, let watch = try? core.watch(descriptor, for: interest, self) else {
            return Task.isCancelled ? .cancelled : .late
        }
        defer { core.forget(watch) }
        let timer = core.schedule(after: most) { [self] in assumeIsolated { $0.resume(id, .late) } }
        defer { core.cancel(timer) }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { waiting = (id, $0) }
        } onCancel: {
            loop.execute { self.assumeIsolated { $0.resume(id, .cancelled) } }
        }
    }

    private func resume(_ id: UInt64, _ outcome: Outcome) {
        guard let waiting, waiting.id == id else { return }
        self.waiting = nil
        waiting.continuation.resume(returning: outcome)
    }

    nonisolated func ready(_ ready: Interest) {
        assumeIsolated { $0.resume($0.lastWait, .ready) }
    }
}

extension Link {
    /// Connects to a coordinator, as the bearer of `identity`. Returns once both sides have said hello.
    ///
    /// - Parameter handler: serves streams that the coordinator opens; without it they are refused.
    package static func connect(
        to address: Address, as identity: Identity, on loop: EventLoop, settings: LinkSettings = .standard,
        handler: StreamHandler? = nil
    ) async throws(LinkError) -> Link {
        do throws(CertificateError) { try identity.certificate.checkTime(.wallClock()) } catch {
            throw .ownCertificate(error)
        }
        let context = try TLSContext.client(identity, trust: .authority(identity.authority))
        return try await connect(to: address, context, on: loop, settings: settings, handler: handler)
    }

    /// Connects to an enrolment listener as a stranger. Only the farm whose authority has the fingerprint is talked to:
    /// once this returns, the token's secret may be sent.
    package static func connect(
        toEnrolAt address: Address, authority: Digest, on loop: EventLoop, settings: LinkSettings = .standard
    ) async throws(LinkError) -> Link {
        let context = try TLSContext.client(nil, trust: .fingerprint(authority))
        return try await connect(to: address, context, on: loop, settings: settings, handler: nil)
    }

    private static func connect(
        to address: Address, _ context: TLSContext, on loop: EventLoop, settings: LinkSettings, handler: StreamHandler?
    ) async throws(LinkError) -> Link {
        let places = try await address.resolve()
        return try await Connector(on: loop, settings: settings)
            .connect(to: address, at: places, context, callbacks: Callbacks(handler: handler))
    }
}
