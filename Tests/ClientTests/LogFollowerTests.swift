import Client
import Model
import Testing
import Transport
import Wire

@Suite struct `Following a log` {
    private static func line(_ text: String, shard: Int32 = 0) -> Proto.LogLine {
        .with {
            $0.job = "eval"
            $0.cell = "eval"
            $0.shard = shard
            $0.attempt = 1
            $0.stream = "out"
            $0.text = text
        }
    }

    @Test func `shows each line once, over as many connections as it takes`() async throws {
        let asked = Seen<UInt64>()
        let farm = try await FakeFarm { stream, _, link in
            guard let request = try? await stream.receive(Proto.ReadLogRequest.self) else { return }
            asked.note(request.run)
            // What could not be sent is what the test is about.
            for text in ["a", "b"] { try? await stream.send(Self.line(text)) }
            if asked.all.count == 1 {
                try? await stream.send(Self.line("of another", shard: 1))
                return await link.close(LinkStatus(.unavailable, "the coordinator stops"))
            }
            // The same words again are another line.
            for text in ["b", "c"] { try? await stream.send(Self.line(text)) }
            try? await stream.send(Self.line("of another", shard: 1))
            await stream.finish()
        }
        var shown: [String] = []
        var losses = 0
        try await LogFollower(.with { $0.run = 7 }) { () async throws(ClientError) in try await farm.connect() }
            .follow { _ in
                losses += 1
            } _: {
                shown.append($0.text)
            }
        #expect(asked.all == [7, 7])
        #expect(losses == 1)
        // What had not arrived when the connection went is shown by the next one.
        #expect(shown.filter { $0 != "of another" } == ["a", "b", "b", "c"])
        #expect(shown.count { $0 == "of another" } == 1)
        await farm.server.stop()
    }

    @Test func `ends where the farm refuses`() async throws {
        let farm = try await FakeFarm { stream, _, _ in await stream.finish(LinkStatus(.notFound, "there is no run r7"))
        }
        await #expect(throws: ClientError.self) {
            try await LogFollower(.with { $0.run = 7 }) { () async throws(ClientError) in try await farm.connect() }
                .follow { _ in
                } _: { _ in
                }
        }
        await farm.server.stop()
    }
}
