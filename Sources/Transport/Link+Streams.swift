/// What a link knows of one stream. Touched on the link's loop alone; that makes `@unchecked Sendable` true.
final class StreamState: @unchecked Sendable {
    typealias Received = Result<[UInt8]?, LinkError>

    let number: UInt32
    private var inbox: [[UInt8]] = []
    private var taken = 0
    private var receiver: (id: UInt64, continuation: CheckedContinuation<Received, Never>)?
    private var senders: [(id: UInt64, continuation: CheckedContinuation<Void, Never>)] = []
    private var lastWaiter: UInt64 = 0
    /// What `receive` answers once the inbox is empty.
    private var outcome: Received?
    /// This side sends nothing more.
    var isFinished = false
    /// Nobody reads here any more: what still comes is dropped.
    var isDeaf = false
    var service: Task<Void, Never>?

    init(number: UInt32) { self.number = number }

    /// The peer has sent its last message, or the stream is over for both.
    var isClosedByPeer: Bool { outcome != nil }

    func take(_ message: [UInt8], _ link: isolated Link) {
        guard !isDeaf else { return link.giveCredit(message.count, on: self) }
        guard let receiver else {
            inbox.append(message)
            return
        }
        self.receiver = nil
        link.giveCredit(message.count, on: self)
        receiver.continuation.resume(returning: .success(message))
    }

    /// Ends the peer's direction with `nil`, or both with an error.
    func end(_ outcome: Received) {
        guard self.outcome == nil else { return }
        self.outcome = outcome
        receiver?.continuation.resume(returning: outcome)
        receiver = nil
        if case .failure = outcome {
            isFinished = true
            wakeSenders()
        }
    }

    /// A message or the end, if one is there.
    func next(_ link: isolated Link) -> Received? {
        guard taken < inbox.count else { return outcome }
        let message = inbox[taken]
        inbox[taken] = []
        taken += 1
        if taken == inbox.count || taken > 64 {
            inbox.removeFirst(taken)
            taken = 0
        }
        link.giveCredit(message.count, on: self)
        return .success(message)
    }

    /// Why nothing can be sent; `nil` when it can.
    var refusal: LinkError? {
        if case .failure(let error) = outcome { return error }
        return isFinished ? .closed("this stream was finished") : nil
    }

    func nextWaiter() -> UInt64 {
        lastWaiter += 1
        return lastWaiter
    }

    func wait(_ id: UInt64, toReceive continuation: CheckedContinuation<Received, Never>, _ link: isolated Link) {
        link.loop.checkIsolated()
        precondition(receiver == nil, "one task at a time receives from a stream")
        // The task may have paused since it looked.
        if let there = next(link) { return continuation.resume(returning: there) }
        if Task.isCancelled { return continuation.resume(returning: .failure(.cancelled)) }
        receiver = (id, continuation)
    }

    func wait(_ id: UInt64, toSend continuation: CheckedContinuation<Void, Never>) {
        senders.append((id, continuation))
    }

    func wakeSenders() {
        let waiters = senders
        senders = []
        for waiter in waiters { waiter.continuation.resume() }
    }

    func cancel(_ id: UInt64) {
        if receiver?.id == id {
            receiver?.continuation.resume(returning: .failure(.cancelled))
            receiver = nil
        }
        if let index = senders.firstIndex(where: { $0.id == id }) {
            senders.remove(at: index).continuation.resume()
        }
    }
}

extension Link {
    // MARK: Asking

    /// Opens a stream. It costs nothing on the network: the first message travels along.
    package func open(_ method: String, urgency: Urgency = .normal) throws(LinkError) -> LinkStream {
        LinkStream(link: self, method: method, state: try openState(method, urgency))
    }

    /// Sends one message and waits for the one that answers it. Cancelling takes the call back.
    package func call(
        _ method: String, _ request: [UInt8], urgency: Urgency = .normal
    ) async throws(LinkError) -> [UInt8] {
        let state = try openState(method, urgency)
        engine.send(request, on: state.number)
        engine.close(state.number, .ok)
        state.isFinished = true
        flushSoon()
        let answer: [UInt8]?
        do throws(LinkError) {
            answer = try await receive(on: state)
        } catch {
            finish(state, LinkStatus(.cancelled))
            throw error
        }
        state.isDeaf = true
        guard let answer else { throw .broken("\(method) ended without an answer") }
        return answer
    }

    private func openState(_ method: String, _ urgency: Urgency) throws(LinkError) -> StreamState {
        if let ending { throw ending }
        if Task.isCancelled { throw .cancelled }
        let state = StreamState(number: try engine.open(method, urgency))
        streams[state.number] = state
        flushSoon()
        return state
    }

    // MARK: Serving

    func serve(_ number: UInt32, _ method: String) {
        let state = StreamState(number: number)
        streams[number] = state
        guard let handler = callbacks.handler else {
            finish(state, LinkStatus(.unimplemented, "this side serves nothing"))
            return
        }
        let stream = LinkStream(link: self, method: method, state: state)
        let isNear = callbacks.onLoop.contains(method)
        // Nobody waits for it: it ends with its stream, which cancels it, at the latest when the link does.
        state.service = Task.detached(executorPreference: isNear ? LoopTasks(on: loop) : nil) { [self] in
            await handler(stream, method, self)
            await stream.handlerReturned()
        }
    }

    // MARK: Streams

    /// Streams that are not over for both sides.
    package var openStreamCount: Int { streams.count }

    func send(_ message: [UInt8], on state: StreamState) async throws(LinkError) {
        guard message.count <= settings.messageBytesMax else {
            throw .exhausted("a message of \(message.count) bytes is beyond the limit of \(settings.messageBytesMax)")
        }
        while state.refusal == nil, engine.unsentBytes(on: state.number) > settings.unsentBytesMax {
            if Task.isCancelled { throw .cancelled }
            let id = state.nextWaiter()
            // The closure must touch the actor: one that does not runs elsewhere, and this wait would not be atomic.
            await withTaskCancellationHandler { [self] in
                await withCheckedContinuation { continuation in
                    // The task may have paused since it looked.
                    guard state.refusal == nil, engine.unsentBytes(on: state.number) > settings.unsentBytesMax,
                        !Task.isCancelled
                    else { return continuation.resume() }
                    blocked.insert(state.number)
                    state.wait(id, toSend: continuation)
                }
            } onCancel: { [self] in
                loop.execute { state.cancel(id) }
            }
        }
        if let refusal = state.refusal { throw refusal }
        if Task.isCancelled { throw .cancelled }
        engine.send(message, on: state.number)
        flushSoon()
    }

    /// The last message of this side and its end, in one.
    func sendLast(_ message: [UInt8], on state: StreamState) async throws(LinkError) {
        try await send(message, on: state)
        finish(state, .ok)
    }

    func receive(on state: StreamState) async throws(LinkError) -> [UInt8]? {
        if let there = state.next(self) { return try there.get() }
        if Task.isCancelled { throw .cancelled }
        let id = state.nextWaiter()
        // As in `send`: the closure touches the actor.
        let received = await withTaskCancellationHandler { [self] in
            await withCheckedContinuation { state.wait(id, toReceive: $0, self) }
        } onCancel: { [self] in
            loop.execute { state.cancel(id) }
        }
        return try received.get()
    }

    func finish(_ state: StreamState, _ status: LinkStatus) {
        guard streams[state.number] === state else { return }
        if status.code != .ok {
            engine.close(state.number, status)
            state.end(.failure(.status(status)))
            forget(state)
        } else if !state.isFinished {
            engine.close(state.number, .ok)
            state.isFinished = true
            if state.isClosedByPeer { forget(state) }
        }
        flushSoon()
    }

    func peerClosed(_ number: UInt32, _ status: LinkStatus) {
        guard let state = streams[number] else { return }
        if status.code == .ok {
            state.end(.success(nil))
            if state.isFinished { forget(state) }
        } else {
            state.end(.failure(.status(status)))
            state.service?.cancel()
            forget(state)
        }
    }

    private func forget(_ state: StreamState) {
        streams[state.number] = nil
        blocked.remove(state.number)
    }

    func giveCredit(_ bytes: Int, on state: StreamState) {
        guard streams[state.number] === state else { return }
        engine.used(bytes, on: state.number)
        flushSoon()
    }

    /// Wakes whoever waits to send on a stream that has drained below its limit.
    func wakeSenders() {
        guard !blocked.isEmpty else { return }
        for number in blocked.sorted() where engine.unsentBytes(on: number) <= settings.unsentBytesMax / 2 {
            blocked.remove(number)
            streams[number]?.wakeSenders()
        }
    }
}
