import Foundation
import Locks
import Model
import Testing
import Transport
import Wire

@testable import CoordinatorService

@Suite struct `A coordinator's own certificate` {
    /// Connections that are open stay so; who comes now is shown the new one, and so is the next process.
    @Test(.timeLimit(.minutes(10))) func `is renewed while the coordinator runs, and shown from then on`() async throws
    {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let now = Instant.wallClock()
        let authority = try Authority.make(at: now.advanced(by: .seconds(-86_400)))
        // Two hours long with the hour before it was made: two thirds are over 1200 seconds after that.
        let made = now.advanced(by: .seconds(-1_000))
        let old = try authority.makeIdentity(
            for: Principal(role: .coordinator, name: "main"), at: made, validFor: .seconds(3_600))
        try authority.save(to: folder + "/authority.pem")
        try old.save(to: folder + "/coordinator.pem")
        let anywhere = Address(host: "127.0.0.1", port: 0)
        let (remarks, remark) = AsyncStream.makeStream(of: String.self)
        var settings = CoordinatorServer.Settings(state: folder, listen: [anywhere], enrolmentListen: [anywhere])
        // A moment before it is due, until somebody has connected; certificates count whole seconds.
        let wallClock = Mutex(made.advanced(by: .seconds(1_198)))
        settings.wallClock = { wallClock.withLock { $0 } }
        let server = try await CoordinatorServer.start(
            settings,
            remark: { remark.yield($0) }, failed: { preconditionFailure("\($0)") })
        let admin = try await server.makeIdentity(for: Principal(role: .admin, name: "root"))
        let loop = try EventLoop(name: "test-clients")
        let before = try await Link.connect(to: server.addresses[0], as: admin, on: loop)
        #expect(before.peer?.serial == old.certificate.serial)
        wallClock.withLock { $0 = made.advanced(by: .seconds(1_202)) }
        for await said in remarks where said.contains("own certificate was renewed until") { break }
        let after = try await Link.connect(to: server.addresses[0], as: admin, on: loop)
        let stored = try Identity(file: folder + "/coordinator.pem").certificate
        #expect(after.peer?.serial != old.certificate.serial)
        #expect(try #require(after.peer).expires > old.certificate.notAfter)
        for link in [before, after] { _ = try await link.call(Proto.Farm.ShowBaseline.self, .init()) }
        let stranger = try await Link.connect(
            toEnrolAt: server.enrolmentAddresses[0], authority: authority.certificate.fingerprint, on: loop)
        #expect(stranger.peer?.serial == after.peer?.serial)
        // It is kept right after it was shown.
        var kept = stored
        while kept.serial != after.peer?.serial {
            await Task.yield()
            kept = try Identity(file: folder + "/coordinator.pem").certificate
        }
        for link in [before, after, stranger] { await link.close() }
        await server.stop()
    }
}
