import Artifacts
import Gates
import Model
import Queries
import Reporting
import Storage
import Transport
import Wire

/// What people ask about a run's results. All of it is read from the store: it is what was committed.
extension People {
    static let renderedPartBytes = 1 << 20

    /// The report or the export, in parts.
    func render(_ stream: LinkStream, _ who: Principal) async throws {
        guard let request = try await stream.receive(Proto.RenderRequest.self) else { return }
        let run = RunID(request.run)
        _ = try await owner(of: run, who)
        if request.format.hasPrefix("compare") { _ = try await owner(of: RunID(request.against), who) }
        let tails: [AttemptID: [String]]
        do throws(CoordinatorError) { tails = try await library.logTails(of: run, logs) } catch { throw error.status }
        let bytes = try await reading { [library] in try library.rendered(run, request, logTails: tails) }
        var rest = bytes[...]
        repeat {
            let part = Array(rest.prefix(Self.renderedPartBytes))
            rest = rest.dropFirst(Self.renderedPartBytes)
            try await stream.send(Proto.Bytes.with { $0.bytes = part })
        } while !rest.isEmpty
        await stream.finish()
    }

    func explain(_ request: Proto.ExplainRequest, _ who: Principal) async throws(LinkStatus) -> Proto.ExplainResponse {
        let run = RunID(request.run)
        _ = try await owner(of: run, who)
        let part = RunPart(job: request.job, cell: request.cell, shard: request.shard)
        // What the farm knows first, and what is stored after it: then both speak of the same decisions.
        let waits = await waits(of: run, part)
        let isStored = await coordinator.committed(within: explainPatience)
        let (history, isOver) = try await reading { [library] in
            let snapshot = try library.snapshot(of: run)
            return (try snapshot.explain(part), snapshot.ending != nil)
        }
        // The farm lets go of runs that have ended: nothing of them waits.
        guard !isOver else { return .with { $0.lines = history } }
        let rest =
            isStored ? waits : ["what was decided of it last is not stored yet: the store is slow or has no room"]
        return .with { $0.lines = history + rest }
    }

    /// What parts of a run that goes on wait for, in sentences; as it was decided, which may not be stored yet.
    private func waits(of run: RunID, _ part: RunPart) async -> [String] {
        guard let plan = await coordinator.plan(of: run) else { return [] }
        var lines: [String] = []
        var told = 0
        for (number, job) in plan.jobs.enumerated() where part.has(job: number, job.id) {
            for (position, cell) in (job.cells ?? []).enumerated() {
                let id = CellID(run: run, job: number, cell: position)
                guard part.has(id, cell) else { continue }
                let waits = await coordinator.explain(id, shard: part.shard)
                guard !waits.isEmpty, told < 50 else { continue }
                told += 1
                lines += waits.map { "\(cell.name): \($0)" }
            }
        }
        return lines
    }

    func artifacts(
        _ request: Proto.ListArtifactsRequest, _ who: Principal
    ) async throws(LinkStatus) -> Proto.ListArtifactsResponse {
        let run = RunID(request.run)
        _ = try await owner(of: run, who)
        let part = RunPart(job: request.job, cell: request.cell, shard: request.shard, attempt: request.attempt)
        let found = try await reading { [library] in
            let snapshot = try library.snapshot(of: run)
            try snapshot.check(part)
            return try snapshot.artifacts(of: part)
        }
        return .with { $0.artifacts = found }
    }

    /// What somebody who may read a run may fetch: its code tree, and everything that its attempts' reports name.
    func roots(of run: RunID, _ who: Principal) async throws(LinkStatus) -> Set<Digest> {
        _ = try await owner(of: run, who)
        return try await reading { [library] in try library.roots(of: run) }
    }

    /// Reads on a thread that may wait.
    func reading<Answer: Sendable>(
        _ query: @escaping @Sendable () throws -> Answer
    ) async throws(LinkStatus) -> Answer {
        do {
            return try await DiskThreads.shared.run { try query() }
        } catch let status as LinkStatus {
            throw status
        } catch QueryError.absent(let what) {
            throw LinkStatus(.notFound, what)
        } catch {
            throw LinkStatus(.unavailable, "\(error)")
        }
    }
}

extension RunPart {
    /// As a request names it: nothing is everything.
    init(job: String, cell: String, shard: UInt32?, attempt: UInt32? = nil) {
        self.init(
            job: job.isEmpty ? nil : job, cell: cell.isEmpty ? nil : cell, shard: shard.map { Int($0) },
            attempt: attempt.map { Int($0) })
    }
}
