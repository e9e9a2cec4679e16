import Artifacts
import Locks
import Model
import Queries
import Scheduling
import Storage
import Transport
import Wire

/// Cuts listings by how long their items took in earlier runs, where a workflow asks for it: the listing is written anew in
/// the order of shards, and the report says where each of them ends.
struct ListingCutter: Sendable {
    /// A cell with more items is cut in equal numbers.
    static let itemsMax = 1_000_000
    /// For how many runs at a time it is remembered which runs came before them.
    private static let runsKept = 2

    /// What a listing is cut for.
    struct Cell: Sendable {
        var run: RunID
        var workflow: String
        var repository: String
        var owner: Principal
        var job: String
        var values: [Value.Member]
        var count: Int
        var target: Duration?
    }

    private final class Memory: Sendable {
        private let runs = Mutex<[(of: RunID, earlier: [RunSnapshot])]>([])

        func earlier(than run: RunID) -> [RunSnapshot]? {
            runs.withLock { runs in runs.first { $0.of == run }?.earlier }
        }

        func keep(_ earlier: [RunSnapshot], of run: RunID) {
            runs.withLock { runs in
                runs.removeAll { $0.of == run }
                runs.append((run, earlier))
                if runs.count > ListingCutter.runsKept { runs.removeFirst() }
            }
        }
    }

    let coordinator: Coordinator
    let library: RunLibrary
    private let memory = Memory()

    init(coordinator: Coordinator, library: RunLibrary) {
        self.coordinator = coordinator
        self.library = library
    }

    /// The report as it counts: that of a listing whose cell is balanced names the listing that was cut.
    ///
    /// - Throws: when the farm could not read or write what it needs: the agent reports again.
    func cut(_ report: Proto.AttemptReport, by agent: AgentID) async throws(LinkStatus) -> Proto.AttemptReport {
        var report = report
        // Only the farm says how a listing is cut.
        report.shardEnds = []
        guard report.cause == Cause.Kind.passed.rawValue, let listing = report.listing.flatMap(ObjectRef.init),
            let named = report.attempt, let attempt = try? named.meaning(), attempt.shard.isListing,
            let cell = await coordinator.balanced(attempt, agent),
            (1...Self.itemsMax).contains(Int(report.listingCount))
        else { return report }
        do {
            let count = Int(report.listingCount)
            let made = try await DiskThreads.shared.run { [self] in try cut(listing, of: count, for: cell) }
            // Other items than it says: what becomes of them shows when they are fetched.
            guard let made else { return report }
            report.listing = made.listing.message
            report.shardEnds = made.ends.map { UInt32(clamping: $0) }
            return report
        } catch {
            throw LinkStatus(.unavailable, "the items of \(attempt.shard.cell) could not be balanced: \(error)")
        }
    }

    /// Blocks on the disk.
    ///
    /// - Returns: `nil` for a listing of another number of items than its report says.
    private func cut(_ listing: ObjectRef, of count: Int, for cell: Cell) throws -> (listing: ObjectRef, ends: [Int])? {
        guard let bytes = try library.object(listing) else {
            throw ArtifactError.absent(listing.digest)
        }
        let lines = bytes.split(separator: UInt8(ascii: "\n"))
        guard lines.count == count else { return nil }
        let times = try ItemTimes(
            job: cell.job, values: cell.values, in: try earlierRuns(cell), object: { try library.object($0) })
        let durations = lines.map { times[String(decoding: $0, as: UTF8.self)] }
        let wanted =
            cell.target.map {
                ShardCut.count(target: $0.inSeconds, durations: durations, fallback: cell.count, most: cell.count)
            } ?? cell.count
        let cut = ShardCut.balanced(durations: durations, count: wanted)
        var (text, ends): ([UInt8], [Int]) = ([], [])
        text.reserveCapacity(bytes.count + 1)
        for shard in cut {
            for item in shard {
                if !text.isEmpty { text.append(UInt8(ascii: "\n")) }
                text += lines[item]
            }
            ends.append((ends.last ?? 0) + shard.count)
        }
        let object = VerifiedObject(naming: text)
        let packed = EncodedObject(packing: object)
        let writer = try library.store.writer(for: object.object, encoding: packed.encoding)
        try writer.append(packed.bytes)
        try library.store.commit([writer.finish()])
        return (object.object, ends)
    }

    private func earlierRuns(_ cell: Cell) throws -> [RunSnapshot] {
        if let known = memory.earlier(than: cell.run) { return known }
        let found = try RunReader(storage: library.keeper.storage).timedRuns(
            of: cell.workflow, in: cell.repository, for: cell.owner, before: cell.run)
        memory.keep(found, of: cell.run)
        return found
    }
}

extension Coordinator {
    /// What the listing of an attempt is to be cut for; `nil` where it is cut in equal numbers, or is not the agent's.
    func balanced(_ attempt: AttemptID, _ agent: AgentID) -> ListingCutter.Cell? {
        guard holds(attempt, agent), let run = runs[attempt.run], let cell = run.plan.cell(attempt.shard.cell),
            case .history(let target) = run.plan.jobs[attempt.shard.cell.job].shards.balance
        else { return nil }
        let job = run.plan.jobs[attempt.shard.cell.job]
        return ListingCutter.Cell(
            run: run.id, workflow: run.plan.name, repository: run.request.repository, owner: run.owner, job: job.id,
            values: cell.values, count: max(1, job.shards.count), target: target)
    }
}
