import Artifacts
import Client
import Foundation
import Locks
import Model
import Transport
import Wire

/// A farm whose coordinator says what a test wants to hear.
struct FakeFarm {
    let authority: Authority
    let server: LinkServer
    let person: Identity
    let loop: EventLoop

    var address: Address { server.addresses[0] }

    /// - Parameter strangers: an enrolment listener instead of the one for bearers of certificates.
    init(
        authority: Authority? = nil, strangers: Bool = false,
        admit: @escaping @Sendable (PeerIdentity) -> LinkStatus? = { _ in nil },
        handler: @escaping Link.StreamHandler
    ) async throws {
        let authority = try authority ?? Authority.make()
        self.authority = authority
        person = try authority.makeIdentity(for: Principal(role: .user, name: "alice", team: "vision"))
        loop = try EventLoop(name: "test-client")
        server = try await LinkServer.start(
            on: [Address(host: "127.0.0.1", port: 0)],
            as: authority.makeIdentity(for: Principal(role: .coordinator, name: "main")),
            admitting: strangers ? .strangers : .certified(admit), loops: [EventLoop(name: "test-farm")],
            handler: handler)
    }

    func connect(as identity: Identity? = nil) async throws(ClientError) -> FarmClient {
        try await FarmClient.connect(to: address, as: identity ?? person, on: loop)
    }
}

/// A folder for the time of a test.
func withFolder<Answer>(_ body: (String) async throws -> Answer) async throws -> Answer {
    let path = FileManager.default.temporaryDirectory.appending(path: "sheaf-client-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    do {
        let answer = try await body(path)
        try FileManager.default.removeItem(atPath: path)
        return answer
    } catch {
        try FileManager.default.removeItem(atPath: path)
        throw error
    }
}

func write(_ text: String, to path: String) throws {
    try FileManager.default.createDirectory(
        atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try Data(text.utf8).write(to: URL(filePath: path))
}

/// What was seen, in order, from any thread.
final class Seen<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])
    func note(_ element: Element) { elements.withLock { $0.append(element) } }
    var all: [Element] { elements.withLock { $0 } }
}

/// The error of a call that must fail.
func failure(_ body: () async throws(ClientError) -> some Any) async -> ClientError? {
    do throws(ClientError) {
        _ = try await body()
        return nil
    } catch {
        return error
    }
}
