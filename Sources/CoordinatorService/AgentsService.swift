import Artifacts
import Model
import Storage
import Transport
import Wire

/// `sheaf.v1.Agents`: what agents ask.
struct AgentsService: Sendable {
    let coordinator: Coordinator
    let keeper: StoreKeeper
    let logs: LogStore
    let pulses: Pulses
    let objects: ObjectsService
    let roster: Roster
    let caches: CacheShelf
    let listings: ListingCutter
    let journal: FarmJournal

    /// One agent's working stream, for as long as its connection lasts.
    func work(_ stream: LinkStream, _ peer: Principal) async throws {
        guard case .joined(let joined)? = try await stream.receive(Proto.FromAgent.self)?.kind else {
            throw LinkStatus(.invalid, "an agent says first what it has: joined")
        }
        let session = AgentSession(AgentID(peer.name), on: stream.link)
        let capacity = try await coordinator.join(session, joined, as: peer)
        journal.tell(.agentJoined(peer.name, capacity))
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await session.write(to: stream) }
            do {
                while let message = try await stream.receive(Proto.FromAgent.self) {
                    try await coordinator.receive(message, from: session)
                }
            } catch let status as LinkStatus {
                await stream.finish(status)
            } catch {
                // The connection has ended: what that means for its leases, time will tell.
            }
            if await coordinator.leave(session) { journal.tell(.agentLeft(peer.name)) }
            await group.waitForAll()
        }
    }

    /// Takes a report in, once everything that it names is here.
    func report(_ report: Proto.AttemptReport, _ peer: Principal) async throws(LinkStatus) -> Proto.ReportStored {
        try Self.check(report)
        let agent = AgentID(peer.name)
        var digests: [Digest] = []
        for name in report.results + report.artifacts.compactMap(\.manifest) {
            guard let object = ObjectRef(name) else { throw LinkStatus(.invalid, "the report names a broken digest") }
            digests.append(object.digest)
        }
        // An attempt that is not its agent's any more needs nothing: its report is answered, and does not count.
        let named = try? report.attempt?.meaning()
        let isHeld = if let named { await coordinator.holds(named, agent) } else { true }
        let absent = isHeld ? try await objects.absent(digests, in: ObjectsService.scope(of: peer)) : []
        guard absent.isEmpty else {
            throw LinkStatus(
                .conflict, "the report names \(absent[0].short), which the agent has not put; put it, then report again"
            )
        }
        let counted = try await coordinator.report(try await listings.cut(report, by: agent), from: agent)
        return .with { $0.counted = counted }
    }

    private static func check(_ report: Proto.AttemptReport) throws(LinkStatus) {
        guard report.artifacts.count <= 1000, report.steps.count <= Limits.stepsPerJobMax + 10,
            report.annotations.count <= 1000, report.outputs.count <= 1000
        else {
            throw LinkStatus(.exhausted, "the report has more artifacts, steps, annotations or outputs than allowed")
        }
        let bytes = report.outputs.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        guard bytes <= Limits.commandFileBytesMax else {
            throw LinkStatus(.exhausted, "outputs have at most \(Limits.commandFileBytesMax) bytes together")
        }
        guard Int(report.listingCount) <= Limits.itemsPerCellMax else {
            throw LinkStatus(.exhausted, "a cell has at most \(Limits.itemsPerCellMax) items")
        }
        guard report.metricFiles.count <= MetricSource.filesMax else {
            throw LinkStatus(.exhausted, "an attempt has at most \(MetricSource.filesMax) files of metrics")
        }
        for artifact in report.artifacts where artifact.manifest == nil {
            throw LinkStatus(.invalid, "the artifact '\(artifact.name.prefix(100))' names no manifest")
        }
    }

    /// Lines of logs, each chunk answered with what is stored.
    func appendLog(_ stream: LinkStream, _ peer: Principal) async throws {
        var allowed: AttemptID?
        while let chunk = try await stream.receive(Proto.LogChunk.self) {
            guard let attempt = try chunk.attempt?.meaning() else {
                throw LinkStatus(.invalid, "a chunk of a log names its attempt")
            }
            if allowed != attempt {
                guard try await mayAppend(attempt, peer) else {
                    throw LinkStatus(.denied, "\(peer.title) does not work on \(attempt)")
                }
                allowed = attempt
            }
            do {
                let stored = try await logs.append(chunk.lines, at: chunk.offset, of: attempt)
                pulses.changed(attempt.run)
                try await stream.send(Proto.LogStored.with { $0.offset = stored })
            } catch let error as CoordinatorError {
                throw LinkStatus(.unavailable, "\(error)")
            }
        }
        await stream.finish()
    }

    /// Also after its end: the last lines may come after the report.
    private func mayAppend(_ attempt: AttemptID, _ peer: Principal) async throws -> Bool {
        let agent = AgentID(peer.name)
        if await coordinator.holds(attempt, agent) { return true }
        let stored = try await keeper.read { storage throws(StorageError) in try storage.attempt(attempt) }
        return stored?.lease.agent == agent
    }
}
