import Model
import Scheduling
import Simulation

/// What is wrong with a farm, or with what stands around it: what goes in or what comes out is falsified.
struct Bug: Sendable {
    /// What a bug remembers from one time to the next.
    struct Memory: Sendable {
        var seen = 0
        var leases: [ShardID: Farm.Lease] = [:]
        /// Of second attempts.
        var twins: [ShardID: Farm.Lease] = [:]
        var devices: [AgentID: [String]] = [:]

        /// Whether it strikes this time: every `period`-th time.
        mutating func strikes(every period: Int) -> Bool {
            seen += 1
            return seen % period == 0
        }
    }

    var name: String
    var settings: @Sendable (inout Farm.Settings) -> Void = { _ in }
    /// - Returns: whether the farm hears of it.
    var event: @Sendable (inout Farm.Event, inout Memory) -> Bool = { _, _ in true }
    var effects: @Sendable (inout [Farm.Effect], Farm.Event, Instant, inout Memory) -> Void = { _, _, _, _ in }
    var decision: @Sendable (inout Farm.Decision, inout Memory) -> Bool = { _, _ in true }
    var line: @Sendable (String) -> String = { $0 }
    var flaw: Flaw?
    /// Of the rows of attempts that have ended, every so many-th is lost.
    var losesEnds: Int?

    init(_ name: String) { self.name = name }

    init(
        _ name: String,
        effects: @escaping @Sendable (inout [Farm.Effect], Farm.Event, Instant, inout Memory) -> Void
    ) {
        self.name = name
        self.effects = effects
    }

    init(_ name: String, event: @escaping @Sendable (inout Farm.Event, inout Memory) -> Bool) {
        self.name = name
        self.event = event
    }

    init(_ name: String, decision: @escaping @Sendable (inout Farm.Decision, inout Memory) -> Bool) {
        self.name = name
        self.decision = decision
    }

    init(_ name: String, flaw: Flaw) {
        self.name = name
        self.flaw = flaw
    }

    /// Falsifies each effect by itself, or drops it.
    init(_ name: String, effect: @escaping @Sendable (Farm.Effect) -> Farm.Effect?) {
        self.init(name, effects: { effects, _, _, _ in effects = effects.compactMap(effect) })
    }

    /// Adds effects behind the farm's.
    init(_ name: String, after effect: @escaping @Sendable (Farm.Effect, Instant) -> Farm.Effect?) {
        self.init(name, effects: { effects, _, now, _ in effects += effects.compactMap { effect($0, now) } })
    }

    /// Falsifies leases.
    init(_ name: String, lease: @escaping @Sendable (inout Farm.Lease) -> Void) {
        self.init(
            name,
            effect: { effect in
                guard case .leased(var leased) = effect else { return effect }
                lease(&leased)
                return .leased(leased)
            })
    }

    /// Falsifies what agents say that they have.
    init(_ name: String, agent: @escaping @Sendable (inout Capacity, inout String?) -> Void) {
        self.init(
            name,
            event: { event, _ in
                guard case .agentJoined(let id, var team, var capacity, let holds) = event else { return true }
                agent(&capacity, &team)
                event = .agentJoined(id, team: team, capacity: capacity, holds: holds)
                return true
            })
    }

    /// Falsifies the jobs of plans.
    init(_ name: String, job: @escaping @Sendable (inout PlannedJob) -> Void) {
        self.init(
            name,
            event: { event, _ in
                switch event {
                case .runSubmitted(let run, let owner, var plan, let priority):
                    for index in plan.jobs.indices { job(&plan.jobs[index]) }
                    event = .runSubmitted(run, owner: owner, plan: plan, priority: priority)
                case .runRerun(let run, let owner, var plan, let priority, let kept):
                    for index in plan.jobs.indices { job(&plan.jobs[index]) }
                    event = .runRerun(run, owner: owner, plan: plan, priority: priority, keeping: kept)
                default: break
                }
                return true
            })
    }

    /// Falsifies what was found out about jobs when it is loaded.
    init(_ name: String, resolutionLoaded: @escaping @Sendable (inout Farm.Resolution) -> Void) {
        self.init(name, resolution: resolutionLoaded)
        event = { _, _ in true }
    }

    /// Falsifies what was found out about jobs, also when it is loaded.
    init(_ name: String, resolution: @escaping @Sendable (inout Farm.Resolution) -> Void) {
        self.init(
            name,
            event: { event, _ in
                guard case .jobResolved(let run, let job, var found) = event else { return true }
                resolution(&found)
                event = .jobResolved(run, job: job, found)
                return true
            })
        decision = { decision, _ in
            guard case .jobResolved(let run, let job, var found, let at) = decision else { return true }
            resolution(&found)
            decision = .jobResolved(run, job: job, found, at: at)
            return true
        }
    }
}

/// A farm with a bug planted in it.
struct PlantedFarm: Deciding {
    private var farm: Farm
    private let bug: Bug
    private var memory = Bug.Memory()

    init(settings: Farm.Settings, seed: UInt64) { self.init(Bug("none"), settings, seed) }

    init(_ bug: Bug, _ settings: Farm.Settings, _ seed: UInt64) {
        self.bug = bug
        var settings = settings
        bug.settings(&settings)
        farm = Farm(settings: settings, seed: seed)
    }

    mutating func handle(_ event: Farm.Event, at now: Instant, into effects: inout [Farm.Effect]) {
        var changed = event
        guard bug.event(&changed, &memory) else { return }
        farm.handle(changed, at: now, into: &effects)
        bug.effects(&effects, event, now, &memory)
    }

    mutating func restore(_ decision: Farm.Decision) {
        var changed = decision
        guard bug.decision(&changed, &memory) else { return }
        farm.restore(changed)
    }

    func progress(of run: RunID) -> [[Farm.CellProgress]]? { farm.progress(of: run) }
    func standing(of run: RunID, at now: Instant) -> [String]? { farm.standing(of: run, at: now) }
    func queueTimeLeft(of cell: CellID) -> Duration? { farm.queueTimeLeft(of: cell) }
    func queueTimeLeftMin(of timeout: Duration) -> Duration { farm.queueTimeLeftMin(of: timeout) }
    func explain(_ cell: CellID, shard: Int?, at now: Instant) -> [String] {
        farm.explain(cell, shard: shard, at: now).map(bug.line)
    }
}

/// A store that loses rows of attempts that have ended.
private struct LosingJournal: Journaling {
    var journal = Journal()
    let period: Int
    var seen = 0

    mutating func commit(_ event: Farm.Event, at time: Instant, isNew: Bool) {
        journal.commit(event, at: time, isNew: isNew)
    }

    mutating func commit(_ effect: Farm.Effect, at now: Instant) {
        if case .attemptEnded = effect {
            seen += 1
            if seen % period == 0 { return }
        }
        journal.commit(effect, at: now)
    }

    func decisions(of run: RunID) -> [Farm.Decision] { journal.decisions(of: run) }
    func decisions(order: Int) -> [Farm.Decision] { journal.decisions(order: order) }
}

extension Replay {
    /// What breaks first in a world with this bug; `nil` when nothing does.
    func violation(with bug: Bug) -> Violation? {
        let journal: any Journaling = bug.losesEnds.map { LosingJournal(period: $0) } ?? Journal()
        var world = World<PlantedFarm>(scenario, journal: journal, flaw: bug.flaw) { PlantedFarm(bug, $0, $1) }
        world.crash(at: death)
        do throws(Violation) {
            try world.run()
            return nil
        } catch {
            return error
        }
    }
}
