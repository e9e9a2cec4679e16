package import Artifacts
package import Model
package import Transport
package import Wire

/// `sheaf.v1.Objects` over a link, in the name of one scope.
package struct LinkObjects: ObjectChannel {
    private let link: Link
    private let scope: Proto.Scope

    package init(_ link: Link, scope: Proto.Scope) {
        self.link = link
        self.scope = scope
    }

    /// What a person is about to submit.
    package static func submission(_ link: Link) -> LinkObjects {
        LinkObjects(link, scope: .with { $0.kind = .submission(true) })
    }

    /// What a run that the person may read has left behind.
    package static func run(_ run: RunID, _ link: Link) -> LinkObjects {
        LinkObjects(link, scope: .with { $0.kind = .run(run.number) })
    }

    package func missing(of digests: [Digest]) async throws -> [Digest] {
        let answer = try await link.call(
            Proto.Objects.Missing.self,
            .with {
                $0.scope = scope
                $0.digests = digests.map(\.bytes)
            }, urgency: .bulk)
        return answer.digests.compactMap { Digest($0) }
    }

    package func put(
        _ object: ObjectRef, encoding: ObjectEncoding, next: @Sendable () async throws -> [UInt8]?
    ) async throws {
        let stream = try await link.open(Proto.Objects.Put.self, urgency: .bulk)
        let header = Proto.PutHeader.with {
            $0.scope = scope
            $0.object = object.message
            $0.encoding = encoding.message
        }
        try await stream.send(Proto.PutPart.with { $0.kind = .header(header) })
        while let bytes = try await next() { try await stream.send(Proto.PutPart.with { $0.kind = .bytes(bytes) }) }
        await stream.finish()
        guard try await stream.receive(Proto.PutResponse.self) != nil else {
            throw LinkError.broken("an object was put and not answered")
        }
    }

    package func get(
        _ digest: Digest, of root: Digest, bytesMax: Int
    ) async throws -> (encoding: ObjectEncoding, bytes: [UInt8]) {
        let stream = try await link.open(Proto.Objects.Get.self, urgency: .bulk)
        try await stream.send(
            Proto.GetRequest.with {
                $0.scope = scope
                $0.root = root.bytes
                $0.digest = digest.bytes
                $0.zstd = true
            })
        await stream.finish()
        guard let first = try await stream.receive(Proto.Bytes.self)?.bytes, let encoding = first.first else {
            throw LinkError.broken("an object was asked for and nothing came")
        }
        var bytes = Array(first.dropFirst())
        while bytes.count <= bytesMax, let part = try await stream.receive(Proto.Bytes.self) { bytes += part.bytes }
        guard bytes.count <= bytesMax else {
            await stream.finish(LinkStatus(.exhausted, "the object is larger than was agreed"))
            throw ArtifactError.tooMuch(limit: "bytes in object \(digest.short)", most: bytesMax)
        }
        return (encoding == 1 ? .zstd : .identity, bytes)
    }
}
