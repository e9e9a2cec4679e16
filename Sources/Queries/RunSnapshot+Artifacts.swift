import Model
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
