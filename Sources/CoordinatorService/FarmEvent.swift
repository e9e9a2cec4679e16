import Locks
package import Model
import Transport

/// What an operator would want to have seen: who came and went, who was let in and who was not, what runs came to.
package enum FarmEvent: Equatable, Sendable, CustomStringConvertible {
    /// At a start.
    case tookUp(runs: Int)
    case agentJoined(String, Capacity)
    case agentLeft(String)
    case enrolled(Principal)
    case enrolmentRefused(String)
    /// Connections that were not let in since this was last told, and why the last of them was not.
    case refused(Int, String)
    case ended(RunID, Verdict)

    package var description: String {
        switch self {
        case .tookUp(let runs): "\(Spelling.counted(runs, "open run")) taken up"
        case .agentJoined(let name, let capacity):
            "agent \(name) joined: \(Spelling.counted(capacity.cpus, "core")), \(capacity.memory)"
                + (capacity.gpus.isEmpty ? "" : ", \(Spelling.counted(capacity.gpus.count, "GPU"))")
        case .agentLeft(let name): "agent \(name) is away; its leases run on until nobody renews them"
        case .enrolled(let principal): "\(principal.title) enrolled"
        case .enrolmentRefused(let why): "an enrolment was refused: \(why)"
        case .refused(let count, let why):
            count == 1
                ? "a connection was refused: \(why)" : "\(count) connections were refused, the last for this: \(why)"
        case .ended(let run, let verdict): "\(run) ended: \(verdict.rawValue)"
        }
    }
}

/// Tells what happens on a farm. Strangers can knock as often as they like: of them it tells at most once a minute.
final class FarmJournal: Sendable {
    private static let pause = Duration.seconds(60)

    private let now: @Sendable () -> Instant
    private let say: @Sendable (FarmEvent) -> Void
    private let strangers = Mutex((refused: 0, told: Instant?.none))

    init(now: @escaping @Sendable () -> Instant, say: @escaping @Sendable (FarmEvent) -> Void) {
        self.now = now
        self.say = say
    }

    func tell(_ event: FarmEvent) { say(event) }

    func refused(_ error: LinkError) { strange { .refused($0, Self.cut("\(error)")) } }
    func enrolmentRefused(_ status: LinkStatus) { strange { _ in .enrolmentRefused(Self.cut(status.text)) } }

    private func strange(_ event: (Int) -> FarmEvent) {
        let now = now()
        let count = strangers.withLock { strangers -> Int? in
            strangers.refused += 1
            if let told = strangers.told, told.duration(to: now) < Self.pause { return nil }
            defer { strangers = (0, now) }
            return strangers.refused
        }
        if let count { say(event(count)) }
    }

    private static func cut(_ text: String) -> String { String(text.prefix(300)) }
}
