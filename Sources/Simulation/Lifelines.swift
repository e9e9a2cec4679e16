import Model
import Scheduling

/// Follows each thing of a world along the table of its life. A step without a row breaks the rule; rows that were walked
/// are counted, so that a test can see that there is none too many.
package struct Lifelines: Sendable {
    static let rule = Rule.lives

    private struct Line<Thing: Hashable & Sendable, State: LifeWord, Step: LifeWord>: Sendable {
        let life: Life<State, Step>
        var states: [Thing: State] = [:]
        var walked: Set<Int> = []
        let first: State

        init(_ life: Life<State, Step>, from first: State) {
            self.life = life
            self.first = first
        }

        mutating func take(_ step: Step, _ thing: Thing, at now: Instant) throws(Violation) {
            let state = states[thing] ?? first
            guard let row = life.row(from: state, on: step) else {
                throw Violation(
                    rule: Lifelines.rule, detail: "\(life.name) \(thing): \(state.rawValue), \(step.rawValue)", at: now)
            }
            walked.insert(row)
            states[thing] = life.rows[row].to == first ? nil : life.rows[row].to
        }
    }

    private struct JobName: Hashable, Sendable { var run: RunID, job: Int }
    private struct HeldName: Hashable, Sendable { var agent: AgentID, attempt: AttemptID }

    private var runs = Line<RunID, Lives.RunState, Lives.RunStep>(Lives.run, from: .unknown)
    private var jobs = Line<JobName, Lives.JobState, Lives.JobStep>(Lives.job, from: .waiting)
    private var cells = Line<CellID, Lives.CellState, Lives.CellStep>(Lives.cell, from: .waiting)
    private var shards = Line<ShardID, Lives.ShardState, Lives.ShardStep>(Lives.shard, from: .waiting)
    private var attempts = Line<AttemptID, Lives.AttemptState, Lives.AttemptStep>(Lives.attempt, from: .none)
    private var agents = Line<AgentID, Lives.AgentState, Lives.AgentStep>(Lives.agent, from: .unknown)
    private var held = Line<HeldName, Lives.HeldState, Lives.HeldStep>(Lives.held, from: .none)

    /// The rows that nothing has walked yet, in words.
    package var unwalked: [String] {
        func left<Thing, State, Step>(_ line: Line<Thing, State, Step>) -> [String] {
            line.life.rows.indices.filter { !line.walked.contains($0) }.map {
                "\(line.life.name): \(line.life.rows[$0].from.rawValue), \(line.life.rows[$0].step.rawValue)"
            }
        }
        return left(runs) + left(jobs) + left(cells) + left(shards) + left(attempts) + left(agents) + left(held)
    }

    package init() {}

    /// Adds the rows that another world walked.
    package mutating func join(_ other: Self) {
        runs.walked.formUnion(other.runs.walked)
        jobs.walked.formUnion(other.jobs.walked)
        cells.walked.formUnion(other.cells.walked)
        shards.walked.formUnion(other.shards.walked)
        attempts.walked.formUnion(other.attempts.walked)
        agents.walked.formUnion(other.agents.walked)
        held.walked.formUnion(other.held.walked)
    }

    /// - Parameter isNew: false for what was said before and changes nothing.
    mutating func follow(_ event: Farm.Event, isNew: Bool, at now: Instant) throws(Violation) {
        switch event {
        case .runSubmitted(let run, _, _, _):
            if isNew { try runs.take(.runSubmitted, run, at: now) }
        case .runRerun(let run, _, _, _, let kept):
            guard isNew else { return }
            try runs.take(.runSubmitted, run, at: now)
            for decision in kept { try follow(kept: decision, of: run, at: now) }
        case .runCancelled(let run, _, _, _):
            if isNew { try runs.take(.runCancelled, run, at: now) }
        case .jobResolved(let run, let job, let resolution):
            guard isNew else { return }
            let hasCells = if case .cells = resolution { true } else { false }
            try jobs.take(hasCells ? .jobResolved : .jobResolvedWithoutCells, JobName(run: run, job: job), at: now)
        case .agentJoined(let agent, _, _, _): try agents.take(.agentJoined, agent, at: now)
        case .agentDisconnected(let agent): try agents.take(.agentDisconnected, agent, at: now)
        case .agentDraining(let agent, let isDraining, _):
            try agents.take(isDraining ? .drain : .undrain, agent, at: now)
        case .agentRemoved(let agent): try agents.take(.agentRemoved, agent, at: now)
        case .agentPooled, .devicesLooked, .agentReleased, .leasesRenewed, .attemptStarted, .environmentEntered,
            .offerDeclined, .attemptFinished, .cellsReleased, .cellsStopped, .timeReached, .resume:
            break
        }
    }

    private mutating func follow(kept decision: Farm.Decision, of run: RunID, at now: Instant) throws(Violation) {
        switch decision {
        case .jobResolved(_, let job, _, _): try jobs.take(.kept, JobName(run: run, job: job), at: now)
        case .cellSharded(let cell, _, _): try cells.take(.cellSharded, cell, at: now)
        case .settled(let cell, let range, _, _):
            for shard in range { try shards.take(.kept, ShardID(cell: cell, shard: shard), at: now) }
        case .cellEnded(let cell, _): try cells.take(.cellEnded, cell, at: now)
        case .jobEnded(_, let job, _): try jobs.take(.jobEnded, JobName(run: run, job: job), at: now)
        case .runSubmitted, .runCancelled, .cellStopped, .leased, .attemptEnded, .attemptTook, .used, .agentDraining,
            .lived:
            throw Violation(rule: Self.rule, detail: "\(run) keeps what nobody may keep: \(decision)", at: now)
        }
    }

    mutating func followRestart(at now: Instant) throws(Violation) {
        for agent in agents.states.keys.sorted() { try agents.take(.restart, agent, at: now) }
    }

    mutating func follow(_ effect: Farm.Effect, at now: Instant) throws(Violation) {
        switch effect {
        case .leased(let lease):
            try shards.take(lease.beside == nil ? .leased : .leasedBeside, lease.attempt.shard, at: now)
            try attempts.take(.leased, lease.attempt, at: now)
        case .cancelAttempt(let attempt, _, _): try attempts.take(.cancelAttempt, attempt, at: now)
        case .attemptStarted(let attempt, _): try attempts.take(.attemptStarted, attempt, at: now)
        case .attemptEnded(let attempt, _, let retryAt, _):
            let isOneOfTwo = shards.states[attempt.shard] == .doubled
            try shards.take(
                retryAt != nil ? .attemptEndedToRetry : isOneOfTwo ? .attemptEndedBeside : .attemptEnded,
                attempt.shard, at: now)
            try attempts.take(.attemptEnded, attempt, at: now)
        case .offerWithdrawn(let attempt):
            try shards.take(.offerWithdrawn, attempt.shard, at: now)
            try attempts.take(.offerWithdrawn, attempt, at: now)
        case .cellSharded(let cell, _, _):
            let listing = ShardID(cell: cell, shard: ShardID.listing)
            if shards.states[listing] != nil { try shards.take(.cellSharded, listing, at: now) }
            try cells.take(.cellSharded, cell, at: now)
        case .settled(let cell, let range, let attempt, _):
            for shard in range {
                try shards.take(
                    attempt == 0 ? .settledWithoutAttempt : .settled, ShardID(cell: cell, shard: shard), at: now)
            }
        case .cellEnded(let cell, _): try cells.take(.cellEnded, cell, at: now)
        case .jobReady(let run, let job): try jobs.take(.jobReady, JobName(run: run, job: job), at: now)
        case .jobEnded(let run, let job, _, _): try jobs.take(.jobEnded, JobName(run: run, job: job), at: now)
        case .runEnded(let run): try runs.take(.runEnded, run, at: now)
        case .renewed, .forgetAttempt, .offerRecalled, .groupWanted, .deadlineReached, .wake, .continueLater: break
        }
    }

    mutating func follow(_ step: Lives.HeldStep, _ attempt: AttemptID, on agent: AgentID) {
        // What an agent does about messages is the world's own doing: a step without a row is a mistake in the world.
        do throws(Violation) { try held.take(step, HeldName(agent: agent, attempt: attempt), at: .epoch) } catch {
            fatalError("\(error)")
        }
    }
}
