import Artifacts
import Glibc
package import Model
import Storage

/// The logs of attempts, one file each, as their agents sent them: `<nanoseconds> <o|e|s> <text>\n`.
///
/// Bulk, not evidence: a log is appended and synced when its attempt ends, never journaled.
package actor LogStore {
    private static let lengthsMax = 10_000

    private let folder: String
    private let thread = StoreThread()
    /// Lengths of the logs that somebody has asked for, so that an append need not ask the disk.
    private var lengths: [AttemptID: UInt64] = [:]

    /// Attempts whose logs have grown since a reader's last look.
    private var grown: [RunID: [Int: Set<AttemptID>]] = [:]
    private var nextReader = 0

    nonisolated package var unownedExecutor: UnownedSerialExecutor { unsafe thread.asUnownedSerialExecutor() }

    package init(folder: String) { self.folder = folder }

    /// Stores what is new in `lines`, which begin at `offset` of the log.
    ///
    /// Repeats and overlaps are normal after a broken connection; a gap is refused, and the answer says where to go on.
    ///
    /// - Returns: up to where the log is stored now.
    package func append(_ lines: [UInt8], at offset: UInt64, of attempt: AttemptID) throws(CoordinatorError) -> UInt64 {
        let have = try length(of: attempt)
        let (end, overflow) = offset.addingReportingOverflow(UInt64(lines.count))
        guard offset <= have, end > have, !overflow, end <= UInt64(Limits.logBytesMax) * 2 else { return have }
        let fresh = lines[Int(have - offset)...]
        tellReaders(of: attempt)
        let descriptor = try open(attempt, flags: O_WRONLY | O_CREAT | O_APPEND)
        defer { close(descriptor) }
        var sent = fresh.startIndex
        while sent < fresh.endIndex {
            let count = fresh[sent...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 || errno == EINTR else {
                let code = errno
                // A part may be there: the disk is asked again where to go on.
                lengths[attempt] = nil
                throw .system("store the log of \(attempt)", code)
            }
            sent += max(0, count)
        }
        lengths[attempt] = end
        return end
    }

    /// No more lines are expected: what is there is synced, and its length forgotten.
    package func end(_ attempt: AttemptID) {
        lengths[attempt] = nil
        // A log is no evidence: a disk that cannot sync it costs lines, not verdicts.
        guard let descriptor = try? open(attempt, flags: O_RDONLY) else { return }
        fdatasync(descriptor)
        close(descriptor)
    }

    /// Lets attempts of a run that keeps what another had done show its logs, which are the same files.
    ///
    /// A log that is not there, or cannot be linked, is none of the new run's: it costs lines, not verdicts.
    package func link(_ logs: [(from: AttemptID, to: AttemptID)]) {
        for run in Set(logs.map(\.to.run)) { mkdir("\(folder)/\(run)", 0o700) }
        for (from, to) in logs {
            _ = Glibc.link(path(from), path(to))
            tellReaders(of: to)
        }
    }

    /// The attempt's number is given again: the next one's log begins anew.
    package func discard(_ attempt: AttemptID) {
        lengths[attempt] = nil
        // Mostly there is none.
        if unlink(path(attempt)) == 0 { tellReaders(of: attempt) }
    }

    /// From now on it is noted for a reader which logs of a run grow, until it ends its reading.
    package func beginReading(_ run: RunID) -> Int {
        nextReader += 1
        grown[run, default: [:]][nextReader] = []
        return nextReader
    }

    /// The attempts whose logs have grown since the reader asked last.
    package func takeGrown(_ run: RunID, for reader: Int) -> [AttemptID] {
        defer { grown[run]?[reader] = [] }
        return (grown[run]?[reader] ?? []).sorted()
    }

    package func endReading(_ run: RunID, by reader: Int) {
        grown[run]?[reader] = nil
        if grown[run]?.isEmpty == true { grown[run] = nil }
    }

    private func tellReaders(of attempt: AttemptID) {
        guard let readers = grown[attempt.run]?.keys else { return }
        for reader in readers { grown[attempt.run]?[reader]?.insert(attempt) }
    }

    /// Runs that have logs, in no order.
    var runs: [RunID] {
        let names = (try? Folder(at: folder).names()) ?? []
        return names.compactMap { RunID(String(decoding: $0, as: UTF8.self)) }
    }

    /// Removes the logs of a run. What cannot be removed stays, and costs its room.
    package func remove(_ run: RunID) {
        let path = "\(folder)/\(run)"
        lengths = lengths.filter { $0.key.run != run }
        for name in (try? Folder(at: path).names()) ?? [] { unlink("\(path)/\(String(decoding: name, as: UTF8.self))") }
        rmdir(path)
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

    /// Whether what was read of a log is no longer there: it has begun anew.
    package func isShorter(_ attempt: AttemptID, than offset: UInt64) throws(CoordinatorError) -> Bool {
        try length(of: attempt) < offset
    }

    /// The last lines of a log, without their times.
    package func tail(
        _ attempt: AttemptID, bytesMax: UInt64, linesMax: Int
    ) throws(CoordinatorError) -> [String] {
        let end = try length(of: attempt)
        let start = end > bytesMax ? end - bytesMax : 0
        let bytes = try read(attempt, from: start, most: Int(bytesMax))
        var lines = bytes.split(separator: UInt8(ascii: "\n"))
        if start > 0 && !lines.isEmpty { lines.removeFirst() }
        return lines.suffix(linesMax).map { line in
            let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
            return String(decoding: parts.count == 3 ? parts[2] : line, as: UTF8.self)
        }
    }

    private func length(of attempt: AttemptID) throws(CoordinatorError) -> UInt64 {
        if let known = lengths[attempt] { return known }
        var status = stat()
        let found = stat(path(attempt), &status) == 0 ? UInt64(status.st_size) : 0
        if lengths.count >= Self.lengthsMax { lengths.removeAll(keepingCapacity: true) }
        lengths[attempt] = found
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
