import Model
import Scheduling

/// Follows what is committed and holds it against the farm's promises. It knows nothing of how the farm decides.
package struct Checker: Sendable {
    struct Shard: Sendable {
        var lease: Farm.Lease?
        /// Of a second attempt beside it.
        var twin: Farm.Lease?
        /// How many second attempts were begun, those aside that were declined.
        var twins = 0
        /// The number of the newest attempt.
        var newest = 0
        /// The newest attempt that has ended.
        var ended = 0
        /// The first that passed.
        var passedBy: Int?
        var started: Set<Int> = []
        var toldToEnd: Set<Int> = []
        /// The farm cancelled an attempt that had begun, for the other of two.
        var hasCancelledOther = false
        var last: Cause?
        var retryAt: Instant?
        var settled: Cause?
        /// Some agent did not take it, and is not asked again for a while.
        var wasDeclined = false
    }

    struct Cell: Sendable {
        var planned: PlannedCell
        /// Whether a Python may be any, else which.
        let python: VersionRange?
        var shards: Int?
        var settled = 0
        var failed = 0
        var cancelled = 0
        var ending: Farm.CellEnding?
        var leased = 0

        init(planned: PlannedCell) {
            self.planned = planned
            python = planned.python.map { VersionRange($0) ?? .none }
        }
    }

    struct Job: Sendable {
        var planned: PlannedJob
        var cells: [Cell] = []
        var isResolved = false
        var resolvedAt = Instant.epoch
        var ending: Farm.JobEnding?
        var cellsActive = 0
    }

    struct Run: Sendable {
        var owner: Principal
        var isUntrusted = false
        var jobs: [Job]
        var isEnded = false
        var isCancelled = false
        /// Cancelled with force.
        var isForced = false
        var retries = 0
    }

    struct Agent: Sendable {
        var team: String?
        var takesUntrusted = false
        var capacity = Capacity(cpus: 0, memory: .zero)
        /// Devices that it calls unfit, since it joined.
        var unfit: Set<String> = []
        var isOnline = false
        var isDraining = false
        var leases: [AttemptID: Farm.Lease] = [:]
        /// What was offered ahead, with the attempt that it waits behind.
        var waiting: [AttemptID: AttemptID] = [:]
        /// Attempts after which another has begun in their place: they have ended.
        var yielded: Set<AttemptID> = []
        mutating func forgetOrder(of attempt: AttemptID) {
            waiting = waiting.filter { $0.key != attempt && $0.value != attempt }
            yielded.remove(attempt)
        }

        /// What takes of its capacity.
        var using: [Farm.Lease] {
            leases.filter { waiting[$0.key] == nil && !yielded.contains($0.key) }.sorted { $0.key < $1.key }.map(
                \.value)
        }
        /// When it last joined or was removed: its leases may end before their time.
        var changedAt = Instant.epoch
        /// As far as the farm was told.
        var keeps: Set<Digest> = []
    }

    var runs: [RunID: Run] = [:]
    var shards: [ShardID: Shard] = [:]
    var agents: [AgentID: Agent] = [:]
    private let lease: Duration
    let retriesMin: Int
    let twinsMax: Int
    var now = Instant.epoch
    package internal(set) var lines = Lifelines()
    /// How each attempt ended, and on which agent.
    var ends: [AttemptID: End] = [:]
    /// Nothing was declined or lost and no agent failed: each agent is given whatever fits.
    var isCalm = true
    /// What agents were told is stored.
    var acknowledged: Set<AttemptID> = []

    struct End: Sendable {
        var cause: Cause
        var agent: AgentID
    }

    init(lease: Duration, retriesMin: Int, twinsMax: Int) {
        self.twinsMax = twinsMax
        self.lease = lease
        self.retriesMin = retriesMin
    }

    var areAllEnded: Bool { runs.values.allSatisfy(\.isEnded) }

    /// What everything came to: for comparing one world with another.
    package var tally: [String] {
        let settled = shards.compactMap { shard, state in state.settled.map { "\(shard) \($0.label)" } }
        let cells = runs.flatMap { run, state in
            state.jobs.enumerated().flatMap { job, state in
                ["\(run)/\(job) \(state.ending?.rawValue ?? "open")"]
                    + state.cells.enumerated().map { cell, state in
                        "\(run)/\(job)/\(cell) \(state.ending?.rawValue ?? "open") \(state.shards ?? -1)"
                    }
            }
        }
        return (settled + cells).sorted()
    }

    func require(_ holds: Bool, _ rule: Rule, _ detail: @autoclosure () -> String) throws(Violation) {
        guard holds else { throw Violation(rule: rule, detail: detail(), at: now) }
    }

    /// Whether the event is the first of its kind, so that it belongs into the journal.
    mutating func see(_ event: Farm.Event, at time: Instant) throws(Violation) -> Bool {
        now = max(now, time)
        let isNew = try take(event)
        try lines.follow(event, isNew: isNew, at: now)
        return isNew
    }

    private mutating func take(_ event: Farm.Event) throws(Violation) -> Bool {
        switch event {
        case .runSubmitted(let id, let owner, let plan, _):
            guard runs[id] == nil else { return false }
            runs[id] = Run(
                owner: owner, isUntrusted: plan.untrusted != nil, jobs: plan.jobs.map { Job(planned: $0) })
            return true
        case .runRerun(let id, let owner, let plan, _, let kept):
            guard runs[id] == nil else { return false }
            runs[id] = Run(
                owner: owner, isUntrusted: plan.untrusted != nil, jobs: plan.jobs.map { Job(planned: $0) })
            for decision in kept { try keep(decision) }
            return true
        case .runCancelled(let id, _, _, let isForced):
            guard let run = runs[id], !run.isEnded, !run.isCancelled || (isForced && !run.isForced) else {
                return false
            }
            runs[id]?.isCancelled = true
            runs[id]?.isForced = run.isForced || isForced
            return true
        case .jobResolved(let id, let job, let resolution):
            guard let run = runs[id], !run.jobs[job].isResolved, run.jobs[job].ending == nil else { return false }
            resolve(id, job, resolution)
            return true
        case .agentJoined(let id, let team, let capacity, _):
            var agent = agents[id] ?? Agent()
            agent.team = team
            agent.takesUntrusted = false
            agent.capacity = capacity
            agent.unfit = []
            agent.keeps = Set(capacity.keeps)
            agent.isOnline = true
            agent.changedAt = now
            agents[id] = agent
        case .agentDisconnected(let id): agents[id]?.isOnline = false
        case .agentRemoved(let id):
            agents[id]?.isOnline = false
            agents[id]?.isDraining = false
            agents[id]?.changedAt = now
        // One that never came may be told to drain: it comes draining.
        case .agentDraining(let id, let isDraining, _): agents[id, default: Agent()].isDraining = isDraining
        case .agentPooled(let id, let pool): agents[id]?.takesUntrusted = pool.allowsUntrusted
        case .environmentEntered(_, let agent, let lock): agents[agent]?.keeps.insert(lock)
        case .devicesLooked(let id, let unfit):
            agents[id]?.unfit = Set(unfit.map(\.uuid))
            if !unfit.isEmpty { isCalm = false }
        case .agentReleased, .leasesRenewed, .attemptStarted, .offerDeclined, .attemptFinished,
            .cellsReleased, .cellsStopped, .timeReached, .resume:
            break
        }
        return false
    }

    private mutating func resolve(_ id: RunID, _ job: Int, _ resolution: Farm.Resolution) {
        runs[id]?.jobs[job].isResolved = true
        runs[id]?.jobs[job].resolvedAt = now
        guard case .cells(let cells, let failFast, let maxParallel, let goesOn) = resolution else { return }
        runs[id]?.jobs[job].planned.onCancel = goesOn ? .goesOn : .ends
        runs[id]?.jobs[job].cells = cells.map { Cell(planned: $0) }
        runs[id]?.jobs[job].planned.failFast = failFast
        runs[id]?.jobs[job].planned.maxParallel = maxParallel
    }

    /// What a run that reruns another begins with.
    private mutating func keep(_ decision: Farm.Decision) throws(Violation) {
        switch decision {
        case .jobResolved(let run, let job, let resolution, _): resolve(run, job, resolution)
        case .cellSharded(let cell, let count, _): try checkSharded(cell, count)
        case .settled(let cell, let range, _, let cause):
            try require(cause.kind == .passed, .keptPassed, "\(cell)/\(range): \(cause.label)")
            for shard in range { shards[ShardID(cell: cell, shard: shard), default: Shard()].settled = cause }
            change(cell) { $0.settled += range.count }
        case .cellEnded(let cell, let ending): try checkEnded(cell, ending)
        case .jobEnded(let run, let job, let ending): try checkEnded(run, job, ending)
        case .runSubmitted, .runCancelled, .cellStopped, .leased, .attemptEnded, .attemptTook, .used, .agentDraining,
            .lived:
            throw Violation(rule: .keptPassed, detail: "\(decision)", at: now)
        }
    }

    /// The coordinator was restarted: nobody is connected, and every lease has a new term.
    mutating func seeRestart(at time: Instant) throws(Violation) {
        for agent in agents.keys { agents[agent]?.isOnline = false }
        for shard in shards.keys {
            shards[shard]?.lease?.until = time.advanced(by: lease)
            shards[shard]?.twin?.until = time.advanced(by: lease)
        }
        try lines.followRestart(at: time)
    }

    mutating func check(_ effect: Farm.Effect) throws(Violation) {
        try checkRules(effect)
        try lines.follow(effect, at: now)
    }

    private mutating func checkRules(_ effect: Farm.Effect) throws(Violation) {
        switch effect {
        case .leased(let lease): try checkLeased(lease)
        case .renewed(let agent, let attempts):
            for attempt in attempts {
                try require(self.lease(of: attempt)?.agent == agent, .onlyCurrent, "\(attempt) on \(agent)")
                if shards[attempt.shard]?.twin?.attempt == attempt {
                    shards[attempt.shard]?.twin?.until = now.advanced(by: lease)
                } else {
                    shards[attempt.shard]?.lease?.until = now.advanced(by: lease)
                }
            }
        case .attemptEnded(let attempt, let cause, let retryAt, _):
            try checkEnd(attempt, cause, retryAt: retryAt)
        case .offerWithdrawn(let attempt):
            guard let lease = lease(of: attempt) else {
                throw Violation(rule: .onlyCurrent, detail: "\(attempt)", at: now)
            }
            giveBack(attempt)
            shards[attempt.shard]?.newest = attempt.number - 1
            if lease.beside != nil { shards[attempt.shard]?.twins -= 1 }
            shards[attempt.shard]?.wasDeclined = true
            isCalm = false
        case .cellSharded(let cell, let count, _): try checkSharded(cell, count)
        case .settled(let cell, let range, let attempt, let cause):
            for shard in range {
                try checkSettled(ShardID(cell: cell, shard: shard), attempt: attempt, cause)
            }
        case .cellEnded(let cell, let ending): try checkEnded(cell, ending)
        case .jobReady(let run, let job):
            let state = runs[run]?.jobs[job]
            let needs = state?.planned.needs ?? []
            try require(
                needs.allSatisfy { runs[run]?.jobs[$0].ending != nil }, .needsEnded,
                "\(run)/\(job)")
        case .jobEnded(let run, let job, let ending, _): try checkEnded(run, job, ending)
        case .runEnded(let run):
            try require(
                runs[run]?.jobs.allSatisfy { $0.ending != nil } == true, .runComplete, "\(run)")
            runs[run]?.isEnded = true
        case .cancelAttempt(let attempt, let agent, _):
            try require(lease(of: attempt)?.agent == agent, .onlyCurrent, "\(attempt) on \(agent)")
            shards[attempt.shard]?.toldToEnd.insert(attempt.number)
        case .offerRecalled(let attempt, let agent):
            try require(agents[agent]?.waiting[attempt] != nil, .onlyCurrent, "\(attempt) on \(agent)")
        case .forgetAttempt(let attempt, let agent, _):
            try require(lease(of: attempt)?.agent != agent, .notForgotten, "\(attempt) on \(agent)")
        case .attemptStarted(let attempt, _):
            guard let lease = lease(of: attempt) else {
                throw Violation(rule: .onlyCurrent, detail: "\(attempt)", at: now)
            }
            if let former = agents[lease.agent]?.waiting.removeValue(forKey: attempt) {
                agents[lease.agent]?.yielded.insert(former)
            }
            shards[attempt.shard]?.started.insert(attempt.number)
        case .groupWanted, .deadlineReached, .wake, .continueLater: break
        }
    }

    /// The lease of an attempt that goes on.
    func lease(of attempt: AttemptID) -> Farm.Lease? {
        guard let shard = shards[attempt.shard] else { return nil }
        return [shard.lease, shard.twin].compactMap(\.self).first { $0.attempt == attempt }
    }

    mutating func giveBack(_ attempt: AttemptID) {
        let shard = attempt.shard
        guard let lease = lease(of: attempt) else { return }
        // Of two the other goes on.
        let twin = shards[shard]?.twin
        if shards[shard]?.lease?.attempt == attempt { shards[shard]?.lease = twin }
        shards[shard]?.twin = nil
        agents[lease.agent]?.leases[lease.attempt] = nil
        agents[lease.agent]?.forgetOrder(of: attempt)
        change(shard.cell) { $0.leased -= 1 }
        if cell(shard.cell)?.leased == 0 { runs[shard.run]?.jobs[shard.cell.job].cellsActive -= 1 }
    }

    func cell(_ id: CellID) -> Cell? {
        guard let jobs = runs[id.run]?.jobs, jobs.indices.contains(id.job), jobs[id.job].cells.indices.contains(id.cell)
        else { return nil }
        return jobs[id.job].cells[id.cell]
    }

    mutating func change(_ id: CellID, _ body: (inout Cell) -> Void) {
        guard cell(id) != nil, var run = runs.removeValue(forKey: id.run) else { return }
        body(&run.jobs[id.job].cells[id.cell])
        runs[id.run] = run
    }

    private mutating func checkLeased(_ lease: Farm.Lease) throws(Violation) {
        let id = lease.attempt.shard
        guard let cell = cell(id.cell), let run = runs[id.run] else {
            throw Violation(rule: .onlyWhatThereIs, detail: "\(lease)", at: now)
        }
        let agent = agents[lease.agent] ?? Agent()
        let job = run.jobs[id.cell.job]
        let shard = shards[id] ?? Shard()
        if lease.beside == nil {
            try require(shard.lease == nil, .oneLease, "\(lease.attempt), \(shard)")
        } else {
            try checkTwin(lease, beside: shard, job)
        }
        try require(shard.settled == nil, .endedStaysUnleased, "\(lease.attempt)")
        try require(lease.attempt.number == shard.newest + 1, .numbered, "\(lease.attempt)")
        try require(shard.retryAt.map { $0 <= now } ?? true, .backoff, "\(lease.attempt)")
        try require(cell.ending == nil && job.ending == nil, .endedStaysUnleased, "\(lease.attempt)")
        let range = cell.shards.map { 0..<$0 } ?? -1..<0
        try require(range.contains(id.shard), .onlyWhatThereIs, "\(id)")
        try require(agent.isOnline && !agent.isDraining, .present, "\(lease)")
        try checkFit(lease, cell, agent, run)
        try checkChoice(lease, cell, run)
        agents[lease.agent]?.leases[lease.attempt] = lease
        if let behind = lease.behind { agents[lease.agent]?.waiting[lease.attempt] = behind }
        if lease.beside == nil {
            shards[id, default: Shard()].lease = lease
        } else {
            shards[id]?.twin = lease
            shards[id]?.twins += 1
        }
        shards[id]?.newest = lease.attempt.number
        change(id.cell) { $0.leased += 1 }
        if cell.leased == 0 { runs[id.run]?.jobs[id.cell.job].cellsActive += 1 }
        try require(
            job.planned.maxParallel.map { cell.leased > 0 || job.cellsActive < $0 } ?? true, .maxParallel,
            "\(id)")
        try require(
            job.planned.shards.maxParallel.map { cell.leased < $0 } ?? true, .shardsMaxParallel, "\(id)")
    }

    private func checkTwin(_ lease: Farm.Lease, beside shard: Shard, _ job: Job) throws(Violation) {
        let first = shard.lease?.attempt.number
        let isBeside = first != nil && first == lease.beside?.number && shard.twin == nil
        try require(isBeside && job.planned.isIdempotent, .twinBeside, "\(lease), \(shard)")
        try require(
            first.map { shard.started.contains($0) && !shard.toldToEnd.contains($0) } ?? false, .twinBeside,
            "\(lease), \(shard)")
        try require(shard.lease?.agent != lease.agent, .twinElsewhere, "\(lease)")
        try require(shard.twins < twinsMax, .twinsMax, "\(lease): \(shard.twins) before it")
    }

    func hasPython(_ agent: Agent, _ wanted: VersionRange?) -> Bool {
        guard let wanted else { return true }
        return agent.capacity.interpreters.contains { wanted.contains($0.version) }
    }

    private func checkFit(
        _ lease: Farm.Lease, _ whole: Cell, _ agent: Agent, _ run: Run
    ) throws(Violation) {
        let cell = whole.planned
        var all = agent.using + [lease]
        if let behind = lease.behind {
            let former = agent.leases[behind]
            try require(
                former.map { $0.devices == lease.devices && $0.cpus == lease.cpus && $0.memory == lease.memory }
                    ?? false
                    && agent.waiting[behind] == nil && !agent.yielded.contains(behind)
                    && !agent.waiting.values.contains(behind)
                    && shards[behind.shard]?.started.contains(behind.number) ?? false, .ahead,
                "\(lease): \(String(describing: former))")
            all.removeAll { $0.attempt == behind }
        }
        let cpus = all.reduce(0) { $0 + $1.cpus }
        let memory = all.reduce(ByteCount.zero) { $0 + ($1.memory ?? .zero) }
        let disk = all.reduce(ByteCount.zero) { $0 + ($1.disk ?? .zero) }
        let devices = all.flatMap(\.devices)
        try require(cpus <= agent.capacity.cpus, .cores, "\(lease): \(cpus)")
        try require(memory <= agent.capacity.memory, .memory, "\(lease): \(memory)")
        try require(disk <= agent.capacity.disk, .disk, "\(lease): \(disk)")
        try require(Set(devices).count == devices.count, .devicesOnce, "\(lease): \(devices)")
        let known = Set(agent.capacity.gpus.map(\.uuid))
        try require(lease.devices.allSatisfy(known.contains), .ownDevices, "\(lease)")
        try require(agent.unfit.isDisjoint(with: lease.devices), .fitDevices, "\(lease): \(agent.unfit.sorted())")
        try require(lease.devices.count == cell.resources.gpus?.count ?? 0, .asAskedFor, "\(lease)")
        try require(lease.cpus >= cell.resources.cpus, .asAskedFor, "\(lease)")
        try require(
            cell.resources.memory.map { $0 <= lease.memory ?? .zero } ?? true, .asAskedFor, "\(lease)")
        try require(lease.disk == cell.resources.disk, .asAskedFor, "\(lease)")
        try require(agent.team == nil || agent.team == run.owner.team, .team, "\(lease)")
        try require(!run.isUntrusted || agent.takesUntrusted, .trust, "\(lease)")
        let labels = Set(agent.capacity.labels.map { $0.lowercased() })
        try require(cell.labels.allSatisfy(labels.contains), .labels, "\(lease)")
        try require(hasPython(agent, whole.python), .interpreter, "\(lease)")
    }
}
