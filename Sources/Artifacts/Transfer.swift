package import Model

/// Moves trees and single objects over a channel: what the other side has does not travel, what it gives is compared
/// with its name, and a bounded number of chunks is in memory at any time.
package struct Transfer<Channel: ObjectChannel>: Sendable {
    /// Chunks are asked about and sent in groups of about this many bytes; at most `groupsMax` are in memory.
    package static var groupBytes: Int { 8 << 20 }
    package static var groupsMax: Int { 4 }
    /// Digests in one question.
    package static var questionMax: Int { 10_000 }
    /// Chunks that are asked for ahead of the one that is being written.
    package static var aheadMax: Int { 8 }

    let channel: Channel
    let threads: DiskThreads
    let cache: ObjectStore?
    private let known: PackCache?

    /// - Parameter cache: objects that this machine keeps; downloads look there first, and leave there what they fetch.
    /// - Parameter known: what earlier packings saw, so that files which have not changed are not read again.
    package init(
        _ channel: Channel, cache: ObjectStore? = nil, known: PackCache? = nil, threads: DiskThreads = .bulk
    ) {
        self.channel = channel
        self.cache = cache
        self.known = known
        self.threads = threads
    }

    // MARK: Up

    /// What an upload came to.
    package struct Uploaded: Equatable, Sendable {
        /// Names the tree.
        package var manifest: ObjectRef
        package var contentBytes = 0
        package var files = 0
        package var chunks = 0
        /// What really travelled, compressed, the manifest included.
        package var sentChunks = 0
        package var sentBytes = 0
        /// Bytes that were not even read, because `known` had them.
        package var skippedBytes = 0
    }

    /// Packs a tree and gives the other side what it lacks of it; the manifest goes last, so who sees it sees a whole
    /// tree.
    ///
    /// - Throws: `ArtifactError`, or what the channel throws.
    package func upload(_ plan: TreePlan) async throws -> Uploaded {
        var chunks = [[ObjectRef]](repeating: [], count: plan.units.count)
        var uploaded = Uploaded(manifest: ObjectRef(naming: []))
        let toRead = try await recall(plan, &chunks, &uploaded)

        let reader = TreeReader(plan, units: toRead)
        try await withThrowingTaskGroup(of: SentGroup.self) { group in
            var running = 0
            var sent: [SentGroup] = []
            for number in 0... {
                let pieces = try await threads.run { () throws(ArtifactError) in try reader.nextGroup() }
                guard !pieces.isEmpty else { break }
                try Task.checkCancellation()
                group.addTask { try await send(pieces, number: number) }
                running += 1
                if running == Self.groupsMax, let done = try await group.next() {
                    sent.append(done)
                    running -= 1
                }
            }
            for try await done in group { sent.append(done) }
            for done in sent.sorted(by: { $0.number < $1.number }) {
                for (unit, object) in done.chunks { chunks[unit].append(object) }
                uploaded.sentChunks += done.sentChunks
                uploaded.sentBytes += done.sentBytes
            }
        }
        for unit in toRead { known?.remember(plan.fingerprint(of: unit), chunks[unit]) }

        let manifest = try plan.manifest(chunks: chunks)
        uploaded.contentBytes = manifest.contentBytes
        uploaded.files = manifest.files.count
        uploaded.chunks = manifest.chunks.count
        let object = try await threads.run { () throws(ArtifactError) in try manifest.object() }
        uploaded.manifest = object.object
        if let sent = try await give(object) {
            uploaded.sentChunks += 1
            uploaded.sentBytes += sent
        }
        return uploaded
    }

    /// Takes what earlier packings saw for granted, where the other side holds all of it.
    ///
    /// - Returns: the units that must be read.
    private func recall(
        _ plan: TreePlan, _ chunks: inout [[ObjectRef]], _ uploaded: inout Uploaded
    ) async throws -> [Int] {
        guard let known else { return Array(plan.units.indices) }
        var remembered: [[ObjectRef]?] = []
        var digests: Set<Digest> = []
        for unit in plan.units.indices {
            let recalled = known.recall(plan.fingerprint(of: unit), sizeBytes: plan.units[unit].sizeBytes)
            remembered.append(recalled)
            digests.formUnion((recalled ?? []).map(\.digest))
        }
        let missing = Set(try await missing(of: digests.sorted()))
        var toRead: [Int] = []
        for (unit, recalled) in remembered.enumerated() {
            if let recalled, !recalled.contains(where: { missing.contains($0.digest) }) {
                chunks[unit] = recalled
                uploaded.skippedBytes += plan.units[unit].sizeBytes
            } else {
                toRead.append(unit)
            }
        }
        return toRead
    }

    private struct SentGroup: Sendable {
        var number: Int
        var chunks: [(unit: Int, object: ObjectRef)] = []
        var sentChunks = 0
        var sentBytes = 0
    }

    private func send(_ pieces: [TreeReader.Piece], number: Int) async throws -> SentGroup {
        let named = await threads.run { pieces.map { (unit: $0.unit, object: VerifiedObject(naming: $0.bytes)) } }
        var group = SentGroup(number: number, chunks: named.map { ($0.unit, $0.object.object) })
        var missing = Set(try await channel.missing(of: Array(Set(named.map(\.object.object.digest)).sorted())))
        for (_, object) in named where missing.remove(object.object.digest) != nil {
            group.sentBytes += try await put(object)
            group.sentChunks += 1
        }
        return group
    }

    private func put(_ object: VerifiedObject) async throws -> Int {
        let encoded = await threads.run { EncodedObject(packing: object) }
        try await channel.put(encoded)
        return encoded.bytes.count
    }

    /// Gives one object unless the other side has it.
    ///
    /// - Returns: how many bytes travelled; `nil` when none had to.
    @discardableResult
    package func give(_ object: VerifiedObject) async throws -> Int? {
        guard try await !channel.missing(of: [object.object.digest]).isEmpty else { return nil }
        return try await put(object)
    }

    /// Gives one file as one object, of any size up to 1 GiB, without holding it in memory: items, listings, metrics.
    ///
    /// - Parameter bytesMax: what this kind of file may have.
    /// - Throws: `ArtifactError.missing`, `.throughLink`, `.special`, `.tooMuch`, `.changed`, or what the channel throws.
    package func give(
        file path: TreePath, below folder: Folder, bytesMax: Int = TreeLimits.objectBytesMax
    ) async throws -> ObjectRef {
        let file = try await threads.run { () throws(ArtifactError) in
            try ObjectFile(path, below: folder, bytesMax: bytesMax)
        }
        guard try await !channel.missing(of: [file.object.digest]).isEmpty else { return file.object }
        try await channel.put(file.object, encoding: file.encoding) {
            try await threads.run { () throws(ArtifactError) in try file.next() }
        }
        return file.object
    }

    private func missing(of digests: [Digest]) async throws -> [Digest] {
        var missing: [Digest] = []
        var start = 0
        while start < digests.count {
            let end = min(start + Self.questionMax, digests.count)
            missing += try await channel.missing(of: Array(digests[start..<end]))
            start = end
        }
        return missing
    }

    // MARK: Down

    /// Asks for one object by name.
    ///
    /// - Throws: `ArtifactError.damaged` when the other side gives something else, or what the channel throws.
    package func fetch(
        _ object: ObjectRef, of root: Digest, bytesMax: Int = TreeLimits.wholeObjectBytesMax
    ) async throws -> VerifiedObject {
        guard object.sizeBytes <= bytesMax else {
            throw ArtifactError.tooMuch(limit: "bytes in object \(object.digest.short)", most: bytesMax)
        }
        if let cache {
            // A cache that cannot be read is a cache that does not hold it.
            let held = await threads.run { try? cache.read(object.digest, bytesMax: bytesMax) }
            if let held, held.object == object { return held }
        }
        let (encoding, bytes) = try await channel.get(object.digest, of: root, bytesMax: bytesMax)
        let encoded = EncodedObject(object: object, encoding: encoding, bytes: bytes)
        return try await threads.run { [cache] () throws(ArtifactError) in
            let verified = try VerifiedObject(checking: encoded)
            // A full cache must not stop the attempt.
            _ = try? cache?.put(encoded)
            return verified
        }
    }

    /// Asks for a tree's manifest.
    package func manifest(_ object: ObjectRef) async throws -> Manifest {
        let bytes = try await fetch(object, of: object.digest, bytesMax: TreeLimits.manifestBytesMax).bytes
        return try await threads.run { () throws(ArtifactError) in try Manifest(decoding: bytes) }
    }

    /// Unpacks a tree below a folder; what it made is removed again when it fails.
    @discardableResult
    package func download(
        _ object: ObjectRef, into folder: Folder, existing: TreeWriter.Existing = .refuse, owner: Owner? = nil
    ) async throws -> Manifest {
        let manifest = try await manifest(object)
        let writer = try await threads.run { () throws(ArtifactError) in
            try TreeWriter(manifest, into: folder, existing: existing, owner: owner)
        }
        do {
            try await fill(writer, manifest, object.digest)
        } catch {
            // Not left to whoever lets go of the writer last: the caller finds the folder as it was.
            await threads.run { writer.abandon() }
            throw error
        }
        return manifest
    }

    private func fill(_ writer: TreeWriter, _ manifest: Manifest, _ root: Digest) async throws {
        try await withThrowingTaskGroup(of: (Int, VerifiedObject).self) { group in
            var asked = 0
            var arrived: [Int: VerifiedObject] = [:]
            for index in manifest.chunks.indices {
                while asked < min(index + Self.aheadMax, manifest.chunks.count) {
                    let wanted = asked
                    group.addTask { (wanted, try await fetch(manifest.chunks[wanted], of: root)) }
                    asked += 1
                }
                while arrived[index] == nil, let (number, chunk) = try await group.next() { arrived[number] = chunk }
                try Task.checkCancellation()
                guard let chunk = arrived.removeValue(forKey: index) else {
                    preconditionFailure("every chunk was asked for")
                }
                try await threads.run { () throws(ArtifactError) in try writer.write(chunk) }
            }
        }
        try await threads.run { () throws(ArtifactError) in try writer.finish() }
    }
}

extension TreeReader {
    /// The next pieces, together about `Transfer.groupBytes`; none at the end.
    func nextGroup() throws(ArtifactError) -> [Piece] {
        var pieces: [Piece] = []
        var bytes = 0
        while bytes < 8 << 20, let piece = try next() {
            bytes += piece.bytes.count
            pieces.append(piece)
        }
        return pieces
    }
}
