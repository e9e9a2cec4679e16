package import Model
package import Scheduling

/// What a world is made of: runs, agents, and how much goes wrong. All of it follows from a seed.
package struct Scenario: Sendable {
    package struct Submission: Sendable {
        package var run: RunID
        package var owner: Principal
        package var plan: Plan
        package var at: Duration
        /// When its owner cancels it.
        package var cancelAfter: Duration?
        /// Its owner then has no patience with jobs that go on.
        package var isForced = false
        /// The run whose passed shards it keeps; it waits for its end.
        package var reruns: RunID?
    }

    package struct AgentKind: Sendable {
        package var team: String?
        package var capacity: Capacity
        package var pool = Pool.standard
    }

    /// Its agents take untrusted runs.
    static let openPool = Pool(name: "open", allowsUntrusted: true)

    package var seed: UInt64
    package var submissions: [Submission]
    package var agents: [AgentKind]
    package var trouble: Trouble
    package var settings = Farm.Settings()
    /// Some attempts that hang end by their time limit, which would be otherwise where nobody was lost.
    private var hangsTimeOut = false

    /// - Parameter isComparable: no fail-fast, no cancellation and attempts without end, so that what shards come to
    ///   does not depend on who was lost when.
    package init(seed: UInt64, trouble: Trouble, isComparable: Bool) {
        var random = SplitMix64(seed: seed)
        self.seed = seed
        self.trouble = trouble
        agents = (0..<Int.random(in: 2...5, using: &random)).map { Self.agent($0, &random) }
        submissions = (1...Int.random(in: 1...3, using: &random)).map { number in
            let owner = ["ada", "ben"].randomElement(using: &random) ?? "ada"
            let team = owner == "ben" ? "vision" : nil
            return Submission(
                run: RunID(UInt64(number)), owner: Principal(role: .user, name: owner, team: team),
                plan: Self.plan(isComparable: isComparable, &random), at: .seconds(Int64(number * 5)),
                cancelAfter: !isComparable && chance(0.15, &random)
                    ? .seconds(.random(in: 1...60, using: &random)) : nil)
        }
        settings.workPerCallMax = Int.random(in: 1...12, using: &random)
        settings.retriesMin = isComparable ? 1_000_000 : Int(seed % 40)
        letJobsGoOn()
        if seed % 8 == 5 { askAlike() }
        tellPast()
        addReruns()
        giveOtherInterpreters()
        letRepeat(isComparable: isComparable)
        doubtSome()
        offerAhead()
    }

    /// Most agents take offers ahead, and most farms make them. Drawn apart, as reruns are.
    private mutating func offerAhead() {
        var random = SplitMix64(seed: seed ^ 0xA4EAD)
        settings.aheadMax = chance(0.2, &random) ? .zero : .seconds(.random(in: 1...20, using: &random))
        for agent in agents.indices { agents[agent].capacity.takesAhead = chance(0.8, &random) }
    }

    /// Some runs are strangers' code. The agent that can take everything takes these, too; others may, or come to. Drawn apart,
    /// as reruns are.
    private mutating func doubtSome() {
        var random = SplitMix64(seed: seed ^ 0x57A6)
        for agent in agents.indices where agent == 0 || chance(0.3, &random) { agents[agent].pool = Self.openPool }
        for submission in submissions.indices where chance(0.3, &random) {
            submissions[submission].plan.untrusted = "the pull request comes from a fork"
        }
        // Of some cells nobody needs the result.
        for submission in submissions.indices {
            for job in submissions[submission].plan.jobs.indices {
                for cell in (submissions[submission].plan.jobs[job].cells ?? []).indices where chance(0.1, &random) {
                    submissions[submission].plan.jobs[job].cells?[cell].required = false
                }
            }
        }
        adjustReruns()
    }

    /// Shards of some jobs may be worked on twice, and some first attempts at them hang. Drawn apart, as reruns are.
    private mutating func letRepeat(isComparable: Bool) {
        var random = SplitMix64(seed: seed ^ 0x7133)
        hangsTimeOut = !isComparable
        settings.lag.peersMin = 2
        settings.lag.beyondMin = .seconds(.random(in: 1...10, using: &random))
        for submission in submissions.indices {
            for job in submissions[submission].plan.jobs.indices where chance(0.5, &random) {
                submissions[submission].plan.jobs[job].isIdempotent = true
            }
        }
    }

    /// All shards ask for the same, and nothing but agents keeps them waiting: what comes first shows.
    private mutating func askAlike() {
        for submission in submissions.indices {
            for job in submissions[submission].plan.jobs.indices {
                submissions[submission].plan.jobs[job].failFast = false
                submissions[submission].plan.jobs[job].maxParallel = nil
                submissions[submission].plan.jobs[job].shards.maxParallel = nil
                submissions[submission].plan.jobs[job].shards.failFast = false
                for cell in (submissions[submission].plan.jobs[job].cells ?? []).indices {
                    submissions[submission].plan.jobs[job].cells?[cell].resources = ResourceRequest()
                    submissions[submission].plan.jobs[job].cells?[cell].labels = []
                    submissions[submission].plan.jobs[job].cells?[cell].python = nil
                }
            }
        }
    }

    /// Of most cells an earlier run says how long they take and what environment they have; some agents keep some of those.
    /// Drawn apart, as reruns are.
    private mutating func tellPast() {
        var random = SplitMix64(seed: seed ^ 0x9A57)
        for agent in agents.indices {
            agents[agent].capacity.keeps = Self.locks.filter { _ in chance(0.3, &random) }
        }
        for submission in submissions.indices {
            for job in submissions[submission].plan.jobs.indices {
                for cell in (submissions[submission].plan.jobs[job].cells ?? []).indices where chance(0.7, &random) {
                    submissions[submission].plan.jobs[job].cells?[cell].expected =
                        .seconds(.random(in: 1...60, using: &random))
                    submissions[submission].plan.jobs[job].cells?[cell].environmentLock =
                        Self.locks.randomElement(using: &random)
                }
            }
        }
    }

    private static let locks = (1...3).compactMap { Digest([UInt8](repeating: $0, count: Digest.byteCount)) }

    /// Some of the smaller agents have another Python than is asked for. Drawn apart, as reruns are.
    private mutating func giveOtherInterpreters() {
        var random = SplitMix64(seed: seed ^ 0x3F)
        for agent in agents.indices.dropFirst() where chance(0.3, &random) {
            agents[agent].capacity.interpreters = [
                Interpreter(version: "3.9.2", path: "/usr/bin/python3", source: "system")
            ]
        }
    }

    /// Some jobs have a say when their run is cancelled. Drawn apart, as reruns are.
    private mutating func letJobsGoOn() {
        var random = SplitMix64(seed: seed ^ 0xA1)
        for submission in submissions.indices {
            submissions[submission].isForced = chance(0.4, &random)
            for job in submissions[submission].plan.jobs.indices where chance(0.3, &random) {
                submissions[submission].plan.jobs[job].onCancel = .asks
            }
        }
    }

    /// Some runs are run again, where they failed. Drawn apart, so that the rest of a seed's world stays as it was.
    private mutating func addReruns() {
        var random = SplitMix64(seed: seed ^ 0xF41)
        for earlier in submissions where chance(0.25, &random) {
            var rerun = earlier
            rerun.run = RunID(earlier.run.number + 100)
            rerun.at = .seconds(.random(in: 10...100, using: &random))
            rerun.cancelAfter = nil
            rerun.reruns = earlier.run
            submissions.append(rerun)
        }
    }

    /// After something was cut away: a rerun is of a run that there is, and has its plan.
    mutating func adjustReruns() {
        let plans = Dictionary(uniqueKeysWithValues: submissions.map { ($0.run, $0.plan) })
        submissions.removeAll { $0.reruns.map { plans[$0] == nil } ?? false }
        for index in submissions.indices {
            if let plan = submissions[index].reruns.flatMap({ plans[$0] }) { submissions[index].plan = plan }
        }
    }

    /// The first agent can take everything, so that every run can end.
    private static func agent(_ index: Int, _ random: inout SplitMix64) -> AgentKind {
        let isLarge = index == 0
        let gpuCount = isLarge ? 2 : Int.random(in: 0...2, using: &random)
        let gpus = (0..<gpuCount).map { GPU(uuid: "GPU-\(index)-\($0)", model: "NVIDIA H200", memory: .gibibytes(141)) }
        return AgentKind(
            team: !isLarge && chance(0.2, &random) ? "vision" : nil,
            capacity: Capacity(
                cpus: isLarge ? 4 : Int.random(in: 1...4, using: &random), memory: .gibibytes(isLarge ? 16 : 8),
                disk: .gibibytes(isLarge ? 200 : 100), gpus: gpus,
                labels: isLarge || chance(0.5, &random) ? ["linux", "Big"] : ["linux"],
                interpreters: [Interpreter(version: "3.11.7", path: "/usr/bin/python3", source: "system")]))
    }

    private static func plan(isComparable: Bool, _ random: inout SplitMix64) -> Plan {
        let jobs = (0..<Int.random(in: 1...4, using: &random)).map { index in
            let needs = (0..<index).filter { _ in chance(0.4, &random) }
            let items: ShardPlan.ItemSource? = chance(0.3, &random) ? .command("list") : nil
            let shards = ShardPlan(
                count: .random(in: 1...6, using: &random), items: items,
                maxParallel: chance(0.3, &random) ? .random(in: 1...3, using: &random) : nil,
                failFast: !isComparable && chance(0.2, &random))
            let cells = (0..<Int.random(in: 1...5, using: &random)).map {
                cell($0, isComparable: isComparable, &random)
            }
            return PlannedJob(
                id: "job\(index)", needs: needs, cells: cells, failFast: !isComparable && chance(0.4, &random),
                maxParallel: chance(0.4, &random) ? .random(in: 1...3, using: &random) : nil, shards: shards,
                retry: RetryPolicy(
                    attemptsMax: isComparable ? 1000 : .random(in: 1...4, using: &random),
                    on: ["infrastructure", "oom"],
                    backoffMin: .milliseconds(200), backoffMax: .seconds(4), memoryFactor: 2))
        }
        return Plan(name: "simulated", file: "simulated.yml", jobs: jobs)
    }

    private static func cell(
        _ index: Int, isComparable: Bool, _ random: inout SplitMix64
    ) -> PlannedCell {
        // Some wait for what no agent has, or not for long.
        let isHopeless = !isComparable && chance(0.04, &random)
        let isHasty = isHopeless || (!isComparable && chance(0.1, &random))
        var asking = ResourceRequest(cpus: .random(in: 1...2, using: &random))
        if chance(0.3, &random) { asking.memory = .gibibytes(.random(in: 1...8, using: &random)) }
        // Beside the other draws, so that a seed means what it meant before there were disks.
        var next = random
        var aside = SplitMix64(seed: next.next() ^ 0xD15C)
        if chance(0.2, &aside) { asking.disk = .gibibytes(.random(in: 20...100, using: &aside)) }
        if chance(0.2, &random) { asking.gpus = GPURequest(count: .random(in: 1...2, using: &random), model: "h200") }
        return PlannedCell(
            id: "c\(index)", name: "cell \(index)", labels: isHopeless ? ["tpu"] : chance(0.3, &random) ? ["big"] : [],
            python: chance(0.3, &random) ? "3.11" : nil, resources: asking, timeout: .minutes(10),
            queueTimeout: isHasty ? .milliseconds(Int64.random(in: 1_000...90_000, using: &random)) : .minutes(600),
            continueOnError: chance(0.1, &random),
            skipped: chance(0.05, &random) ? "matrix.gpu == false" : nil)
    }

    // What shards come to depends on the seed and on who they are, never on when or where they run.

    private func random(of shard: ShardID, salt: UInt64) -> SplitMix64 {
        var mixed = seed &+ salt
        for part in [Int(truncatingIfNeeded: shard.run.number), shard.cell.job, shard.cell.cell, shard.shard] {
            var step = SplitMix64(seed: mixed ^ UInt64(bitPattern: Int64(part)))
            mixed = step.next()
        }
        return SplitMix64(seed: mixed)
    }

    func cause(of lease: Farm.Lease) -> Cause {
        var random = random(of: lease.attempt.shard, salt: 1)
        if let memory = lease.memory, chance(0.2, &random), memory < .gibibytes(8) { return Cause(.oom) }
        if hangsTimeOut, hangs(lease.attempt), lease.attempt.shard.shard % 2 == 0 { return Cause(.timeout) }
        if chance(0.08, &random) { return Cause(.userExit, code: 3, evidence: "step 'eval' ended with exit code 3") }
        return Cause(.passed)
    }

    /// Which of an agent's devices it calls unfit for the next while, as long as there is trouble; `nil`: it never looks.
    ///
    /// - Parameter elapsed: since the world began.
    func unfit(of kind: AgentKind, after elapsed: Duration) -> [Farm.UnfitDevice]? {
        guard seed % 4 == 2, trouble.fault > 0, !kind.capacity.gpus.isEmpty else { return nil }
        guard elapsed < trouble.until else { return [] }
        return kind.capacity.gpus.compactMap { gpu in
            var random = SplitMix64(seed: seed ^ 0x0FF)
            for byte in "\(gpu.uuid) \(Int(elapsed.inSeconds) / 30)".utf8 {
                random = SplitMix64(seed: random.next() ^ UInt64(byte))
            }
            return chance(0.3, &random)
                ? Farm.UnfitDevice(uuid: gpu.uuid, reason: "process 42 computes on it, for nobody's attempt") : nil
        }
    }

    func items(of listing: ShardID) -> Int {
        var random = random(of: listing, salt: 2)
        return Int.random(in: chance(0.1, &random) ? 0...0 : 1...9, using: &random)
    }

    func duration(of attempt: AttemptID) -> Duration {
        var random = random(of: attempt.shard, salt: 3)
        let usual = Duration.milliseconds(
            chance(0.1, &random)
                ? .random(in: 20_000...90_000, using: &random) : .random(in: 50...9_000, using: &random))
        return hangs(attempt) ? usual + .milliseconds(.random(in: 20_000...200_000, using: &random)) : usual
    }

    /// Whether the attempt takes far longer than others at its shard do.
    private func hangs(_ attempt: AttemptID) -> Bool {
        let plan = submissions.first { $0.run == attempt.run }?.plan
        guard attempt.number == 1, !attempt.shard.isListing, let jobs = plan?.jobs,
            jobs.indices.contains(attempt.shard.cell.job), jobs[attempt.shard.cell.job].isIdempotent
        else { return false }
        var random = random(of: attempt.shard, salt: 5)
        return chance(0.25, &random)
    }

    func resolution(of job: Int, in submission: Submission, needed: [Farm.JobEnding]) -> Farm.Resolution {
        var random = random(of: ShardID(run: submission.run, job: job, cell: 0, shard: 0), salt: 4)
        let planned = submission.plan.jobs[job]
        if chance(0.05, &random) { return .notApplicable(reason: "its condition is false") }
        if chance(0.03, &random) { return .failed(reason: "matrix: not JSON") }
        if needed.contains(where: { $0 == .failure || $0 == .cancelled }) && chance(0.7, &random) {
            return .notReached(reason: "a job that it needs failed")
        }
        return .cells(
            planned.cells ?? [], failFast: planned.failFast, maxParallel: planned.maxParallel,
            goesOn: planned.onCancel == .asks && chance(0.6, &random))
    }
}

/// How much goes wrong in a world, as probabilities and mean times.
package struct Trouble: Sendable {
    /// Of each message but the first of a connection.
    package var loss: Double
    /// Of each message: it takes seconds, and what is behind it on its connection waits.
    package var delay: Double
    package var decline: Double
    /// Of each attempt: the agent or its GPU fails.
    package var fault: Double
    /// Of each commit: the coordinator dies before, in or after it, or before all effects have left.
    package var deathAtCommit: Double
    /// Between crashes, broken connections, partitions, coordinators killed, drainings and removals; `nil`: none.
    package var meanBetween: Duration?
    /// No trouble begins later.
    package var until: Duration

    package init(
        loss: Double, delay: Double, decline: Double, fault: Double, deathAtCommit: Double, meanBetween: Duration?,
        until: Duration
    ) {
        self.loss = loss
        self.delay = delay
        self.decline = decline
        self.fault = fault
        self.deathAtCommit = deathAtCommit
        self.meanBetween = meanBetween
        self.until = until
    }

    package static let none = Trouble(
        loss: 0, delay: 0, decline: 0, fault: 0, deathAtCommit: 0, meanBetween: nil, until: .zero)
    package static let some = Trouble(
        loss: 0.01, delay: 0.003, decline: 0.02, fault: 0.03, deathAtCommit: 0.002, meanBetween: .seconds(15),
        until: .seconds(200))
    package static let much = Trouble(
        loss: 0.05, delay: 0.01, decline: 0.05, fault: 0.1, deathAtCommit: 0.02, meanBetween: .seconds(4),
        until: .seconds(150))
}

func chance(_ probability: Double, _ random: inout SplitMix64) -> Bool {
    Double.random(in: 0..<1, using: &random) < probability
}
