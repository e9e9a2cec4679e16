package import Model

/// The other side's objects: `sheaf.v1.Objects` over a link for agents and people, a store for whoever has it at hand.
///
/// A channel is bound to its scope (an attempt, a run, a submission). It may throw anything of its own; it does not check
/// what it carries: `Transfer` and the store do.
package protocol ObjectChannel: Sendable {
    /// Which of these the other side has not been given in this scope, in any order; at most 10 000 are asked at a time.
    func missing(of digests: [Digest]) async throws -> [Digest]

    /// Gives one object; back when the other side has stored and synced it.
    ///
    /// - Parameter next: the encoded bytes part by part, at most 4 MiB each; `nil` after the last. Asked for again only
    ///   when the part before was sent, so a slow link holds little memory.
    func put(
        _ object: ObjectRef, encoding: ObjectEncoding, next: @Sendable () async throws -> [UInt8]?
    ) async throws

    /// Asks for one whole object, perhaps compressed.
    ///
    /// - Parameter root: what the scope grants; `digest` is it, or a chunk that it names.
    /// - Parameter bytesMax: more than that is refused, before memory is given to it.
    func get(
        _ digest: Digest, of root: Digest, bytesMax: Int
    ) async throws -> (encoding: ObjectEncoding, bytes: [UInt8])
}

extension ObjectChannel {
    /// Gives one object that is at hand.
    package func put(_ encoded: EncodedObject) async throws {
        let parts = OnePart(encoded.bytes)
        try await put(encoded.object, encoding: encoded.encoding) { await parts.take() }
    }
}

/// Hands out an array's bytes in parts, once.
private actor OnePart {
    private static let partBytesMax = 4 << 20
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    func take() -> [UInt8]? {
        guard !rest.isEmpty else { return nil }
        defer { rest = rest.dropFirst(Self.partBytesMax) }
        return Array(rest.prefix(Self.partBytesMax))
    }
}

/// A store in this process, as the other side: for tests, for the benchmark, and where both sides are one.
package struct LocalChannel: ObjectChannel {
    private let store: ObjectStore
    private let threads: DiskThreads

    package init(_ store: ObjectStore, threads: DiskThreads = .bulk) {
        self.store = store
        self.threads = threads
    }

    package func missing(of digests: [Digest]) async throws -> [Digest] {
        await threads.run { [store] in store.missing(of: digests) }
    }

    package func put(
        _ object: ObjectRef, encoding: ObjectEncoding, next: @Sendable () async throws -> [UInt8]?
    ) async throws {
        let writer = try await threads.run { [store] () throws(ArtifactError) in
            try store.writer(for: object, encoding: encoding)
        }
        while let bytes = try await next() {
            try await threads.run { () throws(ArtifactError) in try writer.append(bytes) }
        }
        try await threads.run { [store] () throws(ArtifactError) in try store.commit([writer.finish()]) }
    }

    package func get(
        _ digest: Digest, of root: Digest, bytesMax: Int
    ) async throws -> (encoding: ObjectEncoding, bytes: [UInt8]) {
        let encoded = try await threads.run { [store] () throws(ArtifactError) in
            try store.readEncoded(digest, bytesMax: bytesMax)
        }
        return (encoded.encoding, encoded.bytes)
    }
}
