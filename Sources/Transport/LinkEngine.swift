import Model

/// What a connection says and may hear, without the connection: hellos, streams, credit, heartbeats.
///
/// Pure: bytes and times go in, events and bytes come out. Bytes are pulled when the socket takes some, so that what is
/// urgent leaves first, however much else waits.
struct LinkEngine {
    enum Event: Equatable {
        /// The peer's hello came and fits.
        case ready
        case opened(UInt32, method: String)
        case message(UInt32, [UInt8])
        case closed(UInt32, LinkStatus)
        /// The peer is closing the connection.
        case dismissed(LinkStatus)
    }

    static let major: UInt32 = 1
    /// 0: heartbeats had no numbers, and runs were not delivered by the farm.
    static let minor: UInt32 = 1
    static let methodBytesMax = 100
    /// What a `pull` adds at most, about: one turn of a socket.
    static let pullBytesMax = 64 << 10
    /// Small enough that an urgent frame never waits long behind one, large enough to cost nothing.
    static let payloadBytesMax = 32 << 10
    /// Answers to pings, credit and refusals that a peer provokes and does not read.
    static let unsentControlBytesMax = 1 << 20

    private final class Stream {
        var urgency: Urgency
        /// Whole messages that wait to be sent, the first one sent up to `sentOfFirst`.
        var outgoing: [[UInt8]] = []
        var sentOfFirst = 0
        var unsent = 0
        /// What may still be sent before the peer gives more.
        var credit: Int
        /// Sent once everything before it has left.
        var lastWord: LinkStatus?
        var isQueued = false
        var closedHere = false
        var closedThere = false

        var incoming: [UInt8] = []
        /// Payload bytes received and not given back as credit.
        var held = 0
        /// Bytes of whole messages that their reader has not used yet.
        var unread = 0
        /// Credit that is due and has not been worth a frame yet.
        var due = 0

        init(urgency: Urgency, credit: Int) {
            self.urgency = urgency
            self.credit = credit
        }
    }

    private let connects: Bool
    private let creditBytes: Int
    private let messageBytesMax: Int
    private let streamsMax: Int
    private let silenceMax: Duration

    private var peerHello: LinkFrame.Hello?
    private var streams: [UInt32: Stream] = [:]
    private var nextNumber: UInt32
    private var lastFromPeer: UInt32 = 0
    private var openHere = 0
    private var openThere = 0
    private var control: [UInt8] = []
    /// Streams with something to send, by urgency, each in turn.
    private var queues: [[UInt32]] = [[], [], []]
    private var unparsed: [UInt8] = []
    private var heardAt: Instant
    private var pingedAt: Instant
    private var pings: UInt64 = 0
    private var isDismissed = false

    /// - Parameter wallClock: what the peer is told of this side's clock.
    init(connects: Bool, settings: LinkSettings, at now: Instant, wallClock: Instant = .epoch) {
        self.connects = connects
        creditBytes = min(max(settings.creditBytes, 64 << 10), 16 << 20)
        messageBytesMax = settings.messageBytesMax
        streamsMax = min(max(settings.streamsMax, 1), 65_536)
        silenceMax = min(max(settings.silenceMax, .seconds(1)), .seconds(600))
        nextNumber = connects ? 1 : 2
        heardAt = now
        pingedAt = now
        LinkFrame.Hello(
            major: Self.major, minor: Self.minor, software: settings.software, credit: UInt32(creditBytes),
            silenceMaxMilliseconds: UInt32(silenceMax.wholeNanoseconds / 1_000_000), streamsMax: UInt32(streamsMax),
            now: UInt64(clamping: wallClock.nanoseconds)
        ).append(to: &control)
    }

    /// The peer's clock when it said hello; `nil` when it does not tell.
    var peerClock: Instant? {
        peerHello.flatMap { $0.now == 0 ? nil : Instant(nanoseconds: Int64(clamping: $0.now)) }
    }

    // MARK: Streams

    mutating func open(_ method: String, _ urgency: Urgency) throws(LinkError) -> UInt32 {
        guard let peerHello else { throw .closed("the other side has not said hello yet") }
        precondition((1...Self.methodBytesMax).contains(method.utf8.count), "a method's name has 1 to 100 bytes")
        guard openHere < peerHello.streamsMax else {
            throw .exhausted("\(openHere) calls are open on this connection, as many as the other side allows")
        }
        guard nextNumber < UInt32.max - 2 else {
            throw .exhausted("this connection has used up its streams; connect again")
        }
        let number = nextNumber
        nextNumber += 2
        openHere += 1
        streams[number] = Stream(urgency: urgency, credit: Int(peerHello.credit))
        LinkFrame.appendOpen(number, method, urgency, to: &control)
        return number
    }

    mutating func send(_ message: [UInt8], on number: UInt32) {
        guard let stream = streams[number], !stream.closedHere else { return }
        stream.outgoing.append(message)
        stream.unsent += message.count
        queue(stream, number)
    }

    /// Ends this side of the stream after what was sent; with a status that is not OK, both sides, and at once.
    mutating func close(_ number: UInt32, _ status: LinkStatus) {
        guard let stream = streams[number] else { return }
        if status.code == .ok {
            guard !stream.closedHere else { return }
            stream.closedHere = true
            stream.lastWord = status
            queue(stream, number)
        } else {
            LinkFrame.appendClose(number, status, to: &control)
            forget(number)
        }
    }

    /// The reader has used so many bytes of whole messages.
    mutating func used(_ bytes: Int, on number: UInt32) {
        guard let stream = streams[number] else { return }
        stream.unread -= min(bytes, stream.unread)
        // What an unfinished message held while others waited before it is looked at again.
        giveBack(bytes, of: stream, number)
        relieve(stream, number)
    }

    func unsentBytes(on number: UInt32) -> Int { streams[number]?.unsent ?? 0 }

    mutating func dismiss(_ status: LinkStatus) {
        LinkFrame.appendGoAway(status, to: &control)
        isDismissed = true
    }

    // MARK: Sending

    mutating func pull(into output: inout [UInt8]) {
        if !control.isEmpty {
            output += control
            control.removeAll(keepingCapacity: control.count <= 4096)
        }
        guard !isDismissed else { return }
        for urgency in [Urgency.control, .normal, .bulk] {
            while output.count < Self.pullBytesMax, let number = queues[urgency.rawValue].first {
                queues[urgency.rawValue].removeFirst()
                sendOne(number, into: &output)
            }
        }
    }

    /// Puts one frame of the stream into the output, and the stream back into its queue if it has more to send.
    private mutating func sendOne(_ number: UInt32, into output: inout [UInt8]) {
        guard let stream = streams[number] else { return }
        stream.isQueued = false
        if let first = stream.outgoing.first {
            let left = first.count - stream.sentOfFirst
            let count = min(left, stream.credit, Self.payloadBytesMax)
            LinkFrame.appendData(
                number, first[stream.sentOfFirst..<stream.sentOfFirst + count], more: count < left, to: &output)
            stream.credit -= count
            stream.unsent -= count
            if count == left {
                stream.outgoing.removeFirst()
                stream.sentOfFirst = 0
            } else {
                stream.sentOfFirst += count
            }
        }
        if stream.outgoing.isEmpty, let status = stream.lastWord {
            LinkFrame.appendClose(number, status, to: &output)
            stream.lastWord = nil
            if stream.closedThere { return forget(number) }
        }
        queue(stream, number)
    }

    /// Queues the stream when it has something to send and may.
    private mutating func queue(_ stream: Stream, _ number: UInt32) {
        let hasData = stream.outgoing.first.map { $0.isEmpty || stream.credit > 0 } ?? (stream.lastWord != nil)
        if hasData, !stream.isQueued {
            stream.isQueued = true
            queues[stream.urgency.rawValue].append(number)
        }
    }

    private mutating func forget(_ number: UInt32) {
        guard streams.removeValue(forKey: number) != nil else { return }
        if isOurs(number) { openHere -= 1 } else { openThere -= 1 }
    }

    private func isOurs(_ number: UInt32) -> Bool { (number % 2 == 1) == connects }

    private mutating func giveBack(_ bytes: Int, of stream: Stream, _ number: UInt32) {
        let count = min(bytes, stream.held)
        stream.held -= count
        stream.due += count
        guard stream.due >= creditBytes / 4, !stream.closedThere else { return }
        LinkFrame.appendCredit(number, UInt32(stream.due), to: &control)
        stream.due = 0
    }

    /// A message that is longer than the credit would never become whole: its parts are given back as they come, as
    /// long as no whole message waits to be read before it.
    private mutating func relieve(_ stream: Stream, _ number: UInt32) {
        guard stream.unread == 0, stream.held > creditBytes / 2 else { return }
        giveBack(stream.held, of: stream, number)
    }

    // MARK: Receiving

    mutating func receive(
        _ bytes: UnsafeRawBufferPointer, at now: Instant, _ events: inout [Event]
    ) throws(LinkError) {
        heardAt = now
        unsafe unparsed.append(contentsOf: bytes)
        var start = 0
        defer { unparsed.removeFirst(start) }
        while unparsed.count - start >= 4 {
            let length = unparsed[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
            guard (1...Limits.frameBytesMax).contains(length) else {
                throw .broken("a frame of \(length) bytes; they have 1 to \(Limits.frameBytesMax)")
            }
            guard unparsed.count - start - 4 >= length else { return }
            let frame = try LinkFrame(unparsed[start + 4..<start + 4 + length])
            start += 4 + length
            try handle(frame, &events)
        }
        guard control.count <= Self.unsentControlBytesMax else {
            throw .broken("it asks for answers and does not read them")
        }
    }

    private mutating func handle(_ frame: LinkFrame, _ events: inout [Event]) throws(LinkError) {
        if peerHello == nil {
            // A refusal may come before anything else has been agreed on.
            guard case .hello(let hello) = frame.kind, frame.stream == 0 else {
                throw .broken("its first frame is no hello")
            }
            return try greet(hello, &events)
        }
        switch frame.kind {
        case .hello: throw .broken("a second hello")
        case .ping(let number):
            try expectConnection(frame)
            LinkFrame.appendPong(number, to: &control)
        case .pong: try expectConnection(frame)
        case .goAway(let status):
            try expectConnection(frame)
            events.append(.dismissed(status))
        case .open(let method, let urgency): try opened(frame.stream, method, urgency, &events)
        case .data(let payload, let more): try received(payload, more, on: frame.stream, &events)
        case .credit(let bytes): try credited(Int(bytes), on: frame.stream)
        case .close(let status): try closed(frame.stream, status, &events)
        case .unknown: break
        }
    }

    private func expectConnection(_ frame: LinkFrame) throws(LinkError) {
        guard frame.stream == 0 else { throw .broken("a frame of the connection on stream \(frame.stream)") }
    }

    private mutating func greet(_ hello: LinkFrame.Hello, _ events: inout [Event]) throws(LinkError) {
        guard hello.major == Self.major else {
            throw .broken(
                "it speaks version \(hello.major) of the protocol, and this side \(Self.major): update the older")
        }
        guard (65_536...16_777_216).contains(hello.credit), (1_000...600_000).contains(hello.silenceMaxMilliseconds),
            (1...65_536).contains(hello.streamsMax)
        else { throw .broken("its hello is out of limits") }
        peerHello = hello
        events.append(.ready)
    }

    private mutating func opened(
        _ number: UInt32, _ method: String, _ urgency: Urgency, _ events: inout [Event]
    ) throws(LinkError) {
        guard number != 0, !isOurs(number), number > lastFromPeer else {
            throw .broken("it opens stream \(number), which it may not")
        }
        guard (1...Self.methodBytesMax).contains(method.utf8.count) else { throw .broken("it opens an unnamed stream") }
        guard openThere < streamsMax else { throw .broken("it opens more than \(streamsMax) streams") }
        lastFromPeer = number
        openThere += 1
        streams[number] = Stream(urgency: urgency, credit: Int(peerHello?.credit ?? 0))
        events.append(.opened(number, method: method))
    }

    /// Whether the number was in use once: frames for it may be on the way when this side has forgotten it.
    private func isPast(_ number: UInt32) -> Bool {
        number != 0 && (isOurs(number) ? number < nextNumber : number <= lastFromPeer)
    }

    private mutating func received(
        _ payload: ArraySlice<UInt8>, _ more: Bool, on number: UInt32, _ events: inout [Event]
    ) throws(LinkError) {
        guard let stream = streams[number] else {
            guard isPast(number) else { throw .broken("data on stream \(number), which is not open") }
            return
        }
        guard !stream.closedThere else { throw .broken("data on stream \(number) after its close") }
        stream.held += payload.count
        guard stream.held + stream.due <= creditBytes else {
            throw .broken("data on stream \(number) beyond its credit")
        }
        guard stream.incoming.count + payload.count <= messageBytesMax else {
            let status = LinkStatus(.exhausted, "a message is longer than \(messageBytesMax) bytes")
            LinkFrame.appendClose(number, status, to: &control)
            forget(number)
            events.append(.closed(number, status))
            return
        }
        if more {
            stream.incoming += payload
            relieve(stream, number)
        } else {
            let message = stream.incoming.isEmpty ? Array(payload) : stream.incoming + payload
            stream.incoming = []
            stream.unread += message.count
            events.append(.message(number, message))
        }
    }

    private mutating func credited(_ bytes: Int, on number: UInt32) throws(LinkError) {
        guard let stream = streams[number] else {
            guard isPast(number) else { throw .broken("credit on stream \(number), which is not open") }
            return
        }
        stream.credit += bytes
        guard stream.credit <= Int(peerHello?.credit ?? 0) else { throw .broken("credit for bytes that were not sent") }
        queue(stream, number)
    }

    private mutating func closed(
        _ number: UInt32, _ status: LinkStatus, _ events: inout [Event]
    ) throws(LinkError) {
        guard let stream = streams[number] else {
            guard isPast(number) else { throw .broken("it closes stream \(number), which is not open") }
            return
        }
        // A side that has finished may still take the stream back.
        guard !stream.closedThere || status.code != .ok else { throw .broken("it closes stream \(number) twice") }
        guard status.code != .ok || stream.incoming.isEmpty else {
            throw .broken("it closes stream \(number) within a message")
        }
        events.append(.closed(number, status))
        stream.closedThere = true
        if status.code != .ok || (stream.closedHere && stream.lastWord == nil) {
            forget(number)
        }
    }

    // MARK: Heartbeats

    /// The shorter of the two sides' patience: the peer gives up after its own.
    private var patience: Duration {
        let peers = peerHello.map { Duration.milliseconds(Int64($0.silenceMaxMilliseconds)) } ?? silenceMax
        return min(peers, silenceMax)
    }

    /// When `tick` has something to do.
    var deadline: Instant? {
        min(pingedAt.advanced(by: patience / 3), heardAt.advanced(by: silenceMax))
    }

    mutating func tick(at now: Instant) throws(LinkError) {
        guard heardAt.duration(to: now) < silenceMax else {
            throw .lost("nothing was heard from the other side for \(Int(silenceMax.inSeconds)) s")
        }
        guard pingedAt.duration(to: now) >= patience / 3 else { return }
        pingedAt = now
        pings += 1
        LinkFrame.appendPing(pings, to: &control)
    }
}
