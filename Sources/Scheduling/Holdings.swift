package import Model

/// What an agent holds: attempts that it works on, and those whose report it keeps until the farm has it. Decides what an agent
/// does about them, by `Lives.held`; performs nothing.
///
/// An attempt is stopped only when its lease has ended by the agent's own clock, and then before the farm may give it to
/// another. So time counts from a moment that certainly was before the farm's: what a heartbeat renews, from when that heartbeat
/// left; an offer, from when the last message left that the farm had heard before the offer came.
package struct Holdings: Sendable {
    package enum Event: Equatable, Sendable {
        /// - behind: it begins when that attempt has ended; `nil`, or one that is not worked on: at once.
        case offered(AttemptID, lease: Duration, behind: AttemptID? = nil)
        /// The answer to a heartbeat, by its number; 0 from a farm that knows no numbers.
        case renewed([AttemptID], lease: Duration, beat: UInt64)
        case cancelled(AttemptID)
        /// The farm wants it back, unless it has begun.
        case recalled(AttemptID)
        /// The farm has no use for it.
        case forgotten(AttemptID)
        /// The farm has its report.
        case stored(AttemptID)
        /// Its processes are gone.
        ///
        /// - isFault: it failed by the agent's own fault: nothing else begins in its place.
        case ended(AttemptID, isFault: Bool = false)
        /// It was to begin, and cannot.
        case refused(AttemptID, String)
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
        /// It does not begin here; why, in words.
        case decline(AttemptID, String)
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
        case waiting(until: Instant, behind: AttemptID)
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
    package func isWaiting(_ attempt: AttemptID) -> Bool {
        if case .waiting? = states[attempt] { true } else { false }
    }
    /// Attempts that wait for others, in order.
    package var waiting: [AttemptID] { states.keys.filter(isWaiting).sorted() }
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
        case .offered(let attempt, let lease, let behind):
            guard states[attempt] == nil else { return [] }
            let until = (heardAt ?? now).advanced(by: lease)
            guard until > now else {
                return [.decline(attempt, "the offer was longer on its way than its lease")]
            }
            if let behind, isInPlace(behind) {
                states[attempt] = .waiting(until: until, behind: behind)
                return [.wake(at: until)]
            }
            states[attempt] = .working(until: until)
            return [.begin(attempt), .wake(at: until)]
        case .renewed(let attempts, let lease, let beat):
            renew(attempts, lease, beat)
            return []
        case .cancelled(let attempt):
            if isWaiting(attempt) { return giveBack(attempt, "it was cancelled before it had begun") }
            return isWorking(on: attempt) ? [.stop(attempt)] : []
        case .recalled(let attempt):
            // One that never came, or came and went, certainly does not begin.
            guard states[attempt] == nil || isWaiting(attempt) else { return [] }
            return giveBack(attempt, "the farm has taken it back")
        case .forgotten(let attempt):
            switch states[attempt] {
            case .waiting:
                states[attempt] = nil
                return [.drop(attempt)]
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
        case .ended(let attempt, let isFault):
            switch states[attempt] {
            case .working:
                states[attempt] = .reporting
                return follow(attempt, isFault: isFault) + [.report(attempt)]
            case .ending:
                states[attempt] = nil
                return follow(attempt, isFault: isFault) + [.drop(attempt)]
            case .waiting, .reporting, nil: return []
            }
        case .refused(let attempt, let why): return isWorking(on: attempt) ? giveBack(attempt, why) : []
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

    /// Whether something that waits behind it has to go on waiting.
    private func isInPlace(_ attempt: AttemptID) -> Bool {
        switch states[attempt] {
        case .waiting, .working, .ending: true
        case .reporting, nil: false
        }
    }

    private mutating func giveBack(_ attempt: AttemptID, _ why: String) -> [Effect] {
        states[attempt] = nil
        // Should anything wait behind it, what it waited for is no longer to come.
        return [.decline(attempt, why)] + follow(attempt, isFault: false)
    }

    /// What becomes of what waits behind an attempt that is over.
    private mutating func follow(_ attempt: AttemptID, isFault: Bool) -> [Effect] {
        var effects: [Effect] = []
        for next in waiting {
            guard case .waiting(let until, attempt)? = states[next] else { continue }
            if isFault {
                effects += giveBack(next, "the attempt before it failed by a fault of this agent")
            } else {
                states[next] = .working(until: until)
                effects.append(.begin(next))
            }
        }
        return effects
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
        for attempt in attempts where beat.holds.contains(attempt) {
            switch states[attempt] {
            case .waiting(_, let behind): states[attempt] = .waiting(until: until, behind: behind)
            case .working: states[attempt] = .working(until: until)
            case .ending, .reporting, nil: break
            }
        }
    }

    private mutating func endLeases(at now: Instant) -> [Effect] {
        var next: Instant?
        var effects: [Effect] = []
        for attempt in states.keys.sorted() {
            switch states[attempt] {
            case .waiting(let until, _) where until <= now:
                states[attempt] = nil
                effects.append(.drop(attempt))
            case .working(let until) where until <= now:
                states[attempt] = .ending
                effects.append(.abandon(attempt))
            case .waiting(let until, _), .working(let until): next = min(next ?? until, until)
            case .ending, .reporting, nil: break
            }
        }
        if let next { effects.append(.wake(at: next)) }
        return effects
    }
}
