import Model
import Scheduling

/// A coordinator that starts anew is what the one before it was, as far as that was stored.
extension World {
    /// Holds the farm that was just restored against the one that ended, as it was when it gave the store the last commit: both
    /// without any agent, and with everything done that follows by itself.
    ///
    /// Only whether a cell that goes on is called waiting or running may differ: an offer that was declined is not remembered.
    func compareWithStored() throws(Violation) {
        guard let (stored, storedAt) = deciderStored, let before = settled(stored, at: storedAt),
            let after = settled(decider, at: now)
        else { return }
        for run in checker.runs.keys.sorted() where checker.runs[run]?.isEnded == false {
            try compare(
                before.progress(of: run).map { "\($0.map { $0.map(Self.essence) })" }.map { [$0] },
                after.progress(of: run).map { "\($0.map { $0.map(Self.essence) })" }.map { [$0] })
            try compare(before.standing(of: run, at: now), after.standing(of: run, at: now))
            try compareClocks(run, before, after)
        }
    }

    private static func essence(_ cell: Farm.CellProgress) -> Farm.CellProgress {
        var cell = cell
        if cell.state == .running { cell.state = .waiting }
        return cell
    }

    /// - Returns: `nil` where something was due that makes it another farm.
    private func settled(_ decider: Decider, at time: Instant) -> Decider? {
        var decider = decider
        var effects: [Farm.Effect] = []
        for agent in agents { decider.handle(.agentDisconnected(agent.id), at: time, into: &effects) }
        var isDone = false
        while !isDone {
            var more: [Farm.Effect] = []
            decider.handle(.resume, at: time, into: &more)
            isDone = !more.contains(.continueLater)
            effects += more
        }
        let isAnother = effects.contains { effect in
            switch effect {
            case .attemptEnded, .offerWithdrawn, .leased: true
            case .settled(_, _, _, let cause): cause.kind == .queueTimeout
            case .renewed, .cancelAttempt, .forgetAttempt, .offerRecalled, .attemptStarted, .cellSharded, .cellEnded,
                .groupWanted,
                .jobReady,
                .jobEnded, .deadlineReached, .runEnded, .wake, .continueLater:
                false
            }
        }
        return isAnother ? nil : decider
    }

    private func compare(_ before: [String]?, _ after: [String]?) throws(Violation) {
        guard before != after else { return }
        let (before, after) = (before ?? [], after ?? [])
        let place = zip(before, after).prefix { $0 == $1 }.count
        let line = { (lines: [String]) in place < lines.count ? lines[place] : "nothing" }
        throw Violation(rule: .restored, detail: "\(line(before)) became \(line(after))", at: now)
    }

    /// How long a shard could have been leased is not stored. It has no less left than it had, save that so much is left in any
    /// case; and never more than all.
    private func compareClocks(_ run: RunID, _ before: Decider, _ after: Decider) throws(Violation) {
        for (job, state) in (checker.runs[run]?.jobs ?? []).enumerated() {
            for cell in state.cells.indices {
                let id = CellID(run: run, job: job, cell: cell)
                guard let old = before.queueTimeLeft(of: id), let new = after.queueTimeLeft(of: id) else { continue }
                let timeout = state.cells[cell].planned.queueTimeout
                guard new > timeout || new < min(old, after.queueTimeLeftMin(of: timeout)) else { continue }
                throw Violation(
                    rule: .restored,
                    detail: "\(id): of \(timeout.spelled) in the queue \(old.spelled) were left, now \(new.spelled)",
                    at: now)
            }
        }
    }
}
