import Model
import Wire

@testable import Transport

enum MessageFuzz {
    /// Those that outsiders send, and those that the store gives back.
    static func run(_ bytes: [UInt8]) throws(FuzzFinding) {
        guard let first = bytes.first else { return }
        let rest = Array(bytes.dropFirst())
        switch first % 20 {
        case 0: try check(Proto.Frame.self, rest)
        case 1: try check(Proto.EnrolRequest.self, rest)
        case 2: try check(Proto.SubmitRunRequest.self, rest)
        case 3: try check(Proto.WatchRequest.self, rest)
        case 4: try check(Proto.ReadLogRequest.self, rest)
        case 5: try check(Proto.FromAgent.self, rest)
        case 6: try check(Proto.ToAgent.self, rest)
        case 7: try check(Proto.AttemptReport.self, rest)
        case 8: try check(Proto.LogChunk.self, rest)
        case 9: try check(Proto.MissingRequest.self, rest)
        case 10: try check(Proto.PutPart.self, rest)
        case 11: try check(Proto.GetRequest.self, rest)
        case 12: try check(Proto.Manifest.self, rest)
        case 13: try check(Proto.Plan.self, rest)
        case 14: try check(Proto.PlannedJob.self, rest)
        case 15: try check(Proto.Capacity.self, rest)
        case 16: try check(Proto.CreateTokenRequest.self, rest)
        case 17: try check(Proto.RenderRequest.self, rest)
        case 18: try check(Proto.WatchEvent.self, rest)
        default: try check(Proto.EnrolResponse.self, rest)
        }
    }

    private static func check<Message: ProtoMessage>(
        _: Message.Type, _ bytes: [UInt8]
    ) throws(FuzzFinding) {
        let message: Message
        do throws(ProtoError) {
            message = try Message(decoding: bytes)
        } catch {
            try promise((0...bytes.count).contains(error.offset), "\(error) lies outside of \(bytes.count) bytes")
            return
        }
        let encoded = message.encoded()
        guard let again = try? Message(decoding: encoded) else {
            throw FuzzFinding("what was written as \(Message.protoName) is none")
        }
        try promise(again.encoded() == encoded, "written twice, a \(Message.protoName) differs")
        try meaning(of: message)
    }

    /// What the messages mean is read with the same care.
    private static func meaning(of message: some ProtoMessage) throws(FuzzFinding) {
        switch message {
        case let plan as Proto.Plan: _ = try? plan.meaning()
        case let job as Proto.PlannedJob: _ = try? job.meaning(among: 3)
        case let capacity as Proto.Capacity: _ = try? capacity.meaning()
        default: break
        }
    }
}

enum FrameFuzz {
    static func run(_ bytes: [UInt8]) throws(FuzzFinding) {
        guard let first = bytes.first else { return }
        let rest = Array(bytes.dropFirst())
        for greeted in [false, true] {
            for connects in [false, true] {
                let whole = try feed(rest, size: rest.count, connects: connects, greeted: greeted)
                let cut = try feed(rest, size: Int(first) % 31 + 1, connects: connects, greeted: greeted)
                try promise(whole == cut, "cut in pieces of \(Int(first) % 31 + 1), it says something else")
            }
        }
    }

    /// What one side learns, and whether the link broke.
    private struct Outcome: Equatable {
        var events: [LinkEngine.Event] = []
        var isBroken = false
    }

    private static func feed(
        _ bytes: [UInt8], size: Int, connects: Bool, greeted: Bool
    ) throws(FuzzFinding) -> Outcome {
        var settings = LinkSettings()
        settings.creditBytes = 64 << 10
        settings.streamsMax = 4
        settings.messageBytesMax = 128 << 10
        let now = Instant.seconds(1)
        var engine = LinkEngine(connects: connects, settings: settings, at: now)
        var outcome = Outcome()
        var input = bytes
        if greeted {
            var peer = LinkEngine(connects: !connects, settings: settings, at: now)
            var hello: [UInt8] = []
            peer.pull(into: &hello)
            input = hello + bytes
        }
        var start = 0
        var sent: [UInt8] = []
        while start < input.count {
            let piece = Array(input[start..<min(input.count, start + max(1, size))])
            start += piece.count
            do {
                try piece.withUnsafeBytes { raw in try engine.receive(raw, at: now, &outcome.events) }
            } catch {
                outcome.isBroken = true
                return outcome
            }
        }
        engine.pull(into: &sent)
        try promise(sent.count <= (1 << 20) + 64 * bytes.count, "\(bytes.count) bytes are answered with \(sent.count)")
        for event in outcome.events {
            if case .message(_, let message) = event {
                try promise(message.count <= settings.messageBytesMax, "a message of \(message.count) bytes")
            }
        }
        return outcome
    }
}

enum TokenFuzz {
    static func run(_ bytes: [UInt8]) throws(FuzzFinding) {
        let text = String(decoding: bytes, as: UTF8.self)
        if let token = try? EnrolmentToken(fileText: text) {
            guard let again = try? EnrolmentToken(fileText: token.fileText) else {
                throw FuzzFinding("a token file that was written cannot be read")
            }
            try promise(again.fileText == token.fileText, "a token file that was written twice differs")
        }
        if let address = try? Address(text) {
            guard let again = try? Address("\(address)") else { throw FuzzFinding("\(address) is no address") }
            try promise(again == address, "\(address) is another address when it is written")
        }
        _ = try? Address(text, defaultPort: 7443)
    }
}
