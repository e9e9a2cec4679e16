package import Model
import Storage
package import Wire

extension RunSnapshot {
    /// The artifacts of the attempts that decided their shards, in the order of job, cell, shard.
    package func artifacts(of part: RunPart = RunPart()) throws(QueryError) -> [Proto.RunArtifact] {
        var all: [Proto.RunArtifact] = []
        for place in try artifactPlaces() where part.has(place.attempt, in: plan) {
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
    /// - bulk: manifests of the code tree, of actions and of artifacts, which name chunks in turn.
    ///
    /// - Parameter now: without artifacts whose own time is over then; `nil`: with them.
    package func roots(at now: Instant? = nil) throws(QueryError) -> (evidence: Set<Digest>, bulk: Set<Digest>) {
        var (evidence, bulk): (Set<Digest>, Set<Digest>) = ([], [])
        if let tree = record.tree { bulk.insert(tree) }
        bulk.formUnion(request.actions.compactMap { Digest($0.tree) })
        for attempt in attempts {
            guard let report = try report(of: attempt) else { continue }
            evidence.formUnion(report.results.compactMap { Digest($0.digest) })
            let kept = report.artifacts.filter { artifact in now.map { !isOver(artifact, at: $0) } ?? true }
            bulk.formUnion(kept.compactMap { $0.manifest.flatMap { Digest($0.digest) } })
        }
        return (evidence, bulk)
    }

    /// Whether an artifact's `retention-days` are over. They count from the run's end: what is needed is there until then.
    package func isOver(_ artifact: Proto.Artifact, at now: Instant) -> Bool {
        guard artifact.retentionDays > 0, let ending else { return false }
        return ending.at.advanced(by: .seconds(Int64(artifact.retentionDays) * 86_400)) <= now
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
