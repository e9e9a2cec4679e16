package import Artifacts
import Gates
import Model
package import Reporting
import Storage
import Wire

extension RunSnapshot {
    /// What the environments of cells that both runs have lost and gained.
    ///
    /// - Parameter object: as for `results`; a lock that the farm no longer holds tells nothing.
    package func environmentChanges(
        since baseline: RunSnapshot, object: (ObjectRef) throws -> [UInt8]?
    ) throws -> [EnvironmentChange] {
        let (ours, theirs) = (environmentLocks, baseline.environmentLocks)
        var pairs: [(ours: ObjectRef, theirs: ObjectRef, cells: [String])] = []
        for (place, cell) in ours {
            guard let other = theirs.first(where: { $0.place == place })?.cell, other.lock.digest != cell.lock.digest
            else { continue }
            if let known = pairs.firstIndex(where: {
                $0.ours.digest == cell.lock.digest && $0.theirs.digest == other.lock.digest
            }) {
                pairs[known].cells.append(cell.name)
            } else {
                pairs.append((cell.lock, other.lock, [cell.name]))
            }
        }
        var texts: [ObjectRef: String] = [:]
        func text(_ lock: ObjectRef) throws -> String {
            if let known = texts[lock] { return known }
            guard lock.sizeBytes <= Self.lockBytesMax else { return "" }
            let read = String(decoding: try object(lock) ?? [], as: UTF8.self)
            texts[lock] = read
            return read
        }
        return try pairs.prefix(Self.changesMax).map { pair in
            EnvironmentChange(
                cells: pair.cells,
                lines: EnvironmentChange.lines(candidate: try text(pair.ours), baseline: try text(pair.theirs)),
                against: baseline.id)
        }
    }

    private static let lockBytesMax = 4 << 20
    private static let changesMax = 100

    /// By job and axis values: the lock of the environment that a cell's first settled shard ran in.
    private var environmentLocks: [(place: String, cell: (name: String, lock: ObjectRef))] {
        var found: [(place: String, cell: (name: String, lock: ObjectRef))] = []
        var seen: Set<String> = []
        for attempt in decidingAttempts {
            let id = attempt.lease.attempt.shard.cell
            guard let cell = cell(id) else { continue }
            let place = "\(plan.jobs[id.job].id)/\(CellValues.key(cell.values))"
            // `try?`: a report that cannot be read is told where its metrics are asked for.
            guard let lock = (try? report(of: attempt))?.environmentLock.flatMap(ObjectRef.init),
                seen.insert(place).inserted
            else { continue }
            found.append((place, (cell.name, lock)))
        }
        return found
    }
}
