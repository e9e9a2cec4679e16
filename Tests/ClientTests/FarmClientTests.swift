import Client
import Glibc
import Model
import Testing
import Transport
import Wire

@Suite struct `A person's connection` {
    @Test func `brings answers`() async throws {
        let farm = try await FakeFarm { stream, _, link in
            await stream.answer(Proto.Farm.ListAgents.self) { _ throws(LinkStatus) in
                .with { $0.agents = [.with { $0.name = link.peer?.principal.name ?? "" }] }
            }
        }
        let answer = try await farm.connect().call(Proto.Farm.ListAgents.self, .init())
        #expect(answer.agents.map(\.name) == ["alice"])
        await farm.server.stop()
    }

    @Test func `tells refusals from what may pass`() async throws {
        let farm = try await FakeFarm { stream, method, _ in
            await stream.finish(
                method == Proto.Farm.Cancel.name
                    ? LinkStatus(.denied, "r1 belongs to bob") : LinkStatus(.unavailable, "the disk is full"))
        }
        let client = try await farm.connect()
        let denied = await failure { () async throws(ClientError) in
            try await client.call(Proto.Farm.Cancel.self, .init())
        }
        #expect(denied?.problem == "r1 belongs to bob" && denied?.isRefusal == true)
        let full = await failure { () async throws(ClientError) in
            try await client.call(Proto.Farm.ListRuns.self, .init())
        }
        #expect(full?.problem == "the disk is full" && full?.isRefusal == false)
        await farm.server.stop()
    }

    @Test func `does not wait for ever`() async throws {
        let farm = try await FakeFarm { stream, _, _ in
            // Reads the request and says nothing, until the caller takes it back.
            while let _ = try? await stream.receive() {}
            for await _ in AsyncStream<Void>(unfolding: { try? await Task.sleep(for: .seconds(3600)) }) {}
        }
        let client = try await farm.connect()
        let error = await failure { () async throws(ClientError) in
            try await client.call(Proto.Farm.ListAgents.self, .init(), within: .milliseconds(20))
        }
        #expect(error?.problem.contains("Farm.ListAgents was not answered within 20 ms") == true)
        #expect(error?.isRefusal == false)
        await farm.server.stop()
    }

    @Test func `names a farm that is not there`() async throws {
        let farm = try await FakeFarm { stream, _, _ in await stream.finish() }
        // A port that is taken and not listened at: one that was let go may be another test's by now.
        let taken = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(taken) }
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_addr.s_addr = inet_addr("127.0.0.1")
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &place) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(taken, $0, size) == 0 && getsockname(taken, $0, &size) == 0
            }
        }
        try #require(isBound)
        let address = Address(host: "127.0.0.1", port: UInt16(bigEndian: place.sin_port))
        let error = await failure { () async throws(ClientError) in
            try await FarmClient.connect(to: address, as: farm.person, on: farm.loop)
        }
        await farm.server.stop()
        #expect(error?.problem.hasPrefix("the farm at \(address) cannot be reached: ") == true)
        #expect(error?.isRefusal == false && error?.help != nil)
    }

    @Test func `says that another farm answers`() async throws {
        let farm = try await FakeFarm { stream, _, _ in await stream.finish() }
        let other = try Authority.make().makeIdentity(for: Principal(role: .user, name: "alice"))
        let error = await failure { () async throws(ClientError) in try await farm.connect(as: other) }
        #expect(error?.problem.contains("is not your farm") == true, "\(String(describing: error))")
        #expect(error?.isRefusal == true)
        await farm.server.stop()
    }

    @Test func `says that the certificate was revoked`() async throws {
        let farm = try await FakeFarm(admit: { _ in LinkStatus(.denied, "the certificate was revoked: left the team") })
        { stream, _, _ in await stream.finish() }
        let error = await failure { () async throws(ClientError) in
            try await farm.connect().call(Proto.Farm.ListAgents.self, .init())
        }
        #expect(error?.problem.contains("left the team") == true, "\(String(describing: error))")
        #expect(error?.help?.contains("sheaf enrol --replace") == true && error?.isRefusal == true)
        await farm.server.stop()
    }

    @Test func `says that the certificate is over`() async throws {
        let farm = try await FakeFarm { stream, _, _ in await stream.finish() }
        let old = try farm.authority.makeIdentity(
            for: Principal(role: .user, name: "alice"), at: .wallClock().advanced(by: .seconds(60)),
            validFor: .seconds(-90))
        let error = await failure { () async throws(ClientError) in try await farm.connect(as: old) }
        #expect(error?.problem.contains("expired on") == true, "\(String(describing: error))")
        #expect(error?.isRefusal == true)
        await farm.server.stop()
    }
}
