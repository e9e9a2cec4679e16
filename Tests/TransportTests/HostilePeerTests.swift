import Foundation
import Locks
import Model
import Testing

import struct Synchronization.Atomic

@testable import Transport

/// A frame with this body.
private func frame(_ body: [UInt8]) -> [UInt8] {
    (0..<4).reversed().map { UInt8(truncatingIfNeeded: body.count >> ($0 * 8)) } + body
}

/// `Frame { hello: … }` as any client in any language would write it, with a credit of 64 KiB.
private let hello = frame([0x12, 0x0b, 0x08, 1, 0x20, 0x80, 0x80, 0x04, 0x28, 0xe8, 0x07, 0x30, 0x10])

/// `Frame { stream: 1, open: { method: "Test.Idle" } }`, which reads nothing.
private let openOne = frame([0x08, 1, 0x2a, 11, 0x0a, 9] + Array("Test.Idle".utf8))

@Suite struct `A server survives` {
    @Test func `peers that send what is no TLS`() async throws {
        let farm = try TestFarm()
        let server = try await farm.serve()
        let good = try await farm.connect(to: server)
        let address = server.addresses[0]
        var random = SplitMix64(seed: 3)
        let noises: [[UInt8]] = (0..<20).map { index in
            (0..<(1 << (index % 12))).map { _ in UInt8.random(in: 0...255, using: &random) }
        }
        let texts = ["GET / HTTP/1.1\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}\u{0}", "SSH-2.0-x\r\n"].map { Array($0.utf8) }
        for noise in noises + texts {
            try await onThread {
                let peer = try RawPeer(to: address)
                peer.send(noise)
                peer.endSending()
                _ = peer.readToEnd()
            }
        }
        #expect(try await good.call("Test.Echo", [1]) == [1])
        await server.stop()
    }

    /// What a peer with a valid certificate may do wrong, and what the server says about it.
    @Test func `peers that break the protocol`() async throws {
        let farm = try TestFarm()
        let ended = Log()
        let server = try await farm.serve(
            observer: .init(disconnected: { ended.add("\($1)") }, refused: { ended.add("\($0)") }))
        let good = try await farm.connect(to: server)
        let data = frame([0x08, 1, 0x32, 3, 0x0a, 1, 7])
        let much = frame([0x08, 1, 0x32, 0x84, 0xfa, 1, 0x0a, 0x80, 0xfa, 1] + [UInt8](repeating: 0, count: 32_000))
        let cases: [(name: String, bytes: [UInt8], expected: String)] = [
            ("a frame beyond 64 KiB", [0, 1, 0, 1], "a frame of 65537 bytes; they have 1 to 65536"),
            ("an empty frame", [0, 0, 0, 0], "a frame of 0 bytes"),
            ("a frame of noise", frame([0xff, 0xff, 0xff]), "a frame that is no message of the protocol"),
            ("a field that ends outside", frame([0x12, 9, 1]), "a frame that is no message of the protocol"),
            ("anything before hello", openOne, "its first frame is no hello"),
            ("another version", frame([0x12, 2, 0x08, 9]), "it speaks version 9 of the protocol"),
            ("a hello without limits", frame([0x12, 2, 0x08, 1]), "its hello is out of limits"),
            ("a second hello", hello + hello, "a second hello"),
            (
                "a stream of our side", hello + frame([0x08, 2, 0x2a, 3, 0x0a, 1, 65]),
                "it opens stream 2, which it may not"
            ),
            ("a stream opened twice", hello + openOne + openOne, "it opens stream 1, which it may not"),
            ("a stream without a method", hello + frame([0x08, 1, 0x2a, 0]), "it opens an unnamed stream"),
            ("data without a stream", hello + data, "data on stream 1, which is not open"),
            (
                "credit that was not spent", hello + openOne + frame([0x08, 1, 0x3a, 2, 0x08, 9]),
                "credit for bytes that were not sent"
            ),
            ("a close of nothing", hello + frame([0x08, 1, 0x42, 0]), "it closes stream 1, which is not open"),
            (
                "two closes", hello + openOne + frame([0x08, 1, 0x42, 0]) + frame([0x08, 1, 0x42, 0]),
                "it closes stream 1 twice"
            ),
            (
                "a ping on a stream", hello + frame([0x08, 1, 0x1a, 2, 0x08, 9]),
                "a frame of the connection on stream 1"
            ),
            (
                "more than its credit", hello + openOne + (0..<40).flatMap { _ in much },
                "data on stream 1 beyond its credit"
            ),
        ]
        let address = server.addresses[0]
        for (name, bytes, expected) in cases {
            let before = ended.count
            let answer = try await onThread {
                let peer = try TLSPeer(to: address, as: farm.agent, trusting: farm.authority.certificate)
                // The server may have closed before all was sent.
                try? peer.send(bytes)
                peer.endSending()
                return String(decoding: peer.readToEnd(), as: UTF8.self)
            }
            let reason = await ended.entry(before)
            #expect(reason.contains(expected), "\(name): \(reason)")
            #expect(answer.contains(expected), "\(name) was not told")
        }
        #expect(try await good.call("Test.Echo", [1]) == [1])
        await server.stop()
    }

    @Test func `peers that stop in the middle of a frame, or of nothing`() async throws {
        let farm = try TestFarm()
        let ended = Log()
        let server = try await farm.serve(
            observer: .init(disconnected: { ended.add("\($1)") }, refused: { ended.add("\($0)") }))
        let address = server.addresses[0]
        for (index, count) in [0, 1, 4, hello.count, hello.count + 7].enumerated() {
            try await onThread {
                let peer = try TLSPeer(to: address, as: farm.agent, trusting: farm.authority.certificate)
                try peer.send(Array((hello + openOne)[..<count]))
                peer.vanish()
            }
            #expect(await ended.entry(index).contains("the connection was lost"))
        }
        await server.stop()
    }

    @Test func `a peer that never finishes the handshake, nor says hello`() async throws {
        let farm = try TestFarm()
        let ended = Log()
        var settings = LinkServerSettings.patient
        settings.link.handshakeMax = .milliseconds(40)
        let server = try await farm.serve(settings: settings, observer: .init(refused: { ended.add("\($0)") }))
        let address = server.addresses[0]
        // Each waits until the server closes, however little it sends.
        let answered = try await onThread {
            let slow = try RawPeer(to: address)
            slow.send([0x16])
            let mute = try RawPeer(to: address)
            return slow.readToEnd() + mute.readToEnd()
        }
        #expect(answered == 0)
        #expect(await ended.entry(1).contains("did not finish the handshake in time"))
        await server.stop()

        // On a busy machine the handshake alone may take longer; then the next try gets more.
        for milliseconds in [50, 500, 5000] {
            settings.link.handshakeMax = .milliseconds(milliseconds)
            let other = Log()
            let server = try await farm.serve(settings: settings, observer: .init(refused: { other.add("\($0)") }))
            let address = server.addresses[0]
            // A failed handshake is answered by the next round.
            _ = try? await onThread {
                try TLSPeer(to: address, as: farm.agent, trusting: farm.authority.certificate).readToEnd()
            }
            let reason = await other.entry(0)
            await server.stop()
            guard !reason.contains("handshake") else { continue }
            #expect(reason == "the peer's hello did not come in time")
            return
        }
        Issue.record("no handshake was ever finished")
    }

    @Test func `a peer that falls silent`() async throws {
        let farm = try TestFarm()
        let ended = Log()
        var settings = LinkServerSettings.patient
        settings.link.silenceMax = .seconds(1)
        let server = try await farm.serve(settings: settings, observer: .init(disconnected: { ended.add("\($1)") }))
        let address = server.addresses[0]
        let heard = try await onThread {
            let peer = try TLSPeer(to: address, as: farm.agent, trusting: farm.authority.certificate)
            try peer.send(hello)
            return peer.readToEnd()
        }
        #expect(await ended.entry(0).contains("nothing was heard from the other side for 1 s"))
        // It was asked for a sign of life before.
        #expect(heard.contains(subsequence: [0, 0, 0, 4, 0x1a, 2, 0x08, 1]))
        await server.stop()
    }

    @Test func `a peer that asks for answers and reads none`() async throws {
        let farm = try TestFarm()
        let ended = Log()
        let server = try await farm.serve(observer: .init(disconnected: { ended.add("\($1)") }))
        let address = server.addresses[0]
        let pings = (0..<4000).flatMap { _ in frame([0x1a, 2, 0x08, 1]) }
        try await onThread {
            let peer = try TLSPeer(to: address, as: farm.agent, trusting: farm.authority.certificate)
            try peer.send(hello)
            while (try? peer.send(pings)) != nil {}
        }
        let reason = await ended.entry(0)
        #expect(reason.contains("asks for answers and does not read them") || reason.contains("lost"), "\(reason)")
        await server.stop()
    }

    /// Ten thousand of them meet a real coordinator in `A farm that is given nonsense`. Here there are few unless in a run of their
    /// own: Foundation's `Process`, by which other tests start programs, reads beyond its buffer of `/proc/self/fd` where a
    /// process has a thousand descriptors, and ends it now and then.
    @Test func `very many strangers, while it serves`() async throws {
        let count = ProcessInfo.processInfo.environment["SHEAF_DEEP"] == "1" ? 10_000 : 300
        raiseDescriptorLimit()
        let farm = try TestFarm()
        let server = try await farm.serve()
        let link = try await farm.connect(to: server)
        let address = server.addresses[0]
        let isOver = Atomic(false)
        async let strangers: Int = onThread {
            // Every third says nothing, every third noise, every third the beginning of a handshake. None leaves.
            var peers: [RawPeer] = []
            for index in 0..<count {
                let peer = try RawPeer(to: address)
                if index % 3 == 1 { peer.send([UInt8](repeating: UInt8(index & 0xff), count: 64)) }
                if index % 3 == 2 { peer.send([0x16, 3, 1, 2, 0, 1]) }
                peers.append(peer)
            }
            isOver.store(true, ordering: .relaxed)
            return peers.count
        }
        var calls = 0
        while !isOver.load(ordering: .relaxed) {
            #expect(try await link.call("Test.Echo", [1, 2]) == [1, 2])
            // Nor do they push out who comes among them.
            let among = try await farm.connect(to: server)
            #expect(try await among.call("Test.Echo", [4]) == [4])
            calls += 1
        }
        #expect(try await strangers == count)
        #expect(calls > 0)
        #expect(await server.strangerCount <= LinkServerSettings.standard.strangersMax)
        // And somebody new gets in.
        let late = try await farm.connect(to: server)
        #expect(try await late.call("Test.Echo", [3]) == [3])
        await server.stop()
    }
}

@Suite struct `A client says` {
    @Test func `that nobody listens`() async throws {
        let farm = try TestFarm()
        // A port that is taken and not listened at: one that was let go may be another test's by now.
        let taken = try BoundSocket(backlog: nil)
        await #expect {
            try await Link.connect(to: taken.address, as: farm.agent, on: farm.loop)
        } throws: { "\($0)".contains("cannot be reached") && "\($0)".contains("Connection refused") }
    }

    @Test func `that a name is not known`() async throws {
        let farm = try TestFarm()
        await #expect {
            try await Link.connect(to: Address("nowhere.invalid:1"), as: farm.agent, on: farm.loop)
        } throws: { "\($0)".contains("the name nowhere.invalid is not known here") }
    }

    @Test func `that it was cancelled`() async throws {
        let farm = try TestFarm()
        // A listener that never answers: its backlog takes the connection.
        let listener = try BoundSocket(backlog: 8)
        let address = listener.address
        let connecting = Task {
            do throws(LinkError) {
                _ = try await Link.connect(to: address, as: farm.agent, on: farm.loop, settings: .patient)
                return LinkError?.none
            } catch {
                return error
            }
        }
        try await onThread { listener.waitForOne() }
        connecting.cancel()
        #expect(await connecting.value == .cancelled)
    }
}

/// Lines that are waited for by their number.
private final class Log: Sendable {
    private struct State {
        var lines: [String] = []
        var waiters: [Int: CheckedContinuation<String, Never>] = [:]
    }
    private let state = Mutex(State())

    var count: Int { state.withLock { $0.lines.count } }

    func add(_ line: String) {
        let waiter = state.withLock { state in
            state.lines.append(line)
            return state.waiters.removeValue(forKey: state.lines.count - 1)
        }
        waiter?.resume(returning: line)
    }

    func entry(_ index: Int) async -> String {
        await withCheckedContinuation { continuation in
            let line = state.withLock { state -> String? in
                if index < state.lines.count { return state.lines[index] }
                state.waiters[index] = continuation
                return nil
            }
            if let line { continuation.resume(returning: line) }
        }
    }
}

extension [UInt8] {
    fileprivate func contains(subsequence part: [UInt8]) -> Bool {
        indices.contains { self[$0...].starts(with: part) }
    }
}

private func raiseDescriptorLimit() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}

/// A port that is this test's for as long as it lives. With a backlog the kernel completes TCP's handshake, though nobody
/// accepts; without one it refuses.
private final class BoundSocket: Sendable {
    private let descriptor: CInt
    let address: Address

    init(backlog: CInt?) throws {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        self.descriptor = descriptor
        guard let place = Address(host: "127.0.0.1", port: 0).numeric()?.first,
            place.withPointer({ bind(descriptor, $0, $1) }) == 0,
            backlog.map({ listen(descriptor, $0) == 0 }) ?? true,
            let bound = SocketAddress.local(of: descriptor)
        else { throw SystemError(errno, during: "listen") }
        address = bound.address
    }

    deinit { close(descriptor) }

    /// Waits until somebody has connected.
    func waitForOne() {
        var poller = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        _ = poll(&poller, 1, -1)
    }
}
