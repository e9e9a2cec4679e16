package import Wire

import struct Synchronization.Atomic

extension Link {
    package func call<Method: ProtoMethod>(
        _: Method.Type, _ request: Method.Request, urgency: Urgency = .normal, limits: ProtoLimits = .standard
    ) async throws(LinkError) -> Method.Response {
        let answer = try await call(Method.name, request.encoded(), urgency: urgency)
        do throws(ProtoError) {
            return try Method.Response(decoding: answer, limits: limits)
        } catch {
            throw .broken("the answer to \(Method.name) is no \(Method.Response.protoName): \(error)")
        }
    }

    package func open<Method: ProtoMethod>(_: Method.Type, urgency: Urgency = .normal) throws(LinkError) -> LinkStream {
        try open(Method.name, urgency: urgency)
    }
}

extension LinkStream {
    package nonisolated(nonsending) func send(_ message: some ProtoMessage) async throws(LinkError) {
        try await send(message.encoded())
    }

    /// The next message, decoded. Bytes that are no such message end the stream.
    package nonisolated(nonsending) func receive<Message: ProtoMessage>(
        _: Message.Type, limits: ProtoLimits = .standard
    ) async throws(LinkError) -> Message? {
        guard let bytes = try await receive() else { return nil }
        do throws(ProtoError) {
            return try Message(decoding: bytes, limits: limits)
        } catch {
            let status = LinkStatus(.invalid, "this is no \(Message.protoName): \(error)")
            await finish(status)
            throw .status(status)
        }
    }

    /// Answers a call of one request with one response, or with the status that `body` throws.
    package nonisolated(nonsending) func answer<Method: ProtoMethod>(
        _: Method.Type, limits: ProtoLimits = .standard,
        _ body: nonisolated(nonsending) (Method.Request) async throws(LinkStatus) -> Method.Response
    ) async {
        do throws(LinkError) {
            guard let request = try await receive(Method.Request.self, limits: limits) else {
                await finish(LinkStatus(.invalid, "\(method) lacks its request"))
                return
            }
            let response: Method.Response
            do throws(LinkStatus) {
                response = try await body(request)
            } catch {
                await finish(error)
                return
            }
            finished.store(true, ordering: .relaxed)
            try await link.sendLast(response.encoded(), on: state)
        } catch {
            // The caller or the connection has gone, or the request was bad and was answered: nobody is left to tell.
            await finish(LinkStatus(.cancelled))
        }
    }
}
