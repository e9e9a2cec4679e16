import Model

struct LinkEngine {
    enum Event {
        case ready
        case opened(UInt32, method: String)
        case message(UInt32, [UInt8])
        case closed(UInt32, LinkStatus)
        case dismissed(LinkStatus)
    }
    init(connects: Bool, settings: LinkSettings, at now: Instant) { fatalError() }
    mutating func receive(_ bytes: UnsafeRawBufferPointer, at now: Instant, _ events: inout [Event]) throws(LinkError) {
        fatalError()
    }
    mutating func open(_ method: String, _ urgency: Urgency) throws(LinkError) -> UInt32 { fatalError() }
    mutating func send(_ message: [UInt8], on stream: UInt32) { fatalError() }
    mutating func close(_ stream: UInt32, _ status: LinkStatus) { fatalError() }
    mutating func dismiss(_ status: LinkStatus) { fatalError() }
    mutating func used(_ bytes: Int, on stream: UInt32) { fatalError() }
    mutating func pull(into output: inout [UInt8]) { fatalError() }
    func unsentBytes(on stream: UInt32) -> Int { fatalError() }
    var deadline: Instant? { fatalError() }
    mutating func tick(at now: Instant) throws(LinkError) { fatalError() }
}
