import Gates
import Model
import Queries
import Storage
import Testing
import Wire

@Suite struct `A baseline by branch` {
    private static let gates = [
        GateRule(
            name: "g", metric: "accuracy", limits: [.dropAtMost(.absolute(0.01))], baseline: .branch("main"))
    ]

    /// A run of one cell with one shard at a commit.
    private func add(
        _ sample: StoredSample, _ number: UInt64, commit: String, tree: UInt8, accuracy: Double = 0.9,
        dirty: Bool = false, untrusted: String? = nil, gates: [GateRule] = [], history: [String]? = nil,
        ends: Bool = true, given: [String] = [], vars: [String: String] = [:], repository: String = "",
        problem: String = ""
    ) throws {
        sample.run = RunID(number)
        var plan = StoredSample.plan(cells: 1, shards: ShardPlan(), gates: gates)
        plan.untrusted = untrusted
        plan.givenInputs = given
        try sample.submit(plan, tree: tree, commit: commit) { request in
            request.dirty = dirty
            request.vars = vars
            request.repository = repository
            guard let history else { return }
            request.branches = [
                .with {
                    $0.name = "main"
                    $0.commits = history
                    $0.problem = problem
                }
            ]
        }
        try sample.resolve()
        try sample.pass(0, 0, metrics: "{\"accuracy\": \(accuracy)}")
        if ends { try sample.end() }
    }

    private func group(_ sample: StoredSample) throws -> GroupJudgement? {
        guard let snapshot = try sample.snapshot() else { return nil }
        return judge(
            snapshot.plan.gates, results: try snapshot.results(object: sample.object),
            baselines: try sample.reader.baselines(of: snapshot, object: sample.object)
        ).gates[1].groups.first
    }

    private let old = "aaaa"
    private let base = "bbbb"
    private let tip = "cccc"

    @Test func `is the newest passing run at the merge base`() throws {
        let sample = try StoredSample()
        try add(sample, 1, commit: base, tree: 1, accuracy: 0.5)
        try add(sample, 2, commit: base, tree: 1, accuracy: 0.95)
        try add(sample, 3, commit: base, tree: 9, accuracy: 0.1, dirty: true)
        try add(sample, 4, commit: base, tree: 7, accuracy: 0.1, untrusted: "a fork's")
        try add(sample, 5, commit: tip, tree: 2, gates: Self.gates, history: [base, old], ends: false)
        let found = try group(sample)
        #expect(found?.verdict == .fail && found?.baseline == 0.95)
        #expect(found?.baselineSource == "main = r2, commit bbbb, the merge base")
    }

    /// What a run came to, as far as it tells whether it can be a baseline.
    private func end(_ sample: StoredSample, _ number: UInt64, _ groups: [String: Verdict]) throws {
        let gates = groups.sorted { $0.key < $1.key }.map { name, verdict in
            var group = GroupJudgement(place: [], verdict: verdict, reason: "as it was then")
            group.isWorse = verdict != .pass && name != "floor"
            return GateJudgement(name: name, isRequired: true, question: "", groups: [group])
        }
        let judgement = Judgement(gates: gates, cells: [])
        try sample.store.commit([
            .runEnded(
                RunEnding(
                    run: RunID(number), at: sample.clock, verdict: judgement.verdict, exitCode: 0,
                    judgement: judgement.record))
        ])
    }

    /// Else a day's exception would be the measure of all days after it.
    @Test func `is never a run whose drop a waiver let pass`() throws {
        let sample = try StoredSample()
        try add(sample, 1, commit: base, tree: 1, accuracy: 0.95)
        try add(sample, 2, commit: base, tree: 1, accuracy: 0.5, gates: Self.gates, ends: false)
        try end(sample, 2, ["g": .waived])
        try add(sample, 3, commit: tip, tree: 2, gates: Self.gates, history: [base, old], ends: false)
        #expect(try group(sample)?.baselineSource == "main = r1, commit bbbb, the merge base")
        // Where it is the only one, that there is none is not that there never was one.
        var first = Self.gates
        first[0].passesFirstOnFloor = true
        first[0].limits.append(.atLeast(0.1))
        let alone = try StoredSample()
        try add(alone, 1, commit: base, tree: 1, accuracy: 0.5, gates: Self.gates, ends: false)
        try end(alone, 1, ["g": .waived])
        try add(alone, 2, commit: tip, tree: 2, gates: first, history: [base, old], ends: false)
        let found = try group(alone)
        #expect(found?.verdict == .inconclusive)
        #expect(found?.reason.contains("r1 is none, for what it compares was waived") == true, "\(found?.reason ?? "")")
    }

    /// A waiver of a latency says nothing of the accuracy that was measured, nor does one of a plain limit.
    @Test func `is a run that waives something else`() throws {
        var latency = Self.gates[0]
        (latency.name, latency.metric) = ("latency", "latency_ms")
        let floor = GateRule(name: "floor", metric: "accuracy", limits: [.atLeast(0.99)])
        for waived in ["latency", "floor"] {
            let sample = try StoredSample()
            try add(sample, 1, commit: base, tree: 1, gates: Self.gates + [latency, floor], ends: false)
            try end(sample, 1, ["g": .pass, waived: .waived])
            try add(sample, 2, commit: tip, tree: 2, gates: Self.gates, history: [base, old], ends: false)
            #expect(
                try group(sample)?.baselineSource
                    == "main = r1, commit bbbb, the merge base, where something else was waived", "\(waived)")
        }
    }

    /// A gate may hold a plain limit beside: waiving that one lets no drop pass.
    @Test func `is a run that waives the plain limit of a gate that compares`() throws {
        let sample = try StoredSample()
        try add(sample, 1, commit: base, tree: 1, gates: Self.gates, ends: false)
        var group = GroupJudgement(place: [], verdict: .waived, reason: "below the floor")
        let judgement = { (isWorse: Bool) in
            group.isWorse = isWorse
            return Judgement(
                gates: [GateJudgement(name: "g", isRequired: true, question: "", groups: [group])], cells: [])
        }
        try sample.store.commit([
            .runEnded(
                RunEnding(
                    run: RunID(1), at: sample.clock, verdict: .waived, exitCode: 0, judgement: judgement(false).record))
        ])
        try add(sample, 2, commit: tip, tree: 2, gates: Self.gates, history: [base, old], ends: false)
        #expect(try self.group(sample)?.baselineRun == RunID(1))
        #expect(!judgement(true).canBeBaseline(comparing: ["g"]) && judgement(true).canBeBaseline(comparing: []))
    }

    /// At one commit, what could not be compared hides nothing that passed there; and a person can say that a run is one.
    @Test func `is what passed before what did not, unless somebody names that`() throws {
        let sample = try StoredSample()
        try add(sample, 1, commit: base, tree: 1, accuracy: 0.9)
        try add(sample, 2, commit: base, tree: 1, accuracy: 0.2, gates: Self.gates, history: [base], ends: false)
        try end(sample, 2, ["g": .inconclusive])
        try add(sample, 3, commit: tip, tree: 2, accuracy: 0.2, gates: Self.gates, history: [base, old], ends: false)
        #expect(try group(sample)?.verdict == .fail)
        #expect(try group(sample)?.baselineRun == RunID(1))
        // A drop that is meant to stay, and came to a failure.
        let alone = try StoredSample()
        try add(alone, 1, commit: old, tree: 1, accuracy: 0.9)
        try add(alone, 2, commit: base, tree: 3, accuracy: 0.2, gates: Self.gates, ends: false)
        try end(alone, 2, ["g": .fail])
        try add(alone, 3, commit: tip, tree: 2, accuracy: 0.2, gates: Self.gates, history: [base, old], ends: false)
        #expect(try group(alone)?.verdict == .fail)
        try alone.store.commit([
            .baselineSet(BaselineRecord(alias: "smaller-model", run: RunID(2), setBy: "user ada", setAt: alone.clock))
        ])
        #expect(try group(alone)?.verdict == .pass)
        #expect(
            try group(alone)?.baselineSource
                == "main = r2, commit bbbb, the merge base, verdict fail, which somebody has named as one")
    }

    /// A pull request's lane leaves cells out: what they came to before is in a run that had them.
    @Test func `is a run of all that has to be measured, where there is one`() throws {
        let sample = try StoredSample()
        func add(_ number: UInt64, _ commit: String, _ values: [Double?], tree: UInt8, history: [String]) throws {
            sample.run = RunID(number)
            var plan = StoredSample.plan(cells: 2, shards: ShardPlan(), gates: number == 3 ? Self.gates : [])
            for (cell, value) in values.enumerated() where value == nil {
                plan.jobs[0].cells?[cell].skipped = "its tier is full, this run's is pr"
            }
            try sample.submit(plan, tree: tree, commit: commit) { request in
                request.dirty = false
                request.branches = [
                    .with {
                        $0.name = "main"
                        $0.commits = history
                    }
                ]
            }
            try sample.resolve()
            for (cell, value) in values.enumerated() {
                if let value { try sample.pass(cell, 0, metrics: "{\"accuracy\": \(value)}") }
            }
            if number < 3 { try sample.end() }
        }
        try add(1, old, [0.9, 0.8], tree: 1, history: [])
        try add(2, base, [0.9, nil], tree: 3, history: [])
        try add(3, tip, [0.9, 0.2], tree: 2, history: [base, old])
        let found = try group(sample)
        #expect(found?.baselineSource == "main = r1, commit aaaa, 1 commit before the merge base")
        let snapshot = try #require(try sample.snapshot())
        let judged = judge(
            snapshot.plan.gates, results: try snapshot.results(object: sample.object),
            baselines: try sample.reader.baselines(of: snapshot, object: sample.object))
        #expect(judged.gates[1].groups.map(\.verdict) == [.pass, .fail])
        // Where no run of the branch had it, it is as good as new: a nightly run of all cells has to begin somewhere.
        var lenient = Self.gates
        lenient[0].limits.append(.atLeast(0.1))
        let theirs = try #require(try sample.reader.snapshot(of: RunID(2)))
        var known = ResolvedBaseline(
            .branch("main"), .found(try theirs.results(object: sample.object), name: "r2"))
        known.skippedAreNew = true
        let alone = { (gates: [GateRule]) in
            judge(gates, results: try snapshot.results(object: sample.object), baselines: [known])
        }
        #expect(try alone(lenient).gates[1].groups.map(\.verdict) == [.pass, .inconclusive])
        #expect(try alone(lenient).canBeBaseline(comparing: []))
        lenient[0].newCellsFloorOnly = true
        let groups = try alone(lenient).gates[1].groups
        #expect(groups.map(\.verdict) == [.pass, .pass])
        #expect(
            groups[1].reason.contains("eval (1) did not run there (its tier is full, this run's is pr)"),
            "\(groups[1].reason)")
    }

    /// A run of one or two jobs with a cell each; a value of `nil` is of a job that its `if` left out.
    private func addJobs(
        _ sample: StoredSample, _ number: UInt64, _ commit: String, _ values: [(metric: String, value: Double)?],
        gates: [GateRule] = [], history: [String] = []
    ) throws {
        sample.run = RunID(number)
        var plan = StoredSample.plan(cells: 1, shards: ShardPlan(), gates: gates)
        for place in values.indices.dropFirst() {
            var job = plan.jobs[0]
            job.id = "eval\(place)"
            plan.jobs.append(job)
        }
        try sample.submit(plan, tree: UInt8(number), commit: commit) { request in
            request.dirty = false
            request.branches = [
                .with {
                    $0.name = "main"
                    $0.commits = history
                }
            ]
        }
        for (job, value) in values.enumerated() {
            guard let value else {
                try sample.resolve(job, kind: .notApplicable, reason: "nothing of it was touched")
                continue
            }
            try sample.resolve(job)
            let cell = CellID(run: sample.run, job: job, cell: 0)
            let file = sample.put("{\"\(value.metric)\": \(value.value)}")
            try sample.run(AttemptID(shard: ShardID(cell: cell, shard: 0), number: 1)) { $0.metrics = file }
            try sample.store.commit([
                .shardsSettled(
                    SettlementRecord(
                        cell: cell, first: 0, last: 0, attempt: 1, cause: Cause(.passed), at: sample.clock))
            ])
        }
        if gates.isEmpty { try sample.end() }
    }

    private func groups(_ sample: StoredSample) throws -> [GroupJudgement] {
        let snapshot = try #require(try sample.snapshot())
        return judge(
            snapshot.plan.gates, results: try snapshot.results(object: sample.object),
            baselines: try sample.reader.baselines(of: snapshot, object: sample.object)
        ).gates.dropFirst().flatMap(\.groups)
    }

    private static func gate(_ name: String, job: String, _ metric: String = "accuracy") -> GateRule {
        GateRule(
            name: name, job: job, metric: metric, limits: [.dropAtMost(.absolute(0.01)), .atLeast(0.1)],
            baseline: .branch("main"))
    }

    /// In a repository of several models, a commit measures those that it touches.
    @Test func `is for each job the newest run that ran it`() throws {
        let gates = [Self.gate("one", job: "eval"), Self.gate("two", job: "eval1")]
        let sample = try StoredSample()
        try addJobs(sample, 1, old, [("accuracy", 0.9), ("accuracy", 0.8)])
        try addJobs(sample, 2, base, [nil, ("accuracy", 0.7)])
        try addJobs(
            sample, 3, tip, [("accuracy", 0.5), ("accuracy", 0.7)], gates: gates, history: [base, old])
        let found = try groups(sample)
        #expect(found.map(\.verdict) == [.fail, .pass])
        #expect(
            found.map(\.baselineSource) == [
                "main = r1, commit aaaa, 1 commit before the merge base", "main = r2, commit bbbb, the merge base",
            ])
        // Whoever judges the export again says the same, of the same files.
        let snapshot = try #require(try sample.snapshot())
        let answers = try sample.reader.baselines(of: snapshot, object: sample.object)
        #expect(answers.map(\.gates) == [["one"], ["two"]])
        let judgement = judge(
            gates, results: try snapshot.results(object: sample.object), baselines: answers)
        let notes = try #require(Judgement(record: judgement.record)).baselines
        let files = try [2, 1].map { (number: UInt64) in
            let other = try #require(try sample.reader.snapshot(of: RunID(number)))
            return (results: try other.results(object: sample.object), name: "r\(number).jsonl")
        }
        let again = judge(
            gates, results: try snapshot.results(object: sample.object),
            baselines: ResolvedBaseline.again([.branch("main")], notes: notes, files: files))
        #expect(again.gates.map(\.groups) == judgement.gates.map(\.groups))
        // One of them stands in for no other.
        let without = judge(
            gates, results: try snapshot.results(object: sample.object),
            baselines: ResolvedBaseline.again([.branch("main")], notes: notes, files: [files[0]]))
        #expect(without.gates[1].verdict == .inconclusive && without.gates[2].groups == judgement.gates[2].groups)
        #expect(
            without.gates[1].groups[0].reason.contains("the farm compared with main = r1"),
            "\(without.gates[1].groups[0].reason)")
    }

    /// A job that never ran, and a metric that never was reported, have to begin somewhere.
    @Test(arguments: [
        (nil, "the baseline does not measure it: job 'eval' was skipped there: nothing of it was touched"),
        ("loss", "the baseline does not measure it: none of its cells reports accuracy"),
    ])
    func `that never measured it is none`(reported: String?, words: String) throws {
        for isFirst in [false, true] {
            var gate = Self.gate("g", job: "eval")
            gate.passesFirstOnFloor = isFirst
            let sample = try StoredSample()
            try addJobs(sample, 1, base, [reported.map { ($0, 0.9) }])
            try addJobs(sample, 2, tip, [("accuracy", 0.5)], gates: [gate], history: [base])
            let found = try #require(try groups(sample).first)
            #expect(found.verdict == (isFirst ? .pass : .inconclusive), "\(found.reason)")
            #expect(reported == nil || found.reason.contains(words), "\(found.reason)")
            #expect(isFirst || found.isUncompared)
            // Somebody may also name one that never measured it.
            gate.baseline = .run(RunID(1))
            try addJobs(sample, 3, tip, [("accuracy", 0.5)], gates: [gate], history: [base])
            let asked = try #require(try groups(sample).first)
            #expect(
                asked.verdict == (isFirst ? .pass : .inconclusive) && asked.reason.contains(words), "\(asked.reason)")
        }
    }

    /// One gate whose metric nobody reports ends no other's search.
    @Test func `is looked for by each gate for itself`() throws {
        var gates = [Self.gate("one", job: "eval"), Self.gate("two", job: "eval1", "fresh")]
        for place in gates.indices { gates[place].passesFirstOnFloor = true }
        let commits = (1...105).map { "c\($0)" }
        let sample = try StoredSample()
        try addJobs(sample, 1, old, [("accuracy", 0.9), ("loss", 0.1)])
        for (place, commit) in commits.enumerated() {
            try addJobs(sample, UInt64(place + 2), commit, [nil, ("loss", 0.1)])
        }
        try addJobs(
            sample, 200, tip, [("accuracy", 0.5), ("fresh", 0.5)], gates: gates, history: commits.reversed() + [old])
        let found = try groups(sample)
        #expect(found.map(\.verdict) == [.fail, .pass] && found[0].baselineRun == RunID(1), "\(found.map(\.reason))")
    }

    /// Nor does what somebody let pass of one metric say anything of another job's.
    @Test func `is hindered by a waiver for the gates alone that compare the same`() throws {
        let gates = [Self.gate("one", job: "eval"), Self.gate("two", job: "eval1")]
        let sample = try StoredSample()
        try addJobs(sample, 1, old, [("accuracy", 0.9), ("accuracy", 0.5)])
        try addJobs(sample, 2, base, [("accuracy", 0.5), ("accuracy", 0.9)], gates: gates, history: [old])
        try end(sample, 2, ["one": .waived, "two": .pass])
        try addJobs(sample, 3, tip, [("accuracy", 0.5), ("accuracy", 0.5)], gates: gates, history: [base, old])
        let found = try groups(sample)
        #expect(found.map(\.baselineRun) == [RunID(1), RunID(2)] && found.map(\.verdict) == [.fail, .fail])
    }

    /// A person names a run for what it measured; of what went wrong in it, it says nothing.
    @Test func `is no named run in which the job failed, where another has a value`() throws {
        let gates = [Self.gate("one", job: "eval"), Self.gate("two", job: "eval1")]
        let sample = try StoredSample()
        try addJobs(sample, 1, old, [("accuracy", 0.9), ("accuracy", 0.9)])
        try addJobs(sample, 2, base, [("accuracy", 0.5), ("nothing", 0)], gates: gates, history: [old])
        try end(sample, 2, ["one": .fail, "two": .incomplete])
        try sample.store.commit([
            .baselineSet(BaselineRecord(alias: "lower", run: RunID(2), setBy: "user ada", setAt: sample.clock))
        ])
        try addJobs(sample, 3, tip, [("accuracy", 0.5), ("accuracy", 0.5)], gates: gates, history: [base, old])
        let found = try groups(sample)
        #expect(found.map(\.baselineRun) == [RunID(2), RunID(1)] && found.map(\.verdict) == [.pass, .fail])
    }

    /// A run of the cells with values; `nil` is of one that was left out, or that did not have to pass where `optional` says so.
    private func addLane(
        _ sample: StoredSample, _ number: UInt64, _ commit: String, _ values: [Double?], optional: Int? = nil,
        gates: [GateRule] = [], history: [String] = []
    ) throws {
        sample.run = RunID(number)
        var plan = StoredSample.plan(cells: values.count, shards: ShardPlan(), gates: gates)
        for (cell, value) in values.enumerated() where value == nil {
            plan.jobs[0].cells?[cell].skipped = "another lane's"
        }
        if let optional { plan.jobs[0].cells?[optional].required = false }
        try sample.submit(plan, tree: UInt8(number), commit: commit) { request in
            request.dirty = false
            request.branches = [
                .with {
                    $0.name = "main"
                    $0.commits = history
                }
            ]
        }
        try sample.resolve()
        for (cell, value) in values.enumerated() {
            if let value { try sample.pass(cell, 0, metrics: "{\"accuracy\": \(value)}") }
        }
        if gates.isEmpty { try sample.end() }
    }

    /// What the branch has measured somewhere is not new, and floors do not speak for it.
    @Test func `knows cells that only another run has run`() throws {
        var gate = Self.gate("g", job: "eval")
        (gate.newCellsFloorOnly, gate.passesFirstOnFloor) = (true, true)
        let lanes = try StoredSample()
        try addLane(lanes, 1, old, [0.9, nil])
        try addLane(lanes, 2, base, [nil, 0.8])
        try addLane(lanes, 3, tip, [0.5, 0.2], gates: [gate], history: [base, old])
        #expect(try groups(lanes).map(\.verdict) == [.inconclusive, .fail])
        // Where no run has it, it has to begin.
        try addLane(lanes, 4, tip, [0.5, 0.2], gates: [gate], history: [base])
        #expect(try groups(lanes).map(\.verdict) == [.pass, .fail])
        // Gone for a while, and back.
        let gone = try StoredSample()
        try addLane(gone, 1, old, [0.9, 0.8])
        try addLane(gone, 2, base, [0.9])
        try addLane(gone, 3, tip, [0.9, 0.2], gates: [gate], history: [base, old])
        let back = try groups(gone)
        #expect(
            back.map(\.verdict) == [.pass, .inconclusive] && back[1].reason.contains("it was gone"), "\(back[1].reason)"
        )
        // Excused for a while.
        let excused = try StoredSample()
        try addLane(excused, 1, old, [0.9, 0.8])
        try addLane(excused, 2, base, [0.9, 0.2], optional: 1)
        try addLane(excused, 3, tip, [0.9, 0.2], gates: [gate], history: [base, old])
        let again = try groups(excused)
        #expect(again.map(\.verdict) == [.pass, .fail] && again[1].baselineRun == RunID(1))
        // Whoever judges the export again knows it, too.
        let snapshot = try #require(try gone.snapshot())
        let results = try snapshot.results(object: gone.object)
        let judgement = judge(
            [gate], results: results, baselines: try gone.reader.baselines(of: snapshot, object: gone.object))
        let older = try #require(try gone.reader.snapshot(of: RunID(2))).results(object: gone.object)
        let same = judge(
            [gate], results: results,
            baselines: ResolvedBaseline.again(
                [.branch("main")], notes: try #require(Judgement(record: judgement.record)).baselines,
                files: [(older, "r2.jsonl")]))
        #expect(same.gates.map(\.groups) == judgement.gates.map(\.groups))
    }

    /// That a metric was forgotten for a while hides nothing.
    @Test func `is looked for beyond runs that lack the metric`() throws {
        var gate = Self.gate("g", job: "eval")
        gate.passesFirstOnFloor = true
        let commits = (1...19).map { "c\($0)" }
        let sample = try StoredSample()
        try addJobs(sample, 1, old, [("accuracy", 0.9)])
        for (place, commit) in commits.enumerated() {
            try addJobs(sample, UInt64(place + 2), commit, [("loss", 0.1)])
        }
        try addJobs(sample, 30, tip, [("accuracy", 0.5)], gates: [gate], history: commits + [old])
        let found = try #require(try groups(sample).first)
        #expect(found.verdict == .fail && found.baselineRun == RunID(1), "\(found.reason)")
    }

    /// "First" means that there never was one, not that nobody can see it from here.
    @Test func `that is out of sight is not one that never was`() throws {
        var first = Self.gates
        first[0].passesFirstOnFloor = true
        first[0].limits.append(.atLeast(0.1))
        let sample = try StoredSample()
        try add(sample, 1, commit: tip, tree: 2, gates: first, history: [base], ends: false)
        #expect(try group(sample)?.verdict == .pass)
        // A commit is the same one in a fork, and in a repository that was renamed.
        for (number, problem, repository, words) in [
            (2 as UInt64, "this clone is shallow", "", "no baseline: this clone is shallow"),
            (3, "", "Alice/Fork", ""), (4, "", "O/N", ""),
        ] {
            let sample = try StoredSample()
            if !repository.isEmpty { try add(sample, 9, commit: base, tree: 1, repository: "o/n") }
            try add(
                sample, 10 + number, commit: tip, tree: 2, gates: first, history: [base], ends: false,
                repository: repository, problem: problem)
            let found = try group(sample)
            #expect(found?.verdict == (words.isEmpty ? .pass : .inconclusive))
            #expect(words.isEmpty || found?.reason.contains(words) == true, "\(found?.reason ?? "")")
            #expect(!words.isEmpty || found?.baselineRun == RunID(9))
        }
    }

    /// A branch's first run has nothing to be compared with. If it were none either, there never would be one.
    @Test func `is also the first run, if it lacked nothing else`() throws {
        let sample = try StoredSample()
        try add(sample, 1, commit: old, tree: 1, gates: Self.gates, history: [old])
        try add(sample, 2, commit: base, tree: 4, gates: Self.gates, history: [], ends: true)
        try add(sample, 3, commit: tip, tree: 2, gates: Self.gates, history: [base, old], ends: false)
        // The second could not be compared for another reason: nobody knows where it parts from main.
        #expect(
            try group(sample)?.baselineSource
                == "main = r1, commit aaaa, 1 commit before the merge base, which could not be compared as a whole itself"
        )
        #expect(try group(sample)?.verdict == .pass)
        // One that was compared, and came to nothing certain, is none.
        var tested = Self.gates
        tested[0].testing = .init(.regression, itemsAtLeast: 1000)
        try add(sample, 4, commit: base, tree: 5, gates: tested, history: [base, old])
        try add(sample, 5, commit: tip, tree: 2, gates: Self.gates, history: [base, old], ends: false)
        #expect(try group(sample)?.baselineSource.hasPrefix("main = r1, ") == true)
    }

    /// What was asked for with other inputs is another measurement.
    @Test func `is a run that was given the same`() throws {
        let sample = try StoredSample()
        try add(sample, 1, commit: old, tree: 1, accuracy: 0.9, given: ["flavor=debug"], vars: ["data": "full"])
        try add(sample, 2, commit: base, tree: 3, accuracy: 0.1, given: ["flavor=debug"], vars: ["data": "tiny"])
        try add(sample, 3, commit: base, tree: 4, accuracy: 0.2)
        try add(
            sample, 4, commit: tip, tree: 2, gates: Self.gates, history: [base, old], ends: false,
            given: ["flavor=debug"], vars: ["data": "full"])
        #expect(try group(sample)?.baselineSource == "main = r1, commit aaaa, 1 commit before the merge base")
        #expect(try group(sample)?.verdict == .pass)
        // Where there is none, it is told what differs; a gate may let it.
        var lenient = Self.gates
        lenient[0].mayDiffer = ["workflow_inputs"]
        for (number, gates, verdict) in [(5 as UInt64, Self.gates, Verdict.inconclusive), (6, lenient, .pass)] {
            try add(
                sample, number, commit: tip, tree: 2, gates: gates, history: [base, old], ends: false,
                given: ["flavor=fast"])
            let found = try group(sample)
            #expect(found?.verdict == verdict)
            #expect(found?.baselineSource == "main = r3, commit bbbb, the merge base")
            if verdict != .pass {
                #expect(
                    found?.reason
                        == "accuracy: not comparable (workflow_inputs differs: flavor=fast here, nothing there)")
            }
        }
    }

    /// A bound in params.yaml is not in the workflow's text: nobody lowers it unseen.
    @Test func `names bounds that are others`() throws {
        let bounded = { (bound: Double) in
            var rule = Self.gates[0]
            rule.limits.append(.atLeast(bound))
            rule.thresholds = [
                GateRule.Threshold(key: "at-least", file: "params.yaml", path: "gates.accuracy", isRead: true)
            ]
            return [rule]
        }
        let sample = try StoredSample()
        try add(sample, 1, commit: base, tree: 1, accuracy: 0.9, gates: bounded(0.85), history: [old], ends: false)
        try sample.store.commit([
            .runEnded(RunEnding(run: RunID(1), at: sample.clock, verdict: .pass, exitCode: 0, judgement: []))
        ])
        try add(sample, 2, commit: tip, tree: 2, accuracy: 0.9, gates: bounded(0.5), history: [base], ends: false)
        #expect(
            try group(sample)?.baselineSource
                == "main = r1, commit bbbb, the merge base, other bounds (there g: drop-at-most 0.01, at-least 0.85)")
    }

    @Test func `is looked for among ancestors, with another tree`() throws {
        let sample = try StoredSample()
        try add(sample, 1, commit: old, tree: 1)
        // The candidate is the branch's own tip, run again: its tree is no baseline for it.
        try add(sample, 2, commit: tip, tree: 2)
        try add(sample, 3, commit: tip, tree: 2, gates: Self.gates, history: [tip, base, old], ends: false)
        #expect(try group(sample)?.baselineSource == "main = r1, commit aaaa, 2 commits before the merge base")
        #expect(try group(sample)?.verdict == .pass)
    }

    @Test func `says where it was looked for`() throws {
        let sample = try StoredSample()
        try add(sample, 1, commit: tip, tree: 2, gates: Self.gates, history: [base, old], ends: false)
        let none = try group(sample)
        #expect(none?.verdict == .inconclusive)
        #expect(
            none?.reason
                == "accuracy: no baseline: no run of 'nightly' that can be one at bbbb, where it parts from 'main', nor at 1 ancestor of it: --with-baseline runs it first"
        )
        try add(sample, 2, commit: tip, tree: 2, gates: Self.gates, ends: false)
        #expect(try group(sample)?.reason.contains("does not say where it parts from branch 'main'") == true)
    }

    @Test func `is never a run that somebody else's team owns`() throws {
        let sample = try StoredSample()
        try add(sample, 1, commit: base, tree: 1)
        sample.owner = Principal(role: .user, name: "eve", team: "other")
        try add(sample, 2, commit: tip, tree: 2, gates: Self.gates, history: [base], ends: false)
        #expect(try group(sample)?.verdict == .inconclusive)
    }
}
