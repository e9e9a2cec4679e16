import Artifacts
import Model

/// When the files of an attempt that may take so much of the disk are counted.
///
/// To count them takes as long as there are many. What the disk has free is told at once: where it has lost less since the files
/// were last counted than they may still take, they cannot have come to more, unless somebody else has freed some meanwhile.
/// So they are counted where it has lost as much, and now and then.
struct DiskUse: Equatable, Sendable {
    /// How often the disk is asked what it has free.
    static let pause = Duration.seconds(1)
    /// They are counted so often at least.
    private static let countEvery = Duration.seconds(30)
    /// Counting takes no more than this part of an agent's time.
    private static let share = 20

    /// What they may take; more once that was too much.
    private(set) var limit: ByteCount
    private var held = ByteCount.zero
    private var freeThen: ByteCount
    private var countAt: Instant
    /// No count before this, whatever the disk says.
    private var countNever: Instant

    init(limit: ByteCount, free: ByteCount, at now: Instant) {
        self.limit = limit
        freeThen = free
        countAt = now.advanced(by: Self.countEvery)
        countNever = now
    }

    func isCountDue(free: ByteCount, at now: Instant) -> Bool {
        now >= countNever && (now >= countAt || (freeThen - free).bytes > (limit - held).bytes)
    }

    /// - Parameter free: what the disk had free when the count began.
    /// - Returns: whether they take more than they may; the limit is then a quarter higher than what they take.
    mutating func counted(_ held: ByteCount, free: ByteCount, from began: Instant, to now: Instant) -> Bool {
        let took = began.duration(to: now) * Self.share
        countNever = now.advanced(by: took)
        countAt = now.advanced(by: max(Self.countEvery, took))
        (self.held, freeThen) = (held, free)
        guard held > limit else { return false }
        limit = ByteCount(held.bytes.addingReportingOverflow(limit.bytes / 4).partialValue)
        return true
    }
}

extension AttemptDriver {
    /// Looks at what the attempt's files take of the disk, for as long as it works.
    func watchDisk() async {
        guard let limit = assignment.disk, let place else { return }
        let (folder, enclosure) = (place.folder.path, place.enclosure)
        var use = DiskUse(limit: limit, free: ByteCount(Files.freeBytes(at: folder)), at: Clock.monotonic())
        while (try? await Task.sleep(for: DiskUse.pause)) != nil {
            let (free, began) = (ByteCount(Files.freeBytes(at: folder)), Clock.monotonic())
            guard use.isCountDue(free: free, at: began) else { continue }
            let size = await DiskThreads.shared.run {
                var size = TreeSize(of: folder)
                size.addUnlinked(openIn: enclosure.members().map(\.pid))
                return size
            }
            guard !Task.isCancelled else { return }
            // What cannot be counted is too much: whoever wants to hide files nests them.
            let held = size.isTooDeep ? ByteCount(.max) : ByteCount(size.bytes)
            if use.counted(held, free: free, from: began, to: Clock.monotonic()) { exceed(held) }
        }
    }

    static func words(ofExcess held: ByteCount, _ limit: ByteCount?) -> String {
        guard held.bytes < .max else {
            return "its folders are nested more than \(TreeSize.depthMax) deep, where files are not counted"
        }
        return "its files took \(held) of the agent's disk"
            + (limit.map { ", and it had asked for \($0) (resources.disk)" } ?? ", more than it had asked for")
    }
}
