import Glibc
import Locks
package import Model

/// How a store is looked after: what is there, what nobody needs any more, what is damaged.
extension ObjectStore {
    /// Removes an object; whoever reads it at this moment still can.
    ///
    /// - Returns: false when it was not there.
    @discardableResult
    package func remove(_ digest: Digest) throws(ArtifactError) -> Bool {
        var removed = false
        for encoding in [ObjectEncoding.zstd, .identity] {
            if unsafe unlinkat(objects.descriptor.raw, ObjectPlace(digest, encoding).path, 0) == 0 {
                removed = true
            } else if errno != ENOENT {
                throw SystemCode.fault("removing object \(digest.short)")
            }
        }
        return removed
    }

    /// Gives every object once, in the order of digests, with the bytes it takes on the disk.
    package func list(
        _ body: (_ digest: Digest, _ storedBytes: Int) throws(ArtifactError) -> Void
    ) throws(ArtifactError) {
        for name in try objects.names() {
            let prefix = String(decoding: name, as: UTF8.self)
            guard prefix.utf8.count == 2, objects.facts(of: prefix)?.kind == .directory else { continue }
            let folder = try objects.child(name[...], creating: false, owner: nil).folder
            var last: Digest?
            for file in try folder.names() {
                let text = String(decoding: file, as: UTF8.self)
                let bare = text.hasSuffix(".zst") ? text.dropLast(4) : text[...]
                guard let digest = Digest(hex: prefix + bare), digest != last else { continue }
                guard let facts = folder.facts(of: text) else { continue }
                last = digest
                try body(digest, facts.sizeBytes)
            }
        }
    }

    /// What `sweep` did.
    package struct Sweep: Equatable, Sendable {
        package var kept = 0
        package var removed: [Digest] = []
        package var removedBytes = 0
    }

    /// Removes what nobody needs: objects that are not in `keep` and were neither stored nor asked about since `unusedSince`
    /// (by the clock of the disk). An object that somebody is told of meanwhile is used, and stays.
    package func sweep(keep: Set<Digest>, unusedSince: Instant) throws(ArtifactError) -> Sweep {
        var candidates: [(digest: Digest, bytes: Int)] = []
        var sweep = Sweep()
        try list { digest, bytes in
            if keep.contains(digest) { sweep.kept += 1 } else { candidates.append((digest, bytes)) }
        }
        for (digest, bytes) in candidates {
            let isGone = try state.withLock { _ throws(ArtifactError) in
                guard let used = lastUsed(digest), used < unusedSince else { return false }
                return try remove(digest)
            }
            guard isGone else {
                sweep.kept += 1
                continue
            }
            sweep.removed.append(digest)
            sweep.removedBytes += bytes
        }
        return sweep
    }

    private func lastUsed(_ digest: Digest) -> Instant? {
        guard let encoding = encoding(of: digest) else { return nil }
        return objects.facts(of: ObjectPlace(digest, encoding).path).map {
            Instant(nanoseconds: $0.modifiedNanoseconds)
        }
    }

    /// What `verifyAll` saw.
    package struct Audit: Equatable, Sendable {
        package var objects = 0
        package var storedBytes = 0
        /// These were moved to the folder `damaged`.
        package var damaged: [Digest] = []
    }

    /// Reads every object and sets aside what is damaged.
    package func verifyAll() throws -> Audit {
        var all: [(Digest, Int)] = []
        try list { digest, bytes in all.append((digest, bytes)) }
        var audit = Audit()
        for (digest, bytes) in all {
            do {
                try read(digest) { _ in }
                audit.objects += 1
                audit.storedBytes += bytes
            } catch ArtifactError.damaged(let digest, _) {
                audit.damaged.append(digest)
            } catch ArtifactError.absent, ArtifactError.setAside {
                // Removed in the meantime.
                continue
            }
        }
        return audit
    }
}
