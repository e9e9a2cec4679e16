import struct Synchronization.Atomic

/// One stream of a link: messages both ways, in order, each side ending its own direction.
///
/// What waits here waits where its caller is: one that lives on the link's loop leaves it for nothing.
///
/// Letting a stream go without `finish` takes it back: the other side sees it cancelled.
package final class LinkStream: Sendable {
    package let link: Link
    /// `Farm.Watch`: what the stream was opened for.
    package let method: String
    let state: StreamState
    let finished = Atomic(false)

    init(link: Link, method: String, state: StreamState) {
        self.link = link
        self.method = method
        self.state = state
    }

    deinit {
        guard !finished.load(ordering: .relaxed) else { return }
        link.loop.execute { [link, state] in
            link.assumeIsolated { $0.finish(state, LinkStatus(.cancelled, "nobody waits for it any more")) }
        }
    }

    /// Whom the other side's certificate names; `nil` for a stranger.
    package var peer: PeerIdentity? { link.peer }

    /// Queues a message. Waits while too much of this stream is unsent: the other side, or the network, is slow.
    package nonisolated(nonsending) func send(_ message: [UInt8]) async throws(LinkError) {
        try await link.send(message, on: state)
    }

    /// The next message; `nil` once the other side has finished. Its bytes become the sender's credit now.
    ///
    /// Thrown: `.status` when the stream ended with a status that is not OK, what ended the link, or `.cancelled`.
    package nonisolated(nonsending) func receive() async throws(LinkError) -> [UInt8]? {
        try await link.receive(on: state)
    }

    /// Says that nothing more will be sent. A status that is not OK ends both directions at once.
    package nonisolated(nonsending) func finish(_ status: LinkStatus = .ok) async {
        finished.store(true, ordering: .relaxed)
        await link.finish(state, status)
    }

    /// Called when the handler has returned: whoever asked must not wait for ever.
    nonisolated(nonsending) func handlerReturned() async {
        guard !finished.load(ordering: .relaxed) else { return }
        await finish(LinkStatus(.internal, "\(method) ended without an answer"))
    }
}
