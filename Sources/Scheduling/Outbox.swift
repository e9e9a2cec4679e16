package import Model

/// Brings about effects outside of the farm, each once, whatever dies in between.
///
/// An effect is intended in the same commit as the decision that wants it, under a key that is its name on the other side
/// too. That it is tried is stored before it is tried. So one that may have happened is known, and is searched for by its
/// key before it is tried again: `Lives.delivery` is the table.
///
/// What no search can see is a call that is still on its way. Nothing is searched for until such a call has come to
/// its deadline.
package struct Outbox: Sendable {
    package struct Settings: Sendable {
        /// How many are searched for or tried at one time.
        package var inFlightMax = 8
        /// When a call has ended for certain: what it has not done by then it never does.
        package var callMax = Duration.seconds(60)
        /// The pause after the first failure; it doubles with each.
        package var backoffFirst = Duration.seconds(5)
        package var backoffMax = Duration.seconds(600)
        /// One that has not happened by then is given up.
        package var giveUpAfter = Duration.seconds(3 * 86_400)
        package init() {}
    }

    package enum Event: Equatable, Sendable {
        /// Committed, now or by a process before this one.
        ///
        /// - tries: how often it may have happened.
        case intended(key: String, at: Instant, due: Instant, tries: Int)
        /// The answer to `search`; a receipt when it has happened.
        case searched(key: String, receipt: String?)
        /// The answer to `noteTry`: it is committed.
        case noted(key: String)
        /// The answer to `deliver`.
        case delivered(key: String, receipt: String)
        /// - mayHaveHappened: nobody knows whether it did; else it certainly did not.
        /// - notBefore: the other side asks for so much patience.
        case failed(key: String, reason: String, mayHaveHappened: Bool, notBefore: Instant? = nil)
        /// The other side never takes it.
        case refused(key: String, reason: String)
        case timeReached
    }

    package enum Effect: Equatable, Sendable {
        case search(key: String)
        /// To be committed; then `noted`.
        case noteTry(key: String)
        case deliver(key: String)
        /// To be committed.
        case postpone(key: String, until: Instant, reason: String)
        /// To be committed; without a receipt it is given up.
        case end(key: String, receipt: String?, reason: String)
        case wake(at: Instant)
    }

    private struct Item: Sendable {
        var state: Lives.DeliveryState
        let intendedAt: Instant
        var due: Instant
        var failures = 0
    }

    private let settings: Settings
    private var items: [String: Item] = [:]
    private var timers = TimeQueue<Instant, String>()
    private var inFlight = 0
    /// The rows of the table that were walked, for a test of it.
    package private(set) var walked: Set<Int> = []

    package init(settings: Settings = Settings()) { self.settings = settings }

    /// Those that have not ended.
    package var count: Int { items.count }

    package mutating func handle(_ event: Event, at now: Instant) -> [Effect] {
        var effects: [Effect] = []
        switch event {
        case .intended(let key, let at, let due, let tries):
            guard items[key] == nil else { return [] }
            // Times of a process before this one are another clock's, which may have been set since: what was never tried is
            // due, and no pause is longer than one of our own. A call may still be on its way.
            let pause = min(due, now.advanced(by: settings.backoffMax))
            let start = tries == 0 ? min(due, now) : max(pause, now.advanced(by: settings.callMax))
            items[key] = Item(state: tries == 0 ? .intended : .waiting, intendedAt: min(at, now), due: start)
            timers.add(key, at: start)
        case .searched(let key, let receipt):
            if let receipt {
                guard take(.found, key) else { return [] }
                end(key, receipt: receipt, reason: "", &effects)
            } else {
                guard take(.absent, key) else { return [] }
                effects.append(.noteTry(key: key))
            }
        case .noted(let key):
            guard take(.noted, key) else { return [] }
            effects.append(.deliver(key: key))
        case .delivered(let key, let receipt):
            guard take(.delivered, key) else { return [] }
            end(key, receipt: receipt, reason: "", &effects)
        case .failed(let key, let reason, let mayHaveHappened, let notBefore):
            fail(key, reason, mayHaveHappened, notBefore, at: now, &effects)
        case .refused(let key, let reason):
            guard take(.refused, key) else { return [] }
            end(key, receipt: nil, reason: reason, &effects)
        case .timeReached: break
        }
        start(at: now, &effects)
        return effects
    }

    /// Whether the table has a row for it. An answer that comes late or twice has none.
    private mutating func take(_ step: Lives.DeliveryStep, _ key: String) -> Bool {
        guard let item = items[key], let row = Lives.delivery.row(from: item.state, on: step) else { return false }
        walked.insert(row)
        items[key]?.state = Lives.delivery.rows[row].to
        return true
    }

    private mutating func end(_ key: String, receipt: String?, reason: String, _ effects: inout [Effect]) {
        items[key] = nil
        inFlight -= 1
        effects.append(.end(key: key, receipt: receipt, reason: reason))
    }

    private mutating func fail(
        _ key: String, _ reason: String, _ mayHaveHappened: Bool, _ notBefore: Instant?, at now: Instant,
        _ effects: inout [Effect]
    ) {
        guard let item = items[key] else { return }
        guard item.intendedAt.duration(to: now) < settings.giveUpAfter else {
            guard take(.failedForGood, key) else { return }
            return end(key, receipt: nil, reason: "given up: \(reason)", &effects)
        }
        guard take(.failed, key) else { return }
        inFlight -= 1
        // No shift beyond what a pause may be anyway.
        let pause = min(settings.backoffFirst * Int(1 << min(item.failures, 20)), settings.backoffMax)
        let until = max(
            now.advanced(by: mayHaveHappened ? max(pause, settings.callMax) : pause), notBefore ?? .epoch)
        items[key]?.failures += 1
        items[key]?.due = until
        timers.add(key, at: until)
        effects.append(.postpone(key: key, until: until, reason: reason))
    }

    /// Starts what is due, as far as there is room, and asks to be woken for the next.
    private mutating func start(at now: Instant, _ effects: inout [Effect]) {
        while inFlight < settings.inFlightMax, let key = timers.popDue(now) {
            guard let item = items[key], item.due <= now else { continue }
            let isFirst = item.state == .intended
            guard take(.due, key) else { continue }
            inFlight += 1
            effects.append(isFirst ? .noteTry(key: key) : .search(key: key))
        }
        guard inFlight < settings.inFlightMax, let next = timers.earliest else { return }
        effects.append(.wake(at: next.at))
    }
}
