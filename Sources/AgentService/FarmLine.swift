import Artifacts
import Client
import Locks
import Model
import Transport
import Wire

/// The agent's connection as its attempts see it: there, or waited for.
final class FarmLine: Sendable {
    private struct State {
        var link: Link?
        var next = 0
        var waiters: [Int: AsyncStream<Void>.Continuation] = [:]
    }

    private let state = Mutex(State())

    func set(_ link: Link?) {
        let waiters = state.withLock { state in
            state.link = link
            guard link != nil else { return [AsyncStream<Void>.Continuation]() }
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.finish() }
    }

    /// A link was found dead: whoever asks next waits for another one.
    ///
    /// The link is closed too, so that whoever keeps it learns that another is wanted.
    func lost(_ link: Link) {
        state.withLock { if $0.link === link { $0.link = nil } }
        // Nobody waits for it: it says goodbye to whoever is still there.
        Task { await link.close(LinkStatus(.unavailable, "the agent connects anew")) }
    }

    /// Whether an error of a call says that the link can carry no other: an answer, or an asker who left, does not.
    static func isLoss(_ error: LinkError) -> Bool {
        switch error {
        case .status, .cancelled, .exhausted: false
        default: true
        }
    }

    /// The connection; waits for one.
    ///
    /// - Throws: `CancellationError`.
    nonisolated(nonsending) func link() async throws -> Link {
        while true {
            let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
            let (link, number) = state.withLock { state -> (Link?, Int) in
                if let link = state.link { return (link, 0) }
                state.next += 1
                state.waiters[state.next] = continuation
                return (nil, state.next)
            }
            if let link { return link }
            for await _ in stream {}
            _ = state.withLock { $0.waiters.removeValue(forKey: number) }
            try Task.checkCancellation()
        }
    }
}

/// The farm's objects, over whatever connection there is.
struct FarmObjects: Sendable {
    let line: FarmLine

    /// How often a farm is asked again that says something is too much: it may be for now, or for good.
    static let refusalsMax = 60
    /// How often one that cannot now: its disk is full, say. With the pauses an hour and more.
    var waitsMax = 3_600
    /// Before it is asked again.
    var pause = Duration.seconds(1)

    func channel(for attempt: AttemptID) -> Channel {
        Channel(line: line, scope: .with { $0.kind = .attempt(Proto.AttemptRef(attempt)) })
    }

    /// Does it again, from its beginning, as long as only the connection was at fault.
    ///
    /// - Parameter isEndless: a farm that cannot now is asked until it can.
    /// - Parameter waiting: is told why a farm cannot now, before each pause.
    /// - Throws: `AgentError.farm` when it refuses for good or for too long.
    nonisolated(nonsending) func repeating<Result: Sendable>(
        isEndless: Bool = false, waiting: @Sendable (String) async -> Void = { _ in },
        _ body: nonisolated(nonsending) @Sendable () async throws -> Result
    ) async throws -> Result {
        var refusals = 0
        while true {
            do {
                return try await body()
            } catch let error as LinkError {
                try Task.checkCancellation()
                switch error {
                case .cancelled: throw error
                case .status(let status):
                    refusals += 1
                    guard status.mayPass else { throw AgentError.farm("\(status)") }
                    let most = status.code == .unavailable ? waitsMax : Self.refusalsMax
                    guard isEndless || refusals < most else {
                        throw AgentError.farm("the farm was asked \(refusals) times and could not: \(status)")
                    }
                    if status.code == .unavailable { await waiting("\(status)") }
                    try await Task.sleep(for: pause)
                case .exhausted: try await Task.sleep(for: pause)
                default: continue
                }
            }
        }
    }

    /// Asks the farm something, on the connection there is.
    nonisolated(nonsending) func call<Method: ProtoMethod & SendableMetatype>(
        _: Method.Type, _ request: Method.Request
    ) async throws -> Method.Response {
        let link = try await line.link()
        do throws(LinkError) {
            return try await link.call(Method.self, request)
        } catch {
            if FarmLine.isLoss(error) { line.lost(link) }
            throw error
        }
    }

    struct Channel: ObjectChannel {
        let line: FarmLine
        let scope: Proto.Scope

        private func with<Result>(_ body: (LinkObjects) async throws -> Result) async throws -> Result {
            let link = try await line.link()
            do {
                return try await body(LinkObjects(link, scope: scope))
            } catch let error as LinkError {
                if FarmLine.isLoss(error) { line.lost(link) }
                throw error
            }
        }

        func missing(of digests: [Digest]) async throws -> [Digest] {
            try await with { try await $0.missing(of: digests) }
        }

        func put(
            _ object: ObjectRef, encoding: ObjectEncoding, next: @Sendable () async throws -> [UInt8]?
        ) async throws {
            try await with { try await $0.put(object, encoding: encoding, next: next) }
        }

        func get(
            _ digest: Digest, of root: Digest, bytesMax: Int
        ) async throws -> (encoding: ObjectEncoding, bytes: [UInt8]) {
            try await with { try await $0.get(digest, of: root, bytesMax: bytesMax) }
        }
    }
}
