package import Model

/// What an agent holds: attempts that it works on, and those whose report it keeps until the farm has it. Decides what an agent
/// does about them, by `Lives.held`; performs nothing.
///
/// An attempt is stopped only when its lease has ended by the agent's own clock, and then before the farm may give it to
/// another. So time counts from a moment that certainly was before the farm's: what a heartbeat renews, from when that heartbeat
/// left; an offer, from when the last message left that the farm had heard before the offer came.
package struct Holdings: Sendable {
    package enum Event: Equatable, Sendable {
        case offered(AttemptID, lease: Duration)
        /// The answer to a heartbeat, by its number; 0 from a farm that knows no numbers.
        case renewed([AttemptID], lease: Duration, beat: UInt64)
        case cancelled(AttemptID)
        /// The farm has no use for it.
        case forgotten(AttemptID)
        /// The farm has its report.
        case stored(AttemptID)
        /// Its processes are gone.
        case ended(AttemptID)
        /// An earlier life of the agent has left its report.
        case adopted(AttemptID)
        /// Anew, since the agent said what it holds: what was said on the connection before is not answered any more.
        ///
        /// - countsBeats: every heartbeat is answered by its number. From a farm that does not, an offer counts from when it comes.
        case connected(countsBeats: Bool)
        case timeReached
    }

    package enum Effect: Equatable, Sendable {
        case begin(AttemptID)
        /// The offer was on its way for longer than its lease.
        case decline(AttemptID)
        /// Ask it to end; what it comes to is reported.
        case stop(AttemptID)
        /// End it at once: somebody else may work on it, nobody wants to hear of it.
        case abandon(AttemptID)
        /// Tell the farm what it came to, until it has that.
        case report(AttemptID)
        /// Nothing of it is needed any more.
        case drop(AttemptID)
        case wake(at: Instant)
    }

    /// A heartbeat that has left.
    package struct Beat: Equatable, Sendable {
        package var number: UInt64
        package var holds: [AttemptID]

        package init(number: UInt64, holds: [AttemptID]) {
            self.number = number
            self.holds = holds
        }
    }

    private enum State: Sendable {
        case working(until: Instant)
        /// Abandoned; its processes are being ended.
        case ending
        case reporting
    }

    private struct SentBeat: Sendable {
        var number: UInt64
        var at: Instant
        var holds: Set<AttemptID>
    }

    private static let beatsMax = 100

    private var states: [AttemptID: State] = [:]
    /// Heartbeats that were not answered yet, the oldest first.
    private var beats: [SentBeat] = []
    private var nextBeat: UInt64 = 1
    /// When the last message left that the farm has heard; `nil` where it does not say.
    private var heardAt: Instant?

    package init() {}

    /// What the farm is told that the agent has, in order.
    package var holds: [AttemptID] {
        states.filter { if case .ending = $0.value { false } else { true } }.keys.sorted()
    }
    /// Attempts whose processes may run, for as long as their leases hold.
    package var working: [AttemptID] {
        states.filter { if case .working = $0.value { true } else { false } }.keys.sorted()
    }
    package var isEmpty: Bool { states.isEmpty }
    package func knows(_ attempt: AttemptID) -> Bool { states[attempt] != nil }
    package func isWorking(on attempt: AttemptID) -> Bool {
        if case .working? = states[attempt] { true } else { false }
    }
    package func isReporting(_ attempt: AttemptID) -> Bool {
        if case .reporting? = states[attempt] { true } else { false }
    }

    /// A heartbeat leaves now.
    package mutating func beat(at now: Instant) -> Beat {
        let beat = Beat(number: nextBeat, holds: holds)
        nextBeat += 1
        // Without holds it is answered only by its number.
        if !beat.holds.isEmpty || heardAt != nil {
            beats.append(SentBeat(number: beat.number, at: now, holds: Set(beat.holds)))
        }
        beats.removeFirst(max(0, beats.count - Self.beatsMax))
        return beat
    }

    /// Late, repeated and strange messages are normal on a network: they change nothing.
    package mutating func handle(_ event: Event, at now: Instant) -> [Effect] {
        switch event {
        case .offered(let attempt, let lease):
            guard states[attempt] == nil else { return [] }
            let until = (heardAt ?? now).advanced(by: lease)
            guard until > now else { return [.decline(attempt)] }
            states[attempt] = .working(until: until)
            return [.begin(attempt), .wake(at: until)]
        case .renewed(let attempts, let lease, let beat):
            renew(attempts, lease, beat)
            return []
        case .cancelled(let attempt): return isWorking(on: attempt) ? [.stop(attempt)] : []
        case .forgotten(let attempt):
            switch states[attempt] {
            case .working:
                states[attempt] = .ending
                return [.abandon(attempt)]
            case .reporting:
                states[attempt] = nil
                return [.drop(attempt)]
            case .ending, nil: return []
            }
        case .stored(let attempt):
            guard case .reporting? = states[attempt] else { return [] }
            states[attempt] = nil
            return [.drop(attempt)]
        case .ended(let attempt):
            switch states[attempt] {
            case .working:
                states[attempt] = .reporting
                return [.report(attempt)]
            case .ending:
                states[attempt] = nil
                return [.drop(attempt)]
            case .reporting, nil: return []
            }
        case .adopted(let attempt):
            guard states[attempt] == nil else { return [] }
            states[attempt] = .reporting
            return [.report(attempt)]
        case .connected(let countsBeats):
            beats = []
            heardAt = countsBeats ? now : nil
            return []
        case .timeReached: return endLeases(at: now)
        }
    }

    private mutating func renew(_ attempts: [AttemptID], _ lease: Duration, _ number: UInt64) {
        // One that was answered already, or names what no heartbeat named, renews nothing.
        let asked = beats.firstIndex { sent in
            number == 0 ? !attempts.isEmpty && sent.holds.isSuperset(of: attempts) : sent.number == number
        }
        guard let index = asked else { return }
        let beat = beats[index]
        beats.removeFirst(index + 1)
        if heardAt != nil { heardAt = beat.at }
        let until = beat.at.advanced(by: lease)
        for attempt in attempts where beat.holds.contains(attempt) && isWorking(on: attempt) {
            states[attempt] = .working(until: until)
        }
    }

    private mutating func endLeases(at now: Instant) -> [Effect] {
        var next: Instant?
        var effects: [Effect] = []
        for attempt in states.keys.sorted() {
            guard case .working(let until)? = states[attempt] else { continue }
            if until <= now {
                states[attempt] = .ending
                effects.append(.abandon(attempt))
            } else {
                next = min(next ?? until, until)
            }
        }
        if let next { effects.append(.wake(at: next)) }
        return effects
    }
}
