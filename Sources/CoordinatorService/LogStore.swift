import Glibc
package import Model
import Storage

/// The logs of attempts, one file each, as their agents sent them: `<nanoseconds> <o|e|s> <text>\n`.
///
/// Bulk, not evidence: a log is appended and synced when its attempt ends, never journaled.
package actor LogStore {
    private let folder: String
    private let thread = StoreThread()
    /// Lengths of the logs that somebody has asked for, so that an append need not ask the disk.
    private var lengths: [AttemptID: UInt64] = [:]
    /// Who wants to hear that a log has grown or ended.
    private var followers: [AttemptID: [Int: AsyncStream<Void>.Continuation]] = [:]
    private var ended: Set<AttemptID> = []
    private var nextFollower = 0

    nonisolated package var unownedExecutor: UnownedSerialExecutor { unsafe thread.asUnownedSerialExecutor() }

    package init(folder: String) { self.folder = folder }

    /// Stores what is new in `lines`, which begin at `offset` of the log.
    ///
    /// Repeats and overlaps are normal after a broken connection; a gap is refused, and the answer says where to go on.
    ///
    /// - Returns: up to where the log is stored now.
    package func append(_ lines: [UInt8], at offset: UInt64, of attempt: AttemptID) throws(CoordinatorError) -> UInt64 {
        let have = try length(of: attempt)
        let end = offset + UInt64(lines.count)
        guard offset <= have, end > have, end <= UInt64(Limits.logBytesMax) * 2 else { return have }
        let fresh = lines[Int(have - offset)...]
        let descriptor = try open(attempt, flags: O_WRONLY | O_CREAT | O_APPEND)
        defer { close(descriptor) }
        var sent = fresh.startIndex
        while sent < fresh.endIndex {
            let count = fresh[sent...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 || errno == EINTR else { throw .system("store the log of \(attempt)", errno) }
            sent += max(0, count)
        }
        lengths[attempt] = end
        notify(attempt)
        return end
    }

    /// No more lines come: followers read to the end and stop.
    package func end(_ attempt: AttemptID) {
        ended.insert(attempt)
        notify(attempt)
        for continuation in (followers.removeValue(forKey: attempt) ?? [:]).values { continuation.finish() }
        lengths[attempt] = nil
    }

    /// At most `most` bytes from `offset` on; empty at the log's present end.
    package func read(_ attempt: AttemptID, from offset: UInt64, most: Int) throws(CoordinatorError) -> [UInt8] {
        guard try length(of: attempt) > offset else { return [] }
        let descriptor = try open(attempt, flags: O_RDONLY)
        defer { close(descriptor) }
        let bytes = [UInt8](unsafeUninitializedCapacity: most) { buffer, count in
            count = max(0, pread(descriptor, buffer.baseAddress, most, off_t(offset)))
        }
        return bytes
    }

    /// A stream that yields when the log has grown, and ends when the log has.
    package func growth(of attempt: AttemptID) -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        guard !ended.contains(attempt) else {
            continuation.finish()
            return stream
        }
        let number = nextFollower
        nextFollower += 1
        followers[attempt, default: [:]][number] = continuation
        continuation.onTermination = { [weak self] _ in
            // Nobody waits for this: it only lets go of a follower that has gone.
            Task { await self?.drop(number, of: attempt) }
        }
        continuation.yield()
        return stream
    }

    private func drop(_ number: Int, of attempt: AttemptID) { followers[attempt]?[number] = nil }

    private func notify(_ attempt: AttemptID) {
        for continuation in (followers[attempt] ?? [:]).values { continuation.yield() }
    }

    private func length(of attempt: AttemptID) throws(CoordinatorError) -> UInt64 {
        if let known = lengths[attempt] { return known }
        var status = stat()
        let found = stat(path(attempt), &status) == 0 ? UInt64(status.st_size) : 0
        if !ended.contains(attempt) { lengths[attempt] = found }
        return found
    }

    private func path(_ attempt: AttemptID) -> String {
        let cell = attempt.shard.cell
        return "\(folder)/\(attempt.run)/\(cell.job)-\(cell.cell)-\(attempt.shard.shard)-\(attempt.number).log"
    }

    private func open(_ attempt: AttemptID, flags: CInt) throws(CoordinatorError) -> CInt {
        var descriptor = Glibc.open(path(attempt), flags | O_CLOEXEC, 0o600)
        if descriptor < 0 && errno == ENOENT && flags & O_CREAT != 0 {
            mkdir(folder, 0o700)
            mkdir("\(folder)/\(attempt.run)", 0o700)
            descriptor = Glibc.open(path(attempt), flags | O_CLOEXEC, 0o600)
        }
        guard descriptor >= 0 else { throw .system("open the log of \(attempt)", errno) }
        return descriptor
    }
}
