import Glibc
import Locks
import Model
import Transport

/// An attempt's log, kept on the agent's disk until the farm has it: lines of `<nanoseconds> <o|e|s> <text>`.
///
/// Writers are the threads of the attempt's processes; the reader sends what is there from an offset that the farm names.
final class LogSpool: Sendable {
    enum Source: String, Sendable {
        case out = "o"
        case err = "e"
        /// What the agent itself says.
        case sheaf = "s"
    }

    /// Room for what the agent says once the steps have used theirs up.
    static let ownBytesMax = 1 << 20

    let path: String
    private let descriptor: CInt
    private let bytesMax: Int
    private let state = Mutex(State())
    private let grown: AsyncStream<Void>.Continuation
    /// Says that there is more, or that the log is complete; several changes may be said once.
    let growth: AsyncStream<Void>

    private struct State {
        var bytes: UInt64 = 0
        var droppedLines = 0
        var droppedBytes = 0
        /// The last of what is beyond the limit.
        var tail = Tail()
        var isFull = false
        var isComplete = false
        var failure: CInt?
    }

    /// The last lines of many, about `Tail.bytesMax` of them at least.
    private struct Tail {
        static let bytesMax = 64 << 10
        private var older: (bytes: [UInt8], lines: Int, textBytes: Int) = ([], 0, 0)
        private var newer: (bytes: [UInt8], lines: Int, textBytes: Int) = ([], 0, 0)

        var bytes: [UInt8] { older.bytes + newer.bytes }
        var lines: Int { older.lines + newer.lines }
        var textBytes: Int { older.textBytes + newer.textBytes }

        mutating func add(_ stamp: [UInt8], _ text: [UInt8]) {
            newer.bytes += stamp
            newer.bytes += text
            newer.bytes.append(UInt8(ascii: "\n"))
            newer.lines += 1
            newer.textBytes += text.count
            guard newer.bytes.count >= Self.bytesMax else { return }
            older = newer
            newer = ([], 0, 0)
        }
    }

    init(at path: String, bytesMax: Int = Limits.logBytesMax) throws(AgentError) {
        let raw = unsafe open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard raw >= 0 else { throw .failed("open the log \(path)") }
        self.path = path
        self.bytesMax = bytesMax
        descriptor = raw
        let end = Self.mend(raw)
        state.withLock { $0.bytes = end }
        (growth, grown) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    deinit { close(descriptor) }

    /// Cuts off a line that an agent's earlier life was killed at: what comes next must not run on behind it.
    ///
    /// - Returns: the log's length.
    private static func mend(_ raw: CInt) -> UInt64 {
        let end = UInt64(max(0, lseek(raw, 0, SEEK_END)))
        var kept = end
        var buffer = [UInt8](repeating: 0, count: Int(min(end, 64 << 10)))
        while kept > 0 {
            let start = kept - min(kept, UInt64(buffer.count))
            let count = unsafe pread(raw, &buffer, Int(kept - start), off_t(start))
            // A log that cannot be read is not sent either.
            guard count == Int(kept - start) else { return end }
            if let newline = buffer[..<count].lastIndex(of: UInt8(ascii: "\n")) {
                kept = start + UInt64(newline) + 1
                break
            }
            kept = start
        }
        if kept < end, ftruncate(raw, off_t(kept)) != 0 { return end }
        return kept
    }

    var bytes: UInt64 { state.withLock { $0.bytes } }
    var isComplete: Bool { state.withLock { $0.isComplete } }
    /// True when lines were lost to a full disk rather than to the limit.
    var isDiskFull: Bool { state.withLock { $0.failure == ENOSPC || $0.failure == EDQUOT } }

    /// Adds lines, each without its newline. Beyond the limit they are counted and dropped.
    func append(_ lines: [[UInt8]], _ source: Source, at time: Instant = Instant.wallClock()) {
        guard !lines.isEmpty else { return }
        let stamp = Array("\(time.nanoseconds) \(source.rawValue) ".utf8)
        state.withLock { state in
            guard !state.isComplete else { return }
            let limit = bytesMax + (source == .sheaf ? Self.ownBytesMax : 0)
            var block: [UInt8] = []
            for line in lines {
                let text = Self.utf8(line)
                guard !(state.isFull && source != .sheaf),
                    Int(state.bytes) + block.count + stamp.count + text.count + 1 <= limit
                else {
                    if !state.isFull {
                        state.isFull = true
                        block += Array(
                            "\(time.nanoseconds) s the log has reached its limit of \(bytesMax >> 20) MiB: what follows is counted and dropped\n"
                                .utf8)
                    }
                    state.droppedLines += 1
                    state.droppedBytes += text.count
                    if source != .sheaf { state.tail.add(stamp, text) }
                    continue
                }
                block += stamp
                block += text
                block.append(UInt8(ascii: "\n"))
            }
            write(block, &state)
        }
        grown.yield()
    }

    /// Adds what the agent says; a text of several lines becomes several lines.
    func say(_ text: String) {
        append(text.split(separator: "\n", omittingEmptySubsequences: false).map { Array($0.utf8) }, .sheaf)
    }

    /// Whether the last line is this one of the agent's own.
    func isLast(_ text: String) -> Bool {
        let wanted = Array(" \(Source.sheaf.rawValue) \(text)\n".utf8)
        let end = bytes
        let most = UInt64(wanted.count + 24)
        guard let tail = try? read(from: end - min(end, most), most: Int(most)) else { return false }
        // A line begins with digits alone: the time.
        let line = tail.dropLast(wanted.count).reversed().prefix { $0 != UInt8(ascii: "\n") }
        return tail.ends(with: wanted) && !line.isEmpty && line.allSatisfy { (0x30...0x39).contains($0) }
    }

    /// No more lines come. Of those beyond the limit the last are what tells how it ended: they are kept.
    func complete() {
        let (dropped, bytes, last) = state.withLock { state -> (Int, Int, Int) in
            let tail = state.isComplete ? Tail() : state.tail
            return (state.droppedLines - tail.lines, state.droppedBytes - tail.textBytes, tail.lines)
        }
        if dropped + last > 0 {
            let count = dropped > 0 ? "\(dropped) lines (\(bytes) bytes)" : "no lines"
            say("\(count) beyond the log's limit were dropped" + (last > 0 ? "; the last \(last) are:" : ""))
        }
        state.withLock { state in
            if !state.isComplete, last > 0 { write(state.tail.bytes, &state) }
            state.tail = Tail()
            state.isComplete = true
        }
        grown.yield()
        grown.finish()
    }

    /// Whole lines from an offset on, at most about `most` bytes; empty at the present end.
    func read(from offset: UInt64, most: Int) throws(AgentError) -> [UInt8] {
        let there = bytes
        guard there > offset else { return [] }
        let wanted = Int(min(UInt64(most), there - offset))
        var count = 0
        var buffer = unsafe [UInt8](unsafeUninitializedCapacity: wanted) { buffer, taken in
            count = unsafe pread(descriptor, buffer.baseAddress, wanted, off_t(offset))
            taken = max(0, count)
        }
        guard count >= 0 else { throw .failed("read the log \(path)") }
        // A line is shorter than `most`, so at least one ends here.
        guard let end = buffer.lastIndex(of: UInt8(ascii: "\n")) else { return [] }
        buffer.removeLast(buffer.count - end - 1)
        return buffer
    }

    private func write(_ block: [UInt8], _ state: inout State) {
        do throws(AgentError) {
            try Files.writeAll(block, to: descriptor, naming: path)
            state.bytes += UInt64(block.count)
        } catch {
            // The steps go on; the attempt's end says that its log is not whole. Half a block is cut off again.
            if case .system(_, let code) = error { state.failure = code }
            _ = ftruncate(descriptor, off_t(state.bytes))
        }
    }

    /// The bytes as UTF-8, with U+FFFD for what is none.
    private static func utf8(_ bytes: [UInt8]) -> [UInt8] {
        // Nearly every line is ASCII: then there is nothing to repair.
        if bytes.allSatisfy({ $0 < 0x80 }) { return bytes }
        return Array(String(decoding: bytes, as: UTF8.self).utf8)
    }
}

extension [UInt8] {
    fileprivate func ends(with other: [UInt8]) -> Bool {
        count >= other.count && self.suffix(other.count).elementsEqual(other)
    }
}
