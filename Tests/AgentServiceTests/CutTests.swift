import Foundation
import Glibc
import Locks
import Model
import Testing
import Transport
import Wire

@testable import AgentService

/// A cable on loopback that can be cut in one direction: what is sent that way is lost, and nobody is told.
private final class Cable: Sendable {
    enum Direction: CaseIterable, Sendable { case toFarm, toAgent }

    let address: Address
    private let listener: CInt
    private let farm: Address
    private let state = Mutex((cuts: Set<Int>(), direction: Direction.toFarm, count: 0))

    init(to farm: Address) throws {
        self.farm = farm
        listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        var place = Self.place(0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let raw = listener
        let isBound = withUnsafeMutablePointer(to: &place) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(raw, address, size) == 0 && listen(raw, 16) == 0 && getsockname(raw, address, &size) == 0
            }
        }
        try #require(isBound, "no port on loopback")
        address = Address(host: "127.0.0.1", port: UInt16(bigEndian: place.sin_port))
        Thread { [self] in accept() }.start()
    }

    private static func place(_ port: UInt16) -> sockaddr_in {
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_port = port.bigEndian
        place.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return place
    }

    /// Cuts the connections that there are; later ones are whole.
    func cut(_ direction: Direction) {
        state.withLock { $0 = (Set(0..<$0.count), direction, $0.count) }
    }

    func end() { shutdown(listener, CInt(SHUT_RDWR)) }

    private func accept() {
        while case let near = Glibc.accept(listener, nil, nil), near >= 0 {
            let far = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
            var place = Self.place(farm.port)
            let isThere = withUnsafePointer(to: &place) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(far, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                }
            }
            guard isThere else {
                close(near)
                close(far)
                continue
            }
            let number = state.withLock { state in
                defer { state.count += 1 }
                return state.count
            }
            // Both ends are left to the process's end: a test opens few.
            Thread { [self] in carry(near, far, .toFarm, number) }.start()
            Thread { [self] in carry(far, near, .toAgent, number) }.start()
        }
        close(listener)
    }

    private func carry(_ from: CInt, _ to: CInt, _ direction: Direction, _ number: Int) {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = read(from, &buffer, buffer.count), count > 0 {
            let isCut = state.withLock { $0.cuts.contains(number) && $0.direction == direction }
            var sent = 0
            while !isCut, sent < count {
                let more = buffer[sent..<count].withUnsafeBytes {
                    send(to, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
                }
                guard more > 0 else { break }
                sent += more
            }
        }
        // An end is no byte: it would not come through a cut cable either.
        let isCut = state.withLock { $0.cuts.contains(number) && $0.direction == direction }
        if !isCut { shutdown(to, CInt(SHUT_WR)) }
    }
}

@Suite(.timeLimit(.minutes(10))) struct `An agent whose connection` {
    /// Whoever hears nothing ends the connection: the agent itself, or the farm, which can still say so. Either way the agent
    /// comes back over a new one.
    @Test(arguments: Cable.Direction.allCases)
    fileprivate func `is cut one way loses it to the silence, comes back with what it holds, and reports once`(
        direction: Cable.Direction
    ) async throws {
        var template = Array("/tmp/sheaf-agent-test-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { Files.removeTree(folder) }
        var farm = Foreman.Settings()
        farm.links.link.silenceMax = .seconds(2)
        let foreman = try await Foreman(farm)
        let cable = try Cable(to: foreman.farm.server.addresses[0])
        defer { cable.end() }
        var settings = AgentSettings(
            address: cable.address, identity: foreman.farm.agent, workFolder: folder + "/work",
            spoolFolder: folder + "/spool", accounts: .own)
        settings.links.silenceMax = .seconds(2)
        let losses = Mutex([String]())
        let agent = try await Agent.make(settings) { event in
            if case .lost(let why) = event { losses.withLock { $0.append(why) } }
        }
        let running = Task { try await agent.run() }
        let (_, stream) = try await foreman.joined()
        let go = folder + "/go"
        mkfifo(go, 0o600)
        let attempt = AttemptID(shard: ShardID(run: RunID(1), job: 0, cell: 0, shard: 0), number: 1)
        try await stream.send(
            Proto.ToAgent.with {
                $0.kind = .offer(
                    .with {
                        $0.leaseMs = 60_000
                        $0.assignment = .with {
                            $0.attempt = Proto.AttemptRef(attempt)
                            $0.jobId = "eval"
                            $0.cellId = "eval"
                            $0.work = Proto.JobWork(JobWork(steps: [run("read line < \(go)")]))
                            $0.resources = .with { $0.cpus = 1 }
                        }
                    })
            })
        _ = try await foreman.next { if case .said(.started) = $0 { true } else { nil } }
        cable.cut(direction)
        // It ends while the farm cannot be spoken with.
        let raw = open(go, O_RDWR | O_CLOEXEC)
        try Files.writeAll(Array("go\n".utf8), to: raw, naming: go)
        let (again, _) = try await foreman.joined()
        #expect(again.holds == [Proto.AttemptRef(attempt)])
        let why = losses.withLock { $0 }
        #expect(why.contains { $0.contains("nothing was heard from the other side for 2 s") }, "\(why)")
        #expect(try await foreman.reported().cause == "passed")
        // Nothing is left to say.
        _ = try await foreman.next { event -> Bool? in
            if case .said(.heartbeat(let beat)) = event, beat.running.isEmpty { true } else { nil }
        }
        close(raw)
        running.cancel()
        try await running.value
    }
}
