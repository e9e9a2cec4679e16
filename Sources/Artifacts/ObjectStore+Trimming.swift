import Glibc
package import Model

extension ObjectStore {
    /// What `trim` did.
    package struct Trimmed: Equatable, Sendable {
        package var objects = 0
        package var bytes = 0
    }

    /// Removes objects that nobody has used for long, and the least recently used beyond a size: what is missing then is
    /// fetched again. For caches alone; whoever reads an object at this moment still can.
    ///
    /// A use is a read as far as the disk keeps their time (`relatime` keeps it to the day), else the object's birth.
    package func trim(
        bytesMax: Int, unusedMax: Duration, at now: Instant
    ) throws(ArtifactError) -> Trimmed {
        precondition(!durable, "only a cache may forget")
        var all: [(digest: Digest, used: Instant, bytes: Int)] = []
        try list { (digest, bytes) throws(ArtifactError) in
            guard let encoding = encoding(of: digest) else { return }
            var facts = stat()
            let place = ObjectPlace(digest, encoding).path
            guard unsafe fstatat(objects.descriptor.raw, place, &facts, AT_SYMLINK_NOFOLLOW) == 0 else { return }
            let times = [facts.st_atim, facts.st_mtim].map {
                Instant(nanoseconds: Int64($0.tv_sec) * 1_000_000_000 + Int64($0.tv_nsec))
            }
            all.append((digest, max(times[0], times[1]), bytes))
        }
        all.sort { $0.used < $1.used }
        var left = all.reduce(0) { $0 + $1.bytes }
        var trimmed = Trimmed()
        for object in all {
            guard left > bytesMax || object.used.duration(to: now) > unusedMax else { break }
            guard try remove(object.digest) else { continue }
            left -= object.bytes
            trimmed.objects += 1
            trimmed.bytes += object.bytes
        }
        return trimmed
    }
}
