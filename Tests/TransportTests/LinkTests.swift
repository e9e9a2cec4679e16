import Model
import Testing

import struct Synchronization.Atomic

@testable import Transport

@Suite struct `A link` {
    @Test func `carries a call and its answer, and says who is on the other side`() async throws {
        let farm = try TestFarm()
        let server = try await farm.serve()
        let link = try await farm.connect(to: server)
        #expect(try await link.call("Test.Echo", [1, 2, 3]) == [1, 2, 3])
        #expect(try await link.call("Test.Echo", []) == [])
        #expect(link.peer?.principal == Principal(role: .coordinator, name: "main"))
        let there = try #require(server.links.first)
        #expect(there.peer?.principal == Principal(role: .agent, name: "node7", team: "vision"))
        #expect(there.peer?.fingerprint == farm.agent.certificate.fingerprint)
        #expect(there.peer?.serial == farm.agent.certificate.serial)
        await server.stop()
        #expect(await link.closed == .dismissed(LinkStatus(.unavailable, "the coordinator stops")))
    }

    @Test func `carries many calls at once and keeps their answers apart`() async throws {
        let farm = try TestFarm()
        let server = try await farm.serve()
        let link = try await farm.connect(to: server)
        try await withThrowingTaskGroup { group in
            for caller in UInt8(0)..<50 {
                group.addTask {
                    for round in UInt8(0)..<20 {
                        let sent = [caller, round]
                        let answer = try await link.call("Test.Echo", sent)
                        #expect(answer == sent)
                    }
                }
            }
            try await group.waitForAll()
        }
        // The end of a stream may come a moment after its answer; nothing must stay for good.
        for _ in 0..<1000 where await link.openStreamCount > 0 { _ = try await link.call("Test.Echo", []) }
        #expect(await link.openStreamCount <= 1)
        await server.stop()
    }

    @Test func `keeps the order of a stream, in both directions`() async throws {
        let farm = try TestFarm()
        let server = try await farm.serve()
        let stream = try await farm.connect(to: server).open("Test.Echo")
        var random = SplitMix64(seed: 1)
        let messages = (0..<100).map { _ in
            (0..<Int.random(in: 0...3000, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        }
        async let sending: Void = {
            for message in messages { try await stream.send(message) }
            await stream.finish()
        }()
        for (index, message) in messages.enumerated() {
            let received = try await stream.receive()
            let where_ = messages.firstIndex { $0 == received }
            #expect(
                received == message,
                "message \(index) of \(message.count) bytes, got \(received?.count ?? -1) = \(where_ ?? -1)")
        }
        #expect(try await stream.receive() == nil)
        #expect(try await stream.receive() == nil)
        try await sending
        await server.stop()
    }

    @Test func `lets one side finish and the other go on`() async throws {
        let farm = try TestFarm()
        let server = try await farm.serve()
        let stream = try await farm.connect(to: server).open("Test.Count")
        for _ in 0..<10 { try await stream.send([UInt8](repeating: 7, count: 100)) }
        await stream.finish()
        #expect(try await stream.receive() == Array("10 1000".utf8))
        #expect(try await stream.receive() == nil)
        await #expect(throws: LinkError.closed("this stream was finished")) { try await stream.send([1]) }
        await server.stop()
    }

    @Test func `assembles a message far beyond the credit`() async throws {
        let farm = try TestFarm()
        var settings = LinkServerSettings.patient
        settings.link.creditBytes = 64 << 10
        let server = try await farm.serve(settings: settings)
        var random = SplitMix64(seed: 2)
        let message = (0..<(3 << 20)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        var client = LinkSettings.patient
        client.creditBytes = 64 << 10
        let link = try await farm.connect(to: server, settings: client)
        #expect(try await link.call("Test.Echo", message) == message)
        await server.stop()
    }

    @Test func `refuses to send a message beyond the limit, and takes one at it`() async throws {
        let farm = try TestFarm()
        let server = try await farm.serve()
        var settings = LinkSettings.patient
        settings.messageBytesMax = 1000
        let link = try await farm.connect(to: server, settings: settings)
        let stream = try await link.open("Test.Echo")
        try await stream.send([UInt8](repeating: 1, count: 1000))
        #expect(try await stream.receive()?.count == 1000)
        await #expect(throws: LinkError.exhausted("a message of 1001 bytes is beyond the limit of 1000")) {
            try await stream.send([UInt8](repeating: 1, count: 1001))
        }
        await server.stop()
    }

    @Test func `takes no message beyond the limit`() async throws {
        let farm = try TestFarm()
        var settings = LinkServerSettings.patient
        settings.link.messageBytesMax = 100_000
        let server = try await farm.serve(settings: settings)
        let link = try await farm.connect(to: server)
        let most = [UInt8](repeating: 1, count: 100_000)
        let answer = try await link.call("Test.Echo", most)
        #expect(answer == most)
        let expected = LinkError.status(LinkStatus(.exhausted, "a message is longer than 100000 bytes"))
        await #expect(throws: expected) { try await link.call("Test.Echo", most + [1]) }
        await server.stop()
    }

    @Test func `makes a sender wait for a slow reader, and nobody else`() async throws {
        let farm = try TestFarm()
        let gate = Event<Void>()
        var settings = LinkServerSettings.patient
        settings.link.creditBytes = 64 << 10
        let server = try await farm.serve(settings: settings) { stream, method, link in
            if method == "Test.Count" { await gate.value }
            await Services.handle(stream, method, link)
        }
        let link = try await farm.connect(to: server)
        let stream = try await link.open("Test.Count", urgency: .bulk)
        let size = 16 << 10
        let count = 200
        let sent = Atomic(0)
        async let sending: Void = {
            for _ in 0..<count {
                try await stream.send([UInt8](repeating: 1, count: size))
                sent.add(1, ordering: .relaxed)
            }
            await stream.finish()
        }()
        for round in UInt8(0)..<100 { #expect(try await link.call("Test.Echo", [round], urgency: .control) == [round]) }
        // What may be gone: the credit, what may be unsent, and the message that crossed the limit.
        #expect(sent.load(ordering: .relaxed) * size <= (64 << 10) + LinkSettings.standard.unsentBytesMax + size)
        gate.happen(())
        #expect(try await stream.receive() == Array("\(count) \(count * size)".utf8))
        try await sending
        await server.stop()
    }

    @Test func `passes the status of a call on`() async throws {
        let farm = try TestFarm()
        let server = try await farm.serve()
        let link = try await farm.connect(to: server)
        await #expect(throws: LinkError.status(LinkStatus(.denied, "not for you"))) {
            try await link.call("Test.Deny", [1])
        }
        await #expect(throws: LinkError.status(LinkStatus(.unimplemented, "there is no Test.What"))) {
            try await link.call("Test.What", [])
        }
        await #expect(throws: LinkError.status(LinkStatus(.internal, "Test.Forget ended without an answer"))) {
            try await link.call("Test.Forget", [])
        }
        await #expect(throws: LinkError.broken("Test.Nothing ended without an answer")) {
            try await link.call("Test.Nothing", [])
        }
        #expect(try await link.call("Test.Echo", [9]) == [9])
        await server.stop()
    }

    @Test func `refuses streams where nothing is served`() async throws {
        let farm = try TestFarm()
        let answer = Event<LinkError?>()
        let server = try await farm.serve(
            observer: .init(connected: { link in
                Task {
                    do throws(LinkError) {
                        _ = try await link.call("Agent.What", [])
                        answer.happen(nil)
                    } catch {
                        answer.happen(error)
                    }
                }
            }))
        let link = try await farm.connect(to: server)
        #expect(await answer.value == .status(LinkStatus(.unimplemented, "this side serves nothing")))
        await link.close()
        await server.stop()
    }

    @Test func `serves streams that the coordinator opens`() async throws {
        let farm = try TestFarm()
        let answer = Event<[UInt8]?>()
        let server = try await farm.serve(
            observer: .init(connected: { link in Task { answer.happen(try? await link.call("Test.Echo", [5, 6])) } }))
        let link = try await Link.connect(
            to: server.addresses[0], as: farm.agent, on: farm.loop, settings: .patient, handler: Services.handle)
        #expect(await answer.value == [5, 6])
        await link.close()
        await server.stop()
    }

    @Test func `takes a cancelled call back on both sides`() async throws {
        let farm = try TestFarm()
        let started = Event<Void>()
        let cancelled = Event<LinkError?>()
        let server = try await farm.serve { stream, _, _ in
            started.happen(())
            do throws(LinkError) {
                _ = try await stream.receive()
                _ = try await stream.receive()
                // The peer has finished; now wait for what only cancellation ends.
                await withTaskCancellationHandler {
                    await Event<Void>().never()
                } onCancel: {
                    cancelled.happen(nil)
                }
            } catch {
                cancelled.happen(error)
            }
        }
        let link = try await farm.connect(to: server)
        let call = Task { await outcome { () throws(LinkError) in try await link.call("Test.Slow", [1]) } }
        await started.value
        call.cancel()
        #expect(await call.value == .failure(.cancelled))
        _ = await cancelled.value
        #expect(await link.openStreamCount == 0)
        await link.close()
    }

    @Test func `takes a stream back that nobody holds`() async throws {
        let farm = try TestFarm()
        let ended = Event<LinkError?>()
        let server = try await farm.serve { stream, _, _ in
            do throws(LinkError) {
                while try await stream.receive() != nil {}
                ended.happen(nil)
            } catch {
                ended.happen(error)
            }
        }
        let link = try await farm.connect(to: server)
        do {
            let stream = try await link.open("Test.Lost")
            try await stream.send([1])
        }
        #expect(await ended.value == .status(LinkStatus(.cancelled, "nobody waits for it any more")))
        await server.stop()
    }

    @Test func `fails what waits when it ends`() async throws {
        let farm = try TestFarm()
        let started = Event<Void>()
        let server = try await farm.serve { stream, _, _ in
            started.happen(())
            // Waits until the link has gone.
            while (try? await stream.receive()) != nil {}
        }
        let link = try await farm.connect(to: server)
        let stream = try await link.open("Test.Wait")
        try await stream.send([1])
        let waiting = Task { await outcome { () throws(LinkError) in try await stream.receive() } }
        await started.value
        await link.close(LinkStatus(.ok, "done"))
        #expect(await waiting.value == .failure(.closed("done")))
        #expect(await link.closed == .closed("done"))
        await #expect(throws: LinkError.closed("done")) { try await link.call("Test.Echo", []) }
        await server.stop()
    }

    @Test func `tells its server of its coming and going once`() async throws {
        let farm = try TestFarm()
        let came = Event<PeerIdentity?>()
        let went = Event<LinkError>()
        let server = try await farm.serve(
            observer: .init(connected: { came.happen($0.peer) }, disconnected: { went.happen($1) }))
        let link = try await farm.connect(to: server)
        #expect(await came.value?.principal.name == "node7")
        await link.close(LinkStatus(.unavailable, "restarting"))
        #expect(await went.value == .dismissed(LinkStatus(.unavailable, "restarting")))
        #expect(server.links.isEmpty)
        await server.stop()
    }

    /// On its link's loop, also after others were asked and were heard; elsewhere otherwise.
    @Test func `is served where its method belongs`() async throws {
        actor Other { func ask() {} }
        let farm = try TestFarm()
        let server = try await farm.serve(onLoop: ["Test.Near"]) { stream, _, link in
            let other = Other()
            var places = [link.loop.isIsolatingCurrentContext()]
            _ = try? await stream.receive()
            places.append(link.loop.isIsolatingCurrentContext())
            await other.ask()
            places.append(link.loop.isIsolatingCurrentContext())
            await withTaskGroup(of: Bool?.self) { group in
                group.addTask { link.loop.isIsolatingCurrentContext() }
                for await place in group { places.append(place) }
            }
            try? await stream.send(places.map { $0 == true ? 1 : 0 })
            await stream.finish()
        }
        let link = try await farm.connect(to: server)
        #expect(try await link.call("Test.Near", []) == [1, 1, 1, 1])
        #expect(try await link.call("Test.Far", []) == [0, 0, 0, 0])
        await link.close()
        await server.stop()
    }

    /// One that waits for each message, and one whose answers wait for room, miss none of them.
    @Test func `loses no message to a handler on its loop`() async throws {
        let farm = try TestFarm()
        let server = try await farm.serve(onLoop: ["Test.Echo"])
        let link = try await farm.connect(to: server)
        let stream = try await link.open("Test.Echo")
        for number in 0..<2_000 {
            let message = [UInt8(number & 255), UInt8(number >> 8)]
            try await stream.send(message)
            #expect(try await stream.receive() == message)
        }
        let large = (0..<64).map { [UInt8](repeating: $0, count: 200_000) }
        async let sent: Void = { for message in large { try await stream.send(message) } }()
        for message in large { #expect(try await stream.receive() == message) }
        try await sent
        await stream.finish()
        #expect(try await stream.receive() == nil)
        await link.close()
        await server.stop()
    }

    @Test func `cannot be had from a server whose address another has, which says so`() async throws {
        let farm = try TestFarm()
        let server = try await farm.serve()
        let taken = server.addresses[0]
        let error = await #expect(throws: LinkError.self) {
            try await LinkServer.start(
                on: [taken], as: farm.coordinator, admitting: .strangers, loops: [farm.loop], handler: Services.handle)
        }
        #expect("\(try #require(error))".hasPrefix("cannot listen at \(taken): ") && error?.mayPass == false)
        await server.stop()
    }
}

private func outcome<Value: Sendable>(
    _ body: @Sendable () async throws(LinkError) -> Value
) async -> Result<Value, LinkError> {
    do throws(LinkError) { return .success(try await body()) } catch { return .failure(error) }
}
