package import Model
package import Scheduling

/// A farm in virtual time where nothing goes wrong: who waits for how long, who uses how much, how busy the agents are.
///
/// The real farm decides; only agents and shards are made up. The same loads and the same seed give the same answer.
package struct Forecast: Sendable {
    /// So many agents of one kind.
    package struct Agents: Equatable, Sendable {
        package var name: String
        package var count: Int
        package var team: String?
        package var capacity: Capacity

        package init(name: String, count: Int, team: String? = nil, capacity: Capacity) {
            self.name = name
            self.count = count
            self.team = team
            self.capacity = capacity
        }
    }

    /// Runs of one kind, submitted again and again by one person.
    package struct Load: Equatable, Sendable {
        package var name: String
        package var owner: Principal
        package var priority: Int
        package var first: Duration
        package var every: Duration
        package var runs: Int
        package var cells: Int
        package var shards: Int
        package var resources: ResourceRequest
        package var labels: [String]
        /// What a shard takes: anything between, each as likely.
        package var shortest: Duration
        package var longest: Duration

        package init(
            name: String, owner: Principal, priority: Int = 0, first: Duration = .zero, every: Duration = .minutes(60),
            runs: Int = 1, cells: Int = 1, shards: Int = 1, resources: ResourceRequest = ResourceRequest(),
            labels: [String] = [], shortest: Duration, longest: Duration
        ) {
            self.name = name
            self.owner = owner
            self.priority = priority
            self.first = first
            self.every = every
            self.runs = runs
            self.cells = cells
            self.shards = shards
            self.resources = resources
            self.labels = labels
            self.shortest = shortest
            self.longest = longest
        }
    }

    /// What became of a load.
    package struct Outcome: Equatable, Sendable {
        package var shards = 0
        package var runs = 0
        /// Within the forecast's time.
        package var cpuSeconds = 0.0
        package var gpuSeconds = 0.0
        /// From a run's submission to a shard's lease; of those that still wait when the time is over, until then: they wait for
        /// so long at least.
        package var waits: [Duration] = []
        /// Shards that still wait when the time is over.
        package var waiting = 0
        /// What no agent has of what such a shard asks for; `nil`: nothing.
        package var unmet: String?
        /// From a run's submission to its end.
        package var runTimes: [Duration] = []
        /// Shards that found no agent within their queue timeout.
        package var unplaced = 0
    }

    package struct Answer: Equatable, Sendable {
        /// Beside the loads.
        package var outcomes: [Outcome]
        /// What agents have, in core- and GPU-seconds of the forecast's time.
        package var cpuSeconds = 0.0
        package var gpuSeconds = 0.0
        /// Shards that were leased, of all loads.
        package var leases = 0
        /// The most shards that were leased at one time.
        package var leasedMost = 0
        /// Handled by the farm.
        package var events = 0
        package var end: Duration = .zero
    }

    private enum Happening: Sendable {
        case submit(load: Int, run: Int)
        case done(AttemptID, AgentID, load: Int)
        case wake
    }

    private struct Going: Sendable {
        var load: Int
        var submittedAt: Instant
        var plan: Plan
        var leased = 0
    }

    private let loads: [Load]
    private let length: Duration
    private let start = Instant.seconds(1_000_000)
    private var farm: Farm
    private var random: SplitMix64
    private var queue = TimeQueue<Instant, Happening>()
    private var runs: [RunID: Going] = [:]
    private var runNumber: UInt64 = 0
    private var leased = 0
    private var answer: Answer
    private var effects: [Farm.Effect] = []

    /// - Parameter length: what happens later is not counted, and runs that have not ended by then are left.
    package init(
        agents: [Agents], loads: [Load], length: Duration, settings: Farm.Settings = Farm.Settings(), seed: UInt64
    ) {
        self.loads = loads
        self.length = length
        var settings = settings
        // Nobody is lost, so nobody needs to renew.
        settings.lease = length * 2 + .minutes(60 * 24)
        farm = Farm(settings: settings, seed: seed)
        random = SplitMix64(seed: seed ^ 0xF0CA57)
        answer = Answer(outcomes: Array(repeating: Outcome(), count: loads.count))
        for kind in agents {
            for number in 0..<kind.count {
                var capacity = kind.capacity
                capacity.gpus = capacity.gpus.map {
                    GPU(uuid: "\(kind.name)-\(number)-\($0.uuid)", model: $0.model, memory: $0.memory)
                }
                decide(
                    .agentJoined(AgentID("\(kind.name)-\(number)"), team: kind.team, capacity: capacity, holds: []),
                    at: start)
            }
            answer.cpuSeconds += Double(kind.count * kind.capacity.cpus) * length.inSeconds
            answer.gpuSeconds += Double(kind.count * kind.capacity.gpus.count) * length.inSeconds
        }
        for (index, load) in loads.enumerated() where load.runs > 0 {
            queue.add(.submit(load: index, run: 0), at: start.advanced(by: load.first))
        }
    }

    /// Runs it to its end: everything has ended, or the time is over.
    package mutating func run() -> Answer {
        let end = start.advanced(by: length)
        var now = start
        while let (at, happening) = queue.pop() {
            guard at <= end else { break }
            now = at
            switch happening {
            case .submit(let load, let run): submit(load, run, at: now)
            case .done(let attempt, let agent, _):
                leased -= 1
                decide(.attemptFinished(attempt, by: agent, Cause(.passed), listed: nil), at: now)
            case .wake: decide(.timeReached, at: now)
            }
        }
        answer.end = start.duration(to: now)
        for run in runs.values {
            let load = loads[run.load]
            let left = max(0, load.cells * load.shards - run.leased)
            answer.outcomes[run.load].waiting += left
            answer.outcomes[run.load].waits += Array(repeating: run.submittedAt.duration(to: end), count: left)
        }
        for (index, load) in loads.enumerated() where answer.outcomes[index].waiting > 0 {
            answer.outcomes[index].unmet = farm.unmet(
                PlannedCell(id: "c", name: load.name, labels: load.labels, resources: load.resources))
        }
        return answer
    }

    private mutating func submit(_ index: Int, _ number: Int, at now: Instant) {
        let load = loads[index]
        if number + 1 < load.runs {
            let next = load.every * (number + 1)
            queue.add(.submit(load: index, run: number + 1), at: start.advanced(by: load.first + next))
        }
        runNumber += 1
        let id = RunID(runNumber)
        let cells = (0..<load.cells).map { cell in
            PlannedCell(
                id: "c\(cell)", name: "\(load.name) (\(cell))", labels: load.labels, resources: load.resources,
                timeout: load.longest * 2, queueTimeout: length * 2)
        }
        let job = PlannedJob(
            id: load.name, cells: cells, failFast: false, shards: ShardPlan(count: load.shards))
        let plan = Plan(name: load.name, file: "\(load.name).yml", jobs: [job])
        runs[id] = Going(load: index, submittedAt: now, plan: plan)
        decide(.runSubmitted(id, owner: load.owner, plan: plan, priority: load.priority), at: now)
    }

    private mutating func decide(_ event: Farm.Event, at now: Instant) {
        var events = [event]
        var next = 0
        while next < events.count {
            effects.removeAll(keepingCapacity: true)
            farm.handle(events[next], at: now, into: &effects)
            answer.events += 1
            next += 1
            for effect in effects { take(effect, at: now, &events) }
        }
    }

    private mutating func take(_ effect: Farm.Effect, at now: Instant, _ events: inout [Farm.Event]) {
        switch effect {
        case .leased(let lease):
            guard let run = runs[lease.attempt.run] else { return }
            let load = loads[run.load]
            let span = Int64(max(0, (load.longest - load.shortest).wholeNanoseconds))
            let taken = load.shortest + .nanoseconds(Int64.random(in: 0...span, using: &random))
            let until = now.advanced(by: taken)
            queue.add(.done(lease.attempt, lease.agent, load: run.load), at: until)
            let counted = max(0, now.duration(to: min(until, start.advanced(by: length))).inSeconds)
            answer.outcomes[run.load].cpuSeconds += counted * Double(lease.cpus)
            answer.outcomes[run.load].gpuSeconds += counted * Double(lease.devices.count)
            answer.outcomes[run.load].waits.append(run.submittedAt.duration(to: now))
            runs[lease.attempt.run]?.leased += 1
            answer.leases += 1
            leased += 1
            answer.leasedMost = max(answer.leasedMost, leased)
            events.append(.attemptStarted(lease.attempt, by: lease.agent))
        case .jobReady(let run, let job):
            guard let planned = runs[run]?.plan.jobs[job] else { return }
            events.append(
                .jobResolved(
                    run, job: job,
                    .cells(planned.cells ?? [], failFast: planned.failFast, maxParallel: planned.maxParallel)))
        // Who else is in its group nobody knows here.
        case .groupWanted(let cell): events.append(.cellsReleased(cell.run, job: cell.job, [cell.cell]))
        case .settled(let cell, let shards, let attempt, _):
            guard let load = runs[cell.run]?.load else { return }
            if attempt > 0 {
                answer.outcomes[load].shards += shards.count
            } else {
                answer.outcomes[load].unplaced += shards.count
            }
        case .runEnded(let run):
            guard let going = runs.removeValue(forKey: run) else { return }
            answer.outcomes[going.load].runs += 1
            answer.outcomes[going.load].runTimes.append(going.submittedAt.duration(to: now))
            farm.forget(run)
        case .wake(let at): queue.add(.wake, at: max(now, at))
        case .continueLater: events.append(.resume)
        case .renewed, .cancelAttempt, .forgetAttempt, .offerRecalled, .attemptStarted, .attemptEnded, .offerWithdrawn,
            .cellSharded,
            .cellEnded, .jobEnded, .deadlineReached:
            break
        }
    }
}
