package import Model
import Storage
package import Wire

extension RunSnapshot {
    /// The artifacts of the attempts that decided their shards, in the order of job, cell, shard.
    package func artifacts() throws(QueryError) -> [Proto.RunArtifact] {
        var all: [Proto.RunArtifact] = []
        for place in try artifactPlaces() {
            for artifact in place.artifacts {
                var listed = Proto.RunArtifact()
                listed.job = place.job
                listed.cell = place.cell
                listed.shard = Int32(clamping: place.attempt.shard.shard)
                listed.attempt = UInt32(clamping: place.attempt.number)
                listed.artifact = artifact
                listed.shardCount = UInt32(clamping: shardCount(of: place.attempt.shard.cell) ?? 0)
                all.append(listed)
            }
        }
        return all
    }

    /// The objects that the run names.
    ///
    /// - evidence: what results are read from: metrics, items, listings, environment locks, summaries.
    /// - bulk: manifests of the code tree and of artifacts, which name chunks in turn.
    package func roots() throws(QueryError) -> (evidence: Set<Digest>, bulk: Set<Digest>) {
        var (evidence, bulk): (Set<Digest>, Set<Digest>) = ([], [])
        if let tree = record.tree { bulk.insert(tree) }
        for attempt in attempts {
            guard let report = try report(of: attempt) else { continue }
            let results = [report.metrics, report.items, report.environmentLock, report.summary, report.listing]
            evidence.formUnion(report.metricFiles.compactMap { $0.object.flatMap { Digest($0.digest) } })
            evidence.formUnion(results.compactMap { $0.flatMap { Digest($0.digest) } })
            bulk.formUnion(report.artifacts.compactMap { $0.manifest.flatMap { Digest($0.digest) } })
        }
        return (evidence, bulk)
    }

    struct ArtifactPlace {
        var attempt: AttemptID
        var job: String
        var cell: String
        var artifacts: [Proto.Artifact]
    }

    func artifactPlaces() throws(QueryError) -> [ArtifactPlace] {
        var places: [ArtifactPlace] = []
        for attempt in decidingAttempts {
            let id = attempt.lease.attempt
            guard let artifacts = try report(of: attempt)?.artifacts, !artifacts.isEmpty else { continue }
            places.append(
                ArtifactPlace(
                    attempt: id, job: plan.jobs[id.shard.cell.job].id, cell: cell(id.shard.cell)?.id ?? "",
                    artifacts: artifacts))
        }
        return places
    }
}
