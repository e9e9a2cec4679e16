import Artifacts
import Model
import Queries
import Storage
import Transport
import Wire

/// `sheaf.v1.Objects`: bytes by digest, for those who have shown that they possess them, or may read them.
struct ObjectsService: Sendable {
    static let digestsMax = 10_000
    static let partBytes = 1 << 20

    let store: ObjectStore
    let coordinator: Coordinator
    let keeper: StoreKeeper
    let people: People
    private let threads = DiskThreads.bulk
    private let parts = TreeParts()

    init(store: ObjectStore, coordinator: Coordinator, keeper: StoreKeeper, people: People) {
        self.store = store
        self.coordinator = coordinator
        self.keeper = keeper
        self.people = people
    }

    /// In whose name objects are put: what an agent has given for one attempt it need not give again for another.
    private func owner(_ scope: Proto.Scope?, _ peer: Principal) async throws(LinkStatus) -> String {
        switch scope?.kind {
        case .attempt(let named):
            let attempt = try Self.attempt(named)
            guard peer.role == .agent, await coordinator.holds(attempt, AgentID(peer.name)) else {
                throw LinkStatus(.denied, "\(peer.title) does not hold \(attempt)")
            }
            return Self.scope(of: peer)
        case .submission:
            guard peer.role == .user || peer.role == .admin else {
                throw LinkStatus(.denied, "only people submit runs")
            }
            return Self.scope(of: peer)
        case .run, nil: throw LinkStatus(.denied, "objects are put for an attempt or a submission")
        }
    }

    static func scope(of peer: Principal) -> String { "\(peer.role.rawValue):\(peer.name)" }

    private static func attempt(_ message: Proto.AttemptRef) throws(LinkStatus) -> AttemptID {
        do throws(MeaningError) { return try message.meaning() } catch {
            throw LinkStatus(.invalid, "the scope's attempt cannot be read: \(error)")
        }
    }

    func missing(_ request: Proto.MissingRequest, _ peer: Principal) async throws(LinkStatus) -> Proto.MissingResponse {
        guard request.digests.count <= Self.digestsMax else {
            throw LinkStatus(
                .invalid, "\(request.digests.count) digests were asked about; the most is \(Self.digestsMax)")
        }
        let scope = try await owner(request.scope, peer)
        var digests: [Digest] = []
        for bytes in request.digests {
            guard let digest = Digest(bytes) else { throw LinkStatus(.invalid, "a digest has 32 bytes") }
            digests.append(digest)
        }
        let missing = try await absent(digests, in: scope)
        return .with { $0.digests = missing.map(\.bytes) }
    }

    /// Those that this scope has not given, or the store has lost.
    func absent(_ digests: [Digest], in scope: String) async throws(LinkStatus) -> [Digest] {
        guard !digests.isEmpty else { return [] }
        do throws(CoordinatorError) {
            let asked = digests
            let granted = try await keeper.read { storage throws(StorageError) in
                try storage.granted(asked, to: scope)
            }
            let gone = Set(await threads.run { [store] in store.missing(of: Array(granted)) })
            return digests.filter { !granted.contains($0) || gone.contains($0) }
        } catch {
            throw LinkStatus(.unavailable, "\(error)")
        }
    }

    /// Takes one object: its header, then its bytes. Answers when it is stored, synced and granted.
    func put(_ stream: LinkStream, _ peer: Principal) async throws {
        guard case .header(let header)? = try await stream.receive(Proto.PutPart.self)?.kind,
            let object = header.object.flatMap(ObjectRef.init)
        else { throw LinkStatus(.invalid, "the first part must be a header that names an object") }
        guard object.sizeBytes <= Limits.itemsFileBytesMax else {
            throw LinkStatus(.exhausted, "an object has at most \(Limits.itemsFileBytesMax) bytes")
        }
        let scope = try await owner(header.scope, peer)
        let existed = await threads.run { [store] in store.contains(object.digest) }
        // Bytes are taken even when they are here: only who has them is granted them.
        do throws(ArtifactError) {
            let writer = try await threads.run { [store] () throws(ArtifactError) in
                try store.writer(for: object, encoding: ObjectEncoding(header.encoding))
            }
            while let part = try await next(stream) {
                try await threads.run { () throws(ArtifactError) in try writer.append(part) }
            }
            try await threads.run { [store] () throws(ArtifactError) in try store.commit([writer.finish()]) }
        } catch {
            switch error {
            case .diskFull: await coordinator.diskRefused(header.scope, isFull: true, "\(error)")
            case .system: await coordinator.diskRefused(header.scope, isFull: false, "\(error)")
            default: break
            }
            throw Self.status(error)
        }
        await coordinator.grant([object.digest], to: scope)
        try await stream.send(Proto.PutResponse.with { $0.existed = existed })
        await stream.finish()
    }

    private func next(_ stream: LinkStream) async throws(ArtifactError) -> [UInt8]? {
        do throws(LinkError) {
            guard let part = try await stream.receive(Proto.PutPart.self) else { return nil }
            guard case .bytes(let bytes) = part.kind else { return [] }
            return bytes
        } catch {
            throw .changed(path: "the object on its way (\(error))")
        }
    }

    /// Gives one object that the scope may read: a root, or a chunk that a root's manifest names.
    func get(_ stream: LinkStream, _ peer: Principal) async throws {
        guard let request = try await stream.receive(Proto.GetRequest.self), let digest = Digest(request.digest),
            let root = Digest(request.root)
        else { throw LinkStatus(.invalid, "a request names a root and a digest of 32 bytes each") }
        try await allow(root, in: request.scope, peer)
        if digest != root {
            let names = try await manifest(root, request.scope).contains(digest)
            guard names else { throw LinkStatus(.denied, "\(root.short) does not name \(digest.short)") }
        }
        let object: EncodedObject
        do throws(ArtifactError) {
            let wantsZstd = request.zstd
            object = try await threads.run { [store] () throws(ArtifactError) in
                let most = Limits.itemsFileBytesMax
                guard wantsZstd else {
                    let verified = try store.read(digest, bytesMax: most)
                    return EncodedObject(object: verified.object, encoding: .identity, bytes: verified.bytes)
                }
                return try store.readEncoded(digest, bytesMax: most)
            }
        } catch {
            throw try await dropped(error, root, request.scope) ?? Self.status(error)
        }
        var first: [UInt8] = request.zstd ? [object.encoding == .zstd ? 1 : 0] : []
        var rest = object.bytes[...]
        repeat {
            let part = rest.prefix(Self.partBytes)
            rest = rest.dropFirst(Self.partBytes)
            let bytes = first + part
            first = []
            try await stream.send(Proto.Bytes.with { $0.bytes = bytes })
        } while !rest.isEmpty
        await stream.finish()
    }

    /// The reason when an object is absent because its run's bulk is no longer kept.
    private func dropped(
        _ error: ArtifactError, _ root: Digest, _ scope: Proto.Scope?
    ) async throws(LinkStatus) -> LinkStatus? {
        guard case .absent = error, case .run(let number) = scope?.kind else { return nil }
        guard let at = try await people.stored(RunID(number))?.bulkDroppedAt else {
            return try await people.reading { [library = people.library, now = people.clock.now] in
                let snapshot = try library.snapshot(of: RunID(number))
                let over = try snapshot.artifacts().compactMap(\.artifact).first { artifact in
                    artifact.manifest.flatMap { Digest($0.digest) } == root && snapshot.isOver(artifact, at: now)
                }
                return over.map {
                    LinkStatus(
                        .notFound,
                        "the artifact '\($0.name)' was kept for the \($0.retentionDays) days that its step asked for")
                }
            }
        }
        return LinkStatus(
            .notFound, "the artifacts and the code of \(RunID(number)) were dropped on \(at.utc): it ended long ago")
    }

    private func allow(_ root: Digest, in scope: Proto.Scope?, _ peer: Principal) async throws(LinkStatus) {
        let denied = LinkStatus(.denied, "\(peer.title) may not read \(root.short) here")
        switch scope?.kind {
        case .attempt(let named):
            let attempt = try Self.attempt(named)
            let agent = AgentID(peer.name)
            guard peer.role == .agent, let readable = await coordinator.readable(by: attempt, agent) else {
                throw denied
            }
            if readable.contains(root) { return }
            guard try await coordinator.mayFind(root, attempt, agent) else { throw denied }
        case .run(let number):
            guard try await people.roots(of: RunID(number), peer).contains(root) else { throw denied }
        case .submission, nil: throw denied
        }
    }

    private func manifest(_ root: Digest, _ scope: Proto.Scope?) async throws(LinkStatus) -> Set<Digest> {
        if let known = parts.known(root) { return known }
        do throws(ArtifactError) {
            let chunks = try await threads.run { [store] () throws(ArtifactError) in
                Set(try Manifest(decoding: store.read(root).bytes).chunks.map(\.digest))
            }
            parts.keep(root, chunks)
            return chunks
        } catch {
            throw try await dropped(error, root, scope) ?? Self.status(error)
        }
    }

    static func status(_ error: ArtifactError) -> LinkStatus {
        switch error {
        case .absent, .setAside: LinkStatus(.notFound, "\(error)")
        case .diskFull(let doing): LinkStatus(.unavailable, "the farm's disk is full: \(doing)")
        // The farm's own trouble, which may pass: nobody's results are given up for it.
        case .system, .storeInUse: LinkStatus(.unavailable, "\(error)")
        default: LinkStatus(.invalid, "\(error)")
        }
    }
}
