import Artifacts
import Locks
import Model
import Testing
import Transport
import Wire

@testable import AgentService

/// A farm that does what the test tells it, and hears what an agent says.
final class Foreman: Sendable {
    enum Heard: Sendable {
        case joined(Proto.AgentJoined, LinkStream)
        case said(Proto.FromAgent.Kind)
        case reported(Proto.AttemptReport)
    }

    struct Settings: Sendable {
        var heartbeatEveryMs: UInt32 = 20
        /// How often a report's connection is dropped before one is stored.
        var droppedReports = 0
        /// How often a report is put off because the farm cannot now.
        var refusedReports = 0
        var admit: @Sendable (PeerIdentity) -> LinkStatus? = { _ in nil }
        /// Never stores a report or a log: the agent keeps both.
        var isDeaf = false
        /// How the first report is refused for good.
        var refusal: LinkStatus?
        var renews = false
        /// No log is taken before this has ended.
        var logsAfter: Task<Void, Never>?
        /// When the farm's own certificate ends.
        var certificateLeft: Duration?
        var links = LinkServerSettings.standard
        /// As the real one does: a report must not name what the farm has not.
        var refusesUnknownObjects = false
    }

    let farm: FakeFarm
    private let events: AsyncStream<Heard>
    private let logs: LogBook

    init(_ settings: Settings = Settings()) async throws {
        let (events, heard) = AsyncStream.makeStream(of: Heard.self)
        self.events = events
        let logs = LogBook()
        self.logs = logs
        let drops = Mutex(
            (dropped: settings.droppedReports, refused: settings.refusedReports, refusal: settings.refusal))
        let authority = try Authority.make()
        let objects = ObjectShelf()
        farm = try await FakeFarm(
            authority, objects: objects, certificateLeft: settings.certificateLeft, links: settings.links,
            admitting: settings.admit
        ) { stream, method in
            switch method {
            case Proto.Agents.Renew.name where settings.renews:
                await stream.answer(Proto.Agents.Renew.self) { (request) throws(LinkStatus) in
                    guard let peer = stream.peer?.principal,
                        let asked = try? CertificateRequest(der: request.certificateRequest),
                        let issued = try? authority.issue(to: peer, for: asked)
                    else { throw LinkStatus(.invalid, "no request") }
                    return .with { $0.certificate = issued.pem }
                }
            case Proto.Agents.Work.name:
                guard case .joined(let joined)? = try await stream.receive(Proto.FromAgent.self)?.kind else { return }
                try await stream.send(
                    Proto.ToAgent.with {
                        $0.kind = .welcome(
                            .with {
                                $0.heartbeatEveryMs = settings.heartbeatEveryMs
                                $0.leaseMs = 60_000
                            })
                    })
                heard.yield(.joined(joined, stream))
                while let kind = try await stream.receive(Proto.FromAgent.self)?.kind { heard.yield(.said(kind)) }
            case Proto.Agents.Report.name:
                let isDropped = drops.withLock { drops in
                    drops.dropped -= 1
                    return drops.dropped >= 0
                }
                if isDropped || settings.isDeaf {
                    if isDropped { await stream.link.close(LinkStatus(.unavailable, "dropped")) }
                    while true { try await Task.sleep(for: .seconds(3600)) }
                }
                await stream.answer(Proto.Agents.Report.self, limits: .large) { (report) throws(LinkStatus) in
                    let isRefused = drops.withLock { drops in
                        drops.refused -= 1
                        return drops.refused >= 0
                    }
                    if isRefused { throw LinkStatus(.unavailable, "the disk is full") }
                    let refusal = drops.withLock { drops in
                        defer { drops.refusal = nil }
                        return drops.refusal
                    }
                    if let refusal { throw refusal }
                    if settings.refusesUnknownObjects,
                        let object = report.results.compactMap({ ObjectRef($0) })
                            .first(where: { !objects.has($0.digest) })
                    {
                        throw LinkStatus(
                            .conflict, "the report names \(object.digest.short), which the agent has not put")
                    }
                    heard.yield(.reported(report))
                    return .with { $0.counted = true }
                }
            case Proto.Agents.AppendLog.name where settings.isDeaf:
                while true { try await Task.sleep(for: .seconds(3600)) }
            case Proto.Agents.AppendLog.name:
                await settings.logsAfter?.value
                while let chunk = try await stream.receive(Proto.LogChunk.self) {
                    let end = logs.add(chunk)
                    try await stream.send(Proto.LogStored.with { $0.offset = end })
                }
                await stream.finish()
            default: await stream.finish(LinkStatus(.unimplemented, "there is no \(method)"))
            }
        }
    }

    /// The next event that `take` wants, those before it left out.
    func next<Value>(_ take: (Heard) -> Value?) async throws -> Value {
        for await event in events { if let value = take(event) { return value } }
        throw CancellationError()
    }

    func joined() async throws -> (Proto.AgentJoined, LinkStream) {
        try await next { if case .joined(let joined, let stream) = $0 { (joined, stream) } else { nil } }
    }

    func reported() async throws -> Proto.AttemptReport {
        try await next { if case .reported(let report) = $0 { report } else { nil } }
    }

    var log: String { logs.text }

    /// Waits until the log holds a text.
    func logged(_ text: String) async throws {
        for await _ in logs.growth where log.contains(text) { return }
    }
}

private final class LogBook: Sendable {
    private let bytes = Mutex([UInt8]())
    private let grown: AsyncStream<Void>.Continuation
    let growth: AsyncStream<Void>

    init() { (growth, grown) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

    func add(_ chunk: Proto.LogChunk) -> UInt64 {
        defer { grown.yield() }
        return bytes.withLock { bytes in
            // What is repeated after a lost connection is not written twice.
            let known = bytes.count - Int(chunk.offset)
            if known >= 0, known < chunk.lines.count { bytes += chunk.lines.dropFirst(known) }
            return UInt64(bytes.count)
        }
    }

    var text: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }
}
