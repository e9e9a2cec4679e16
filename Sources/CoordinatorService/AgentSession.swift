import Locks
import Model
import Transport
import Wire

/// One agent's `Work` stream, as the coordinator writes to it: messages leave in the order they were given, and an agent
/// that reads too slowly loses its connection rather than the farm its memory.
final class AgentSession: Sendable {
    static let waitingMax = 10_000

    let agent: AgentID
    let link: Link
    private let queue: AsyncStream<Proto.ToAgent>
    private let continuation: AsyncStream<Proto.ToAgent>.Continuation
    /// How the stream ends.
    private let ending = Mutex(LinkStatus.ok)

    init(_ agent: AgentID, on link: Link) {
        self.agent = agent
        self.link = link
        (queue, continuation) = AsyncStream.makeStream(
            of: Proto.ToAgent.self, bufferingPolicy: .bufferingOldest(Self.waitingMax))
    }

    func send(_ kind: Proto.ToAgent.Kind) {
        let result = continuation.yield(.with { $0.kind = kind })
        if case .dropped = result { end(LinkStatus(.exhausted, "the agent reads too slowly")) }
    }

    /// Writes what is queued, until the session or the stream ends.
    func write(to stream: LinkStream) async {
        for await message in queue {
            do throws(LinkError) { try await stream.send(message) } catch { return }
        }
        await stream.finish(ending.withLock { $0 })
    }

    /// Ends the connection; the agent hears why, whether the end of the stream or that of the link reaches it first.
    func end(_ status: LinkStatus) {
        ending.withLock { $0 = status }
        continuation.finish()
        // Nobody waits: the link's own end tells whoever reads from it.
        Task { await link.close(status) }
    }

    /// No more is sent.
    func finish() { continuation.finish() }
}
