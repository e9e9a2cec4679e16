import Artifacts
import Glibc
import Locks
import Model
import Testing
import Transport
import Wire

@testable import AgentService

/// The farm's objects as attempts see them: over a real link, out of memory.
final class FakeFarm: Sendable {
    let server: LinkServer
    let authority: Authority
    let agent: Identity
    let loop: EventLoop
    let objects: ObjectShelf
    let line = FarmLine()

    /// One for all tests that drive attempts: keys and threads are made once.
    static let shared = Task {
        let farm = try await FakeFarm()
        farm.line.set(try await Link.connect(to: farm.server.addresses[0], as: farm.agent, on: farm.loop))
        return farm
    }

    /// - Parameter certificateLeft: when the farm's own certificate ends; `nil`: in a year.
    /// - Parameter serve: what is asked besides objects.
    init(
        _ authority: Authority? = nil, objects: ObjectShelf = ObjectShelf(), certificateLeft: Duration? = nil,
        links: LinkServerSettings = .standard,
        admitting admit: @escaping @Sendable (PeerIdentity) -> LinkStatus? = { _ in nil },
        serve: @escaping @Sendable (LinkStream, String) async throws -> Void = { stream, method in
            await stream.finish(LinkStatus(.unimplemented, "there is no \(method)"))
        }
    ) async throws {
        let authority = try authority ?? Authority.make()
        self.authority = authority
        let main = Principal(role: .coordinator, name: "main")
        let hour = Duration.seconds(3_600)
        let coordinator = try certificateLeft.map {
            try authority.makeIdentity(for: main, at: Instant.wallClock().advanced(by: $0 - hour), validFor: hour)
        }
        agent = try authority.makeIdentity(for: Principal(role: .agent, name: "node7"))
        loop = try EventLoop(name: "test-agent")
        self.objects = objects
        server = try await LinkServer.start(
            on: [Address(host: "127.0.0.1", port: 0)], as: coordinator ?? authority.makeIdentity(for: main),
            admitting: .certified(admit),
            loops: [try EventLoop(name: "test-farm")], settings: links
        ) { stream, method, _ in
            do {
                if try await !objects.serve(stream, method) { try await serve(stream, method) }
            } catch {
                await stream.finish(LinkStatus(.internal, "\(error)"))
            }
        }
    }
}

/// Objects by digest, as the farm serves them.
final class ObjectShelf: Sendable {
    private struct State {
        var objects: [Digest: EncodedObject] = [:]
        var withheld: Set<Digest> = []
        /// How often objects are refused to whoever brings them, and how.
        var refusals: (left: Int, status: LinkStatus) = (0, .ok)
    }
    private let state = Mutex(State())
    private let asked = AsyncStream.makeStream(of: Digest.self)

    func add(_ bytes: [UInt8]) -> ObjectRef {
        let verified = VerifiedObject(naming: bytes)
        state.withLock { $0.objects[verified.object.digest] = EncodedObject(packing: verified) }
        return verified.object
    }

    func has(_ digest: Digest) -> Bool { state.withLock { $0.objects[digest] != nil } }

    func add(_ text: String) -> ObjectRef { add(Array(text.utf8)) }

    /// From now on nobody gets an answer who asks for this object.
    func withhold(_ digest: Digest) { state.withLock { _ = $0.withheld.insert(digest) } }

    /// The next objects that are brought are refused.
    func refuse(_ times: Int, _ status: LinkStatus) { state.withLock { $0.refusals = (times, status) } }

    /// Waits until somebody asks for an object that is withheld.
    func waitUntilAsked(for digest: Digest) async {
        for await asked in asked.stream where asked == digest { return }
    }

    /// What an object says; a reference that nobody put is a test's failure.
    func text(_ message: Proto.ObjectRef?) throws -> String {
        let object = try #require(message.flatMap(ObjectRef.init))
        let encoded = try #require(state.withLock { $0.objects[object.digest] })
        return String(decoding: try VerifiedObject(checking: encoded).bytes, as: UTF8.self)
    }

    /// - Returns: whether the method was one of ours.
    func serve(_ stream: LinkStream, _ method: String) async throws -> Bool {
        switch method {
        case Proto.Objects.Missing.name:
            await stream.answer(Proto.Objects.Missing.self) { (request) throws(LinkStatus) in
                let known = self.state.withLock { Set($0.objects.keys) }
                return .with {
                    $0.digests = request.digests.filter { !known.contains(Digest($0) ?? Digest(hashing: [])) }
                }
            }
        case Proto.Objects.Put.name: try await put(stream)
        case Proto.Objects.Get.name: try await get(stream)
        default: return false
        }
        return true
    }

    private func put(_ stream: LinkStream) async throws {
        guard case .header(let header)? = try await stream.receive(Proto.PutPart.self)?.kind,
            let object = header.object.flatMap(ObjectRef.init)
        else { return await stream.finish(LinkStatus(.invalid, "no header")) }
        var bytes: [UInt8] = []
        while case .bytes(let part)? = try await stream.receive(Proto.PutPart.self)?.kind { bytes += part }
        let refusal: LinkStatus? = state.withLock { state in
            guard state.refusals.left > 0 else { return nil }
            state.refusals.left -= 1
            return state.refusals.status
        }
        if let refusal { return await stream.finish(refusal) }
        let encoded = EncodedObject(object: object, encoding: ObjectEncoding(header.encoding), bytes: bytes)
        _ = try VerifiedObject(checking: encoded)
        state.withLock { $0.objects[object.digest] = encoded }
        try await stream.send(Proto.PutResponse())
        await stream.finish()
    }

    private func get(_ stream: LinkStream) async throws {
        guard let request = try await stream.receive(Proto.GetRequest.self), let digest = Digest(request.digest) else {
            return await stream.finish(LinkStatus(.invalid, "no digest"))
        }
        if state.withLock({ $0.withheld.contains(digest) }) {
            asked.continuation.yield(digest)
            // Until whoever asked takes it back.
            while true { try await Task.sleep(for: .seconds(3600)) }
        }
        guard let encoded = state.withLock({ $0.objects[digest] }) else {
            return await stream.finish(LinkStatus(.notFound, "no object \(digest.short)"))
        }
        try await stream.send(Proto.Bytes.with { $0.bytes = [encoded.encoding == .zstd ? 1 : 0] + encoded.bytes })
        await stream.finish()
    }
}
