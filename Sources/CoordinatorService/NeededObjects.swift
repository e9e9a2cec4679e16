import Artifacts
import Model
import Queries
import Storage

/// The objects that a store names: of caches, what verdicts rest on, and the bulk of runs that still have theirs.
///
/// Reads the reports of all runs: it blocks, and takes long.
struct NeededObjects {
    private static let runsPerStep = 100

    private(set) var digests: Set<Digest> = []
    /// Runs whose bulk was dropped.
    private(set) var dropped: Set<RunID> = []

    /// - Parameter now: artifacts whose own time is over then are not needed; `nil`: whatever is named is.
    init(in storage: any Storage, _ store: ObjectStore, at now: Instant? = nil) throws {
        let reader = RunReader(storage: storage)
        for cache in try storage.caches(of: nil) { try addTree(cache.manifest, store) }
        var before: RunID?
        while case let runs = try storage.runs(before: before, most: Self.runsPerStep), let last = runs.last {
            for run in runs {
                if run.bulkDroppedAt != nil { dropped.insert(run.run.id) }
                guard let snapshot = try reader.snapshot(of: run.run.id) else { continue }
                let roots = try snapshot.roots(at: now)
                digests.formUnion(roots.evidence)
                guard run.bulkDroppedAt == nil else { continue }
                for root in roots.bulk { try addTree(root, store) }
            }
            before = last.run.id
        }
    }

    /// - Throws: `ArtifactError` where this machine could not read the manifest: what it names is needed all the same.
    private mutating func addTree(_ manifest: Digest, _ store: ObjectStore) throws(ArtifactError) {
        guard digests.insert(manifest).inserted else { return }
        do throws(ArtifactError) {
            digests.formUnion(try Manifest(decoding: store.read(manifest).bytes).chunks.map(\.digest))
        } catch {
            switch error {
            case .system, .diskFull, .storeInUse: throw error
            // One that is gone or damaged names nothing any more.
            default: return
            }
        }
    }
}
