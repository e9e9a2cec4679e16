import Client
import Model
import Testing
import Transport
import Wire

@Suite struct `Following a run` {
    private static func event(_ state: String, exitCode: UInt32 = 0) -> Proto.WatchEvent {
        .with {
            $0.summary = .with {
                $0.run = 7
                $0.state = state
                $0.exitCode = exitCode
            }
        }
    }

    @Test func `goes on over a connection that was lost`() async throws {
        let asked = Seen<UInt64>()
        let farm = try await FakeFarm { stream, _, link in
            guard let request = try? await stream.receive(Proto.WatchRequest.self) else { return }
            asked.note(request.run)
            // What could not be sent is what the test is about.
            try? await stream.send(Self.event("running"))
            if asked.all.count == 1 { return await link.close(LinkStatus(.unavailable, "the coordinator stops")) }
            try? await stream.send(Self.event("ended", exitCode: 1))
            await stream.finish()
        }
        var told: [String] = []
        let summary = try await RunFollower(RunID(7)) { () async throws(ClientError) in try await farm.connect() }
            .follow { event in
                switch event {
                case .changed(let event): told.append(event.summary?.state ?? "")
                case .lost: told.append("lost")
                case .found: told.append("found")
                }
            }
        #expect(summary.exitCode == 1)
        #expect(asked.all == [7, 7])
        #expect(told.suffix(4) == ["lost", "found", "running", "ended"], "\(told)")
        await farm.server.stop()
    }

    @Test func `ends where the farm refuses`() async throws {
        let farm = try await FakeFarm { stream, _, _ in await stream.finish(LinkStatus(.notFound, "there is no run r7"))
        }
        await #expect(throws: ClientError.self) {
            _ = try await RunFollower(RunID(7)) { () async throws(ClientError) in try await farm.connect() }
                .follow { _ in }
        }
        await farm.server.stop()
    }

    @Test func `that is given up tells no false alarm`() async throws {
        let (begun, begin) = AsyncStream.makeStream(of: Void.self)
        let farm = try await FakeFarm { stream, _, _ in
            guard (try? await stream.receive()) != nil else { return }
            try? await stream.send(Self.event("running"))
            for await _ in AsyncStream<Void>(unfolding: { try? await Task.sleep(for: .seconds(3600)) }) {}
        }
        let told = Seen<String>()
        // Waited for below.
        let following = Task {
            try await RunFollower(RunID(7)) { () async throws(ClientError) in try await farm.connect() }.follow {
                event in
                if case .lost(let error) = event { told.note("\(error)") }
                begin.yield()
            }
        }
        for await _ in begun { break }
        following.cancel()
        await #expect(throws: CancellationError.self) { _ = try await following.value }
        #expect(told.all.isEmpty, "\(told.all)")
        await farm.server.stop()
    }
}
