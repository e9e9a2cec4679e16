import Glibc
import Locks
import Model

@testable import Transport

/// A farm for one test: an authority and what is needed to serve and to connect.
struct TestFarm {
    let authority: Authority
    let coordinator: Identity
    let agent: Identity
    let loop: EventLoop

    init(authority: Authority? = nil) throws {
        let authority = try authority ?? Authority.make()
        self.authority = authority
        coordinator = try authority.makeIdentity(for: Principal(role: .coordinator, name: "main"))
        agent = try authority.makeIdentity(for: Principal(role: .agent, name: "node7", team: "vision"))
        loop = try EventLoop(name: "test-loop")
    }

    func serve(
        _ admission: LinkServer.Admission = .certified { _ in nil }, settings: LinkServerSettings = .patient,
        observer: LinkServer.Observer = .init(), onLoop: Set<String> = [],
        handler: @escaping Link.StreamHandler = Services.handle
    ) async throws -> LinkServer {
        try await LinkServer.start(
            on: [Address(host: "127.0.0.1", port: 0)], as: coordinator, admitting: admission,
            loops: [try EventLoop(name: "test-server")], settings: settings, observer: observer,
            onLoop: onLoop, handler: handler)
    }

    func connect(to server: LinkServer, settings: LinkSettings = .patient) async throws -> Link {
        try await Link.connect(to: server.addresses[0], as: agent, on: loop, settings: settings)
    }

    /// Connects with whatever is shown and believed, right or wrong.
    func connect(to address: Address, showing identity: Identity?, trusting authority: Certificate) async throws -> Link
    {
        let context = try TLSContext.client(identity, trust: .authority(authority))
        return try await Connector(on: loop, settings: .patient)
            .connect(to: address, at: try await address.resolve(), context, callbacks: Link.Callbacks())
    }
}

extension LinkSettings {
    /// For a machine that is busy with other tests: no time here is what a test is about.
    static var patient: LinkSettings {
        var settings = LinkSettings()
        settings.handshakeMax = .seconds(100)
        settings.connectMax = .seconds(100)
        settings.silenceMax = .seconds(200)
        return settings
    }
}

extension LinkServerSettings {
    static var patient: LinkServerSettings {
        var settings = LinkServerSettings()
        settings.link = .patient
        settings.strangerStayMax = .seconds(100)
        return settings
    }
}

/// What the test servers serve.
enum Services {
    @Sendable static func handle(_ stream: LinkStream, _ method: String, _ link: Link) async {
        do {
            switch method {
            case "Test.Echo":
                while let message = try await stream.receive() { try await stream.send(message) }
                await stream.finish()
            case "Test.Count":
                // Reads to the end before it says a word: the other side's direction is closed by then.
                var messages = 0
                var bytes = 0
                while let message = try await stream.receive() {
                    messages += 1
                    bytes += message.count
                }
                try await stream.send(Array("\(messages) \(bytes)".utf8))
                await stream.finish()
            case "Test.Deny": await stream.finish(LinkStatus(.denied, "not for you"))
            case "Test.Nothing": await stream.finish()
            case "Test.Forget": return
            case "Test.Idle": await Event<Void>().never()
            default: await stream.finish(LinkStatus(.unimplemented, "there is no \(method)"))
            }
        } catch {
            await stream.finish(LinkStatus(.internal, "\(error)"))
        }
    }
}

/// Something that happens once, waited for by one task.
final class Event<Value: Sendable>: Sendable {
    private enum State {
        case idle, waited(CheckedContinuation<Value, Never>), happened(Value)
    }
    private let state = Mutex(State.idle)

    func happen(_ value: Value) {
        let waiter = state.withLock { state -> CheckedContinuation<Value, Never>? in
            switch state {
            case .idle:
                state = .happened(value)
                return nil
            case .waited(let continuation):
                state = .happened(value)
                return continuation
            case .happened: return nil
            }
        }
        waiter?.resume(returning: value)
    }

    var value: Value {
        get async {
            await withCheckedContinuation { continuation in
                let value = state.withLock { state -> Value? in
                    if case .happened(let value) = state { return value }
                    state = .waited(continuation)
                    return nil
                }
                if let value { continuation.resume(returning: value) }
            }
        }
    }
}

extension Event where Value == Void {
    /// Waits for ever, or until cancelled.
    func never() async {
        await withTaskCancellationHandler {
            await value
        } onCancel: {
            happen(())
        }
    }
}

/// A blocking socket, for peers that misbehave. It blocks its thread: use it inside `onThread`.
final class RawPeer {
    let descriptor: CInt

    init(to address: Address) throws {
        descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw SystemError(errno, during: "socket") }
        guard let place = address.numeric()?.first,
            place.withPointer({ Glibc.connect(descriptor, $0, $1) }) == 0
        else { throw SystemError(errno, during: "connect") }
    }

    deinit { close(descriptor) }

    func send(_ bytes: [UInt8]) {
        // The other side may have closed already, which is what some tests are about.
        _ = Glibc.send(descriptor, bytes, bytes.count, CInt(MSG_NOSIGNAL))
    }

    func endSending() { shutdown(descriptor, CInt(SHUT_WR)) }

    /// Waits for the other side to close, and answers how many bytes came before.
    func readToEnd() -> Int {
        var total = 0
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count <= 0 { return total }
            total += count
        }
    }
}

/// A peer that keeps to TLS and to nothing else. It blocks its thread too.
final class TLSPeer {
    private let tls: TLSConnection

    init(to address: Address, as identity: Identity?, trusting authority: Certificate) throws {
        let peer = try RawPeer(to: address)
        tls = try TLSConnection(
            TLSContext.client(identity, trust: .authority(authority)), on: Descriptor(adopting: dup(peer.descriptor)))
        while try tls.handshake() != .moved(0) {}
    }

    func send(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            guard case .moved(let count) = try rest.withUnsafeBytes({ try tls.write($0) }) else { return }
            rest = rest.dropFirst(count)
        }
    }

    func vanish() { shutdown(tls.descriptor, CInt(SHUT_RDWR)) }
    func endSending() { tls.sayGoodbye() }

    /// Everything up to the end of the connection.
    func readToEnd() -> [UInt8] {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        while let progress = try? buffer.withUnsafeMutableBytes({ try tls.read(into: $0) }) {
            guard case .moved(let count) = progress else { break }
            all += buffer[..<count]
        }
        return all
    }
}

/// Runs what blocks on a thread of its own.
func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    let result: Result<Value, any Error> = await withCheckedContinuation { continuation in
        do {
            try startDeviceThread(named: "test-peer") { continuation.resume(returning: Result { try body() }) }
        } catch {
            continuation.resume(returning: .failure(error))
        }
    }
    return try result.get()
}
