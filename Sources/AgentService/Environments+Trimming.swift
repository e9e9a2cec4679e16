import Artifacts
import Glibc
import Model

extension Environments {
    /// What an agent keeps of what it may need again.
    struct Bounds: Equatable, Sendable {
        var bytesMax: ByteCount
        var unusedMax: Duration
    }

    /// Removes environments that nobody has used for long, and the least recently used beyond a size; never one that is in
    /// use or being built. Blocks.
    ///
    /// - Returns: the bytes that were freed.
    func trim(_ bounds: Bounds, at now: Instant) -> ByteCount {
        var all: [(key: Digest, used: Instant, bytes: Int64)] = []
        for name in Files.names(in: folder) {
            guard let key = Digest(hex: name) else { continue }
            let place = folder + "/" + name
            // The rest of a build that was interrupted is of no use to anybody.
            let used = Files.facts(place + "/complete")?.modified ?? .init(nanoseconds: .min)
            let bytes = Files.value(place + "/bytes").flatMap { Int64($0) } ?? Self.bytes(of: place)
            all.append((key, used, bytes))
        }
        all.sort { $0.used < $1.used }
        var left = all.reduce(0) { $0 + $1.bytes }
        var freed: Int64 = 0
        for environment in all {
            let isOld = environment.used.advanced(by: bounds.unusedMax) < now
            guard left > bounds.bytesMax.bytes || isOld else { break }
            guard remove(environment.key) else { continue }
            left -= environment.bytes
            freed += environment.bytes
        }
        return ByteCount(freed)
    }

    /// The digests of the locks of what is built, the last used first, at most so many. Blocks.
    func locks(most: Int) -> [Digest] {
        let built = Files.names(in: folder).compactMap { name -> (place: String, used: Instant)? in
            guard Digest(hex: name) != nil else { return nil }
            return Files.facts(folder + "/" + name + "/complete").map { (folder + "/" + name, $0.modified) }
        }
        return built.sorted { $0.used == $1.used ? $0.place < $1.place : $0.used > $1.used }.prefix(most).compactMap {
            // One that is being removed is not kept.
            (try? Files.read($0.place + "/lock.txt", bytesMax: 16 << 20)).map { Digest(hashing: $0) }
        }
    }

    /// - Returns: false when it is in use.
    private func remove(_ key: Digest) -> Bool {
        // A lock that cannot be had is somebody else's, whatever the reason.
        guard let lock = try? lockFile(key, LOCK_EX) else { return false }
        defer { close(lock) }
        let place = folder + "/" + key.hex
        // First of all it stops being one: half an environment must not be taken for a whole.
        Files.remove(place + "/complete")
        Files.removeTree(place)
        Files.remove(lockPath(key))
        return true
    }

    /// What a folder takes on the disk.
    static func bytes(of place: String) -> Int64 {
        var total: Int64 = 0
        walk(place) { path, _ in
            var facts = stat()
            if unsafe lstat(path, &facts) == 0 { total += Int64(facts.st_blocks) * 512 }
        }
        return total
    }
}
