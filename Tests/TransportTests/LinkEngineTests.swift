import Model
import Testing

@testable import Transport

/// Two engines and the bytes between them.
private struct Pair {
    var client: LinkEngine
    var server: LinkEngine
    /// On the way, to the server and to the client.
    var up: [UInt8] = []
    var down: [UInt8] = []
    var now = Instant.seconds(1)

    init(credit: Int = 64 << 10, configure: (inout LinkSettings) -> Void = { _ in }) {
        var settings = LinkSettings()
        settings.creditBytes = credit
        configure(&settings)
        client = LinkEngine(connects: true, settings: settings, at: now)
        server = LinkEngine(connects: false, settings: settings, at: now)
    }

    /// Carries up to `most` bytes towards one side, and answers what it learned.
    mutating func carry(toServer: Bool, _ most: Int = .max) throws -> [LinkEngine.Event] {
        var events: [LinkEngine.Event] = []
        if toServer {
            if up.isEmpty { client.pull(into: &up) }
            let part = Array(up.prefix(most))
            up.removeFirst(part.count)
            try part.withUnsafeBytes { raw in try server.receive(raw, at: now, &events) }
        } else {
            if down.isEmpty { server.pull(into: &down) }
            let part = Array(down.prefix(most))
            down.removeFirst(part.count)
            try part.withUnsafeBytes { raw in try client.receive(raw, at: now, &events) }
        }
        return events
    }

    /// Carries everything there is, both ways.
    mutating func settle() throws -> (server: [LinkEngine.Event], client: [LinkEngine.Event]) {
        var all: (server: [LinkEngine.Event], client: [LinkEngine.Event]) = ([], [])
        for _ in 0..<50 {
            all.server += try carry(toServer: true)
            all.client += try carry(toServer: false)
        }
        return all
    }
}

@Suite struct `A link's engine` {
    @Test func `opens nothing before both have said hello`() throws {
        var pair = Pair()
        #expect(throws: LinkError.closed("the other side has not said hello yet")) {
            try pair.client.open("A.B", .normal)
        }
        #expect(try pair.carry(toServer: true) == [.ready])
        #expect(try pair.carry(toServer: false) == [.ready])
        #expect(try pair.client.open("A.B", .normal) == 1)
        #expect(try pair.client.open("A.C", .normal) == 3)
        #expect(try pair.server.open("A.D", .normal) == 2)
        #expect(try pair.carry(toServer: true) == [.opened(1, method: "A.B"), .opened(3, method: "A.C")])
    }

    @Test func `keeps every stream's messages whole and in order, however the bytes are cut`() throws {
        for seed in UInt64(0)..<60 {
            var random = SplitMix64(seed: seed)
            var pair = Pair()
            _ = try pair.settle()
            var sent: [UInt32: [[UInt8]]] = [:]
            var got: [UInt32: [[UInt8]]] = [:]
            for _ in 0..<5 {
                sent[try pair.client.open("A.B", [.bulk, .normal, .control].randomElement(using: &random) ?? .bulk)] =
                    []
            }
            for _ in 0..<400 {
                switch Int.random(in: 0..<3, using: &random) {
                case 0:
                    guard let number = sent.keys.sorted().randomElement(using: &random) else { continue }
                    let size = Int.random(in: 0..<3, using: &random) == 0 ? 150_000 : 500
                    let message = [UInt8](
                        repeating: UInt8.random(in: 0...255, using: &random),
                        count: Int.random(in: 0...size, using: &random))
                    pair.client.send(message, on: number)
                    sent[number]?.append(message)
                case 1: _ = try pair.carry(toServer: false, Int.random(in: 1..<5000, using: &random))
                default:
                    for event in try pair.carry(toServer: true, Int.random(in: 1..<100_000, using: &random)) {
                        guard case .message(let number, let bytes) = event else { continue }
                        got[number, default: []].append(bytes)
                        pair.server.used(bytes.count, on: number)
                    }
                }
            }
            for _ in 0..<2000 {
                for event in try pair.carry(toServer: true) {
                    guard case .message(let number, let bytes) = event else { continue }
                    got[number, default: []].append(bytes)
                    pair.server.used(bytes.count, on: number)
                }
                _ = try pair.carry(toServer: false)
            }
            for (number, messages) in sent { #expect(got[number, default: []] == messages, "seed \(seed)") }
        }
    }

    @Test func `sends no more than the credit until the reader has used some`() throws {
        var pair = Pair()
        _ = try pair.settle()
        let stream = try pair.client.open("A.B", .bulk)
        for _ in 0..<100 { pair.client.send([UInt8](repeating: 1, count: 1000), on: stream) }
        let first = try pair.settle().server.filter { if case .message = $0 { true } else { false } }
        #expect(first.count == (64 << 10) / 1000)
        for _ in first { pair.server.used(1000, on: stream) }
        let second = try pair.settle().server.filter { if case .message = $0 { true } else { false } }
        #expect(second.count >= 100 - 64 - 17)
        for _ in second { pair.server.used(1000, on: stream) }
        _ = try pair.settle()
        #expect(pair.client.unsentBytes(on: stream) == 0)
    }

    @Test func `lets urgent messages overtake a bulk that waits`() throws {
        var pair = Pair(credit: 16 << 20)
        _ = try pair.settle()
        let bulk = try pair.client.open("A.Bulk", .bulk)
        let control = try pair.client.open("A.Control", .control)
        pair.client.send([UInt8](repeating: 1, count: 8 << 20), on: bulk)
        _ = try pair.carry(toServer: true)
        pair.client.send([7], on: control)
        #expect(try pair.carry(toServer: true).contains(.message(control, [7])))
        #expect(pair.client.unsentBytes(on: bulk) > 7 << 20)
    }

    @Test func `ends a stream when both have closed, or at once by a status`() throws {
        var pair = Pair()
        _ = try pair.settle()
        let stream = try pair.client.open("A.B", .normal)
        pair.client.send([1], on: stream)
        pair.client.close(stream, .ok)
        let events = try pair.settle()
        #expect(events.server == [.opened(stream, method: "A.B"), .message(stream, [1]), .closed(stream, .ok)])
        pair.server.send([2], on: stream)
        pair.server.close(stream, .ok)
        #expect(try pair.settle().client == [.message(stream, [2]), .closed(stream, .ok)])

        let other = try pair.client.open("A.B", .normal)
        pair.client.close(other, .ok)
        _ = try pair.settle()
        // A side that has finished may still take the stream back.
        pair.client.close(other, LinkStatus(.cancelled, "never mind"))
        #expect(try pair.settle().server == [.closed(other, LinkStatus(.cancelled, "never mind"))])
        // What the other side had on the way is no mistake.
        pair.server.send([3], on: other)
        #expect(try pair.settle().client.isEmpty)
    }

    @Test func `counts the streams of each side against the other's limit`() throws {
        var pair = Pair { $0.streamsMax = 2 }
        _ = try pair.settle()
        let first = try pair.client.open("A.B", .normal)
        _ = try pair.client.open("A.B", .normal)
        #expect(throws: LinkError.self) { try pair.client.open("A.B", .normal) }
        pair.client.close(first, LinkStatus(.cancelled))
        _ = try pair.client.open("A.B", .normal)
        #expect(try pair.settle().server.count == 4)
    }

    @Test func `asks for signs of life, and gives up without any`() throws {
        var pair = Pair { $0.silenceMax = .seconds(30) }
        _ = try pair.settle()
        let start = pair.now
        #expect(pair.client.deadline == start.advanced(by: .seconds(10)))
        pair.now = start.advanced(by: .seconds(10))
        try pair.client.tick(at: pair.now)
        _ = try pair.settle()
        #expect(pair.client.deadline == start.advanced(by: .seconds(20)))
        try pair.client.tick(at: start.advanced(by: .seconds(39)))
        #expect(throws: LinkError.lost("nothing was heard from the other side for 30 s")) {
            try pair.client.tick(at: start.advanced(by: .seconds(40)))
        }
    }

    @Test func `takes fields of later versions, and any bytes without harm`() throws {
        var pair = Pair()
        _ = try pair.settle()
        var events: [LinkEngine.Event] = []
        // Field 15 of Frame, of three wire types.
        let later: [UInt8] = [0, 0, 0, 8, 0x78, 5, 0x7a, 1, 0, 0x1a, 0, 0x78] + [0]
        #expect(throws: LinkError.self) {
            try later.withUnsafeBytes { raw in try pair.server.receive(raw, at: pair.now, &events) }
        }
        for seed in UInt64(0)..<3000 {
            var random = SplitMix64(seed: seed)
            var pair = Pair()
            _ = try pair.settle()
            var bytes = (0..<Int.random(in: 0..<60, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            bytes = [0, 0, 0, UInt8(bytes.count)] + bytes
            // Some are refused; what counts is that none crashes and none is taken for a message.
            _ = try? bytes.withUnsafeBytes { raw in try pair.server.receive(raw, at: pair.now, &events) }
        }
        #expect(!events.contains { if case .message = $0 { true } else { false } })
    }

    /// The first bytes that a peer of another version sends, as protobuf's own library wrote them from the protocol file of that
    /// version; that of the later one has a field 99 in the frame and in the hello.
    static let hellos: [(version: String, hex: String)] = [
        ("1.0", "00000020121e08011a0573686561662080804028b0ea01308002388080f49e9b9d84bd18"),
        ("1.2", "000000281223080110021a0573686561662080804028b0ea01308002388080f49e9b9d84bd18980605980605"),
        ("2.0", "00000020121e08021a0573686561662080804028b0ea01308002388080f49e9b9d84bd18"),
        ("0.0", "0000001e121c1a0573686561662080804028b0ea01308002388080f49e9b9d84bd18"),
    ]

    private static func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.utf8.map { $0 < 0x3A ? $0 - 0x30 : $0 - 0x57 }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    /// From the side that connects and from the one that accepts: an older agent, an older coordinator, later ones.
    @Test(arguments: [true, false]) func `greets one minor version before and after its own, and no other major`(
        connects: Bool
    ) {
        #expect(LinkEngine.major == 1 && LinkEngine.minor == 1, "keep a hello of the version before this one")
        for (version, hex) in Self.hellos {
            var engine = LinkEngine(connects: connects, settings: LinkSettings(), at: .seconds(1))
            var events: [LinkEngine.Event] = []
            do {
                let hello = Self.bytes(hex)
                try hello.withUnsafeBytes { raw in try engine.receive(raw, at: .seconds(1), &events) }
                #expect(version.hasPrefix("1.") && events == [.ready], "\(version): \(events)")
                #expect(engine.peerClock == .seconds(1_763_740_800), "\(version)")
                #expect(throws: Never.self) { _ = try engine.open("Agents.Work", .control) }
            } catch {
                #expect(!version.hasPrefix("1.") && "\(error)".contains("update the older"), "\(version): \(error)")
            }
        }
    }
}
