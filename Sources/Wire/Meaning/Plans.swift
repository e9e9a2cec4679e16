import JSON
package import Model

// A plan as the coordinator stores it. Reading a stored plan gives the plan that was written, with three exceptions that
// JSON and the messages' zeros make: a matrix value that is infinite or no number comes back as text, an amount of 0
// bytes as none named, and durations as whole nanoseconds.

extension Proto.Plan {
    package init(_ plan: Model.Plan) {
        self.init()
        name = plan.name
        title = plan.title
        file = plan.file
        jobs = plan.jobs.map { Proto.PlannedJob($0) }
        gates = plan.gates.map { Proto.GateRule($0) }
        falseBlockRate = plan.falseBlockRate
        waivers = plan.waivers.map { Proto.Waiver($0) }
        evaluators = plan.evaluators.map { file in
            .with {
                $0.path = file.path
                $0.digest = file.digest.bytes
            }
        }
        givenInputs = plan.givenInputs
        tree = plan.tree?.bytes ?? []
        deadlineMs = UInt64(clamping: (plan.deadline?.wholeNanoseconds ?? 0) / 1_000_000)
        untrusted = plan.untrusted ?? ""
    }

    package func meaning() throws(MeaningError) -> Model.Plan {
        let count = jobs.count
        return Model.Plan(
            name: name, title: title, file: file,
            jobs: try list("jobs", jobs) { job throws(MeaningError) in try job.meaning(among: count) },
            gates: try list("gates", gates) { gate throws(MeaningError) in try gate.meaning() },
            falseBlockRate: falseBlockRate,
            waivers: try list("waivers", waivers) { waiver throws(MeaningError) in try waiver.meaning() },
            evaluators: try list("evaluators", evaluators) { file throws(MeaningError) in
                guard let digest = Digest(file.digest) else { throw MeaningError("digest", "has 32 bytes") }
                return EvaluatorFile(path: file.path, digest: digest)
            }, givenInputs: givenInputs, tree: try digest("tree", tree),
            deadline: deadlineMs == 0 ? nil : .milliseconds(Int64(clamping: min(deadlineMs, 1 << 40))),
            untrusted: untrusted.isEmpty ? nil : untrusted)
    }
}

extension Proto.PlannedJob {
    package init(_ job: Model.PlannedJob) {
        self.init()
        id = job.id
        name = job.name
        needs = job.needs.map { UInt32(held: $0) }
        matched = job.matched.map { UInt32(held: $0) }
        calls = job.calls.map { UInt32(held: $0) }
        needsGates = job.needsGates
        condition = job.condition
        onCancel = job.onCancel.rawValue
        cellsKnown = job.cells != nil
        cells = (job.cells ?? []).map { Proto.PlannedCell($0) }
        failFast = job.failFast
        maxParallel = job.maxParallel.map { UInt32(held: $0) }
        shards = Proto.ShardPlan(job.shards)
        retry = Proto.RetryPolicy(job.retry)
        idempotent = job.isIdempotent
        work = Proto.JobWork(job.work)
    }

    /// - Parameter jobCount: how many jobs the plan has: `needs` name them by position.
    package func meaning(among jobCount: Int) throws(MeaningError) -> Model.PlannedJob {
        guard cellsKnown || cells.isEmpty else { throw MeaningError("cells", "are given, and said to be unknown") }
        guard let onCancel = CancelledRun(rawValue: onCancel) else {
            throw MeaningError("on_cancel", "is \(onCancel), which nobody knows")
        }
        return Model.PlannedJob(
            id: id, name: name,
            needs: try list("needs", needs) { need throws(MeaningError) in
                guard need < jobCount else { throw MeaningError("", "names job \(need) of \(jobCount)") }
                return Int(need)
            },
            matched: try list("matched", matched) { need throws(MeaningError) in
                guard needs.contains(need) else { throw MeaningError("", "names job \(need), which is not needed") }
                return Int(need)
            },
            calls: calls.map { Int($0) },
            needsGates: needsGates, condition: condition, onCancel: onCancel,
            cells: cellsKnown ? try list("cells", cells) { cell throws(MeaningError) in try cell.meaning() } : nil,
            failFast: failFast, maxParallel: maxParallel.map { Int($0) },
            shards: try required("shards", shards) { shards throws(MeaningError) in try shards.meaning() },
            retry: try required("retry", retry) { retry throws(MeaningError) in try retry.meaning() },
            isIdempotent: idempotent,
            work: try required("work", work) { work throws(MeaningError) in try work.meaning() })
    }
}

extension Proto.PlannedCell {
    package init(_ cell: Model.PlannedCell) {
        self.init()
        id = cell.id
        name = cell.name
        valuesJson = JSONWriter.text(.object(cell.values))
        labels = cell.labels
        python = cell.python
        resources = Proto.Resources(cell.resources)
        timeoutNs = UInt64(clamping: cell.timeout.wholeNanoseconds)
        idleTimeoutNs = cell.idleTimeout.map { UInt64(clamping: $0.wholeNanoseconds) }
        queueTimeoutNs = UInt64(clamping: cell.queueTimeout.wholeNanoseconds)
        continueOnError = cell.continueOnError
        required = cell.required
        inputs = cell.inputs.map { Proto.HeldInput($0) }
        needs = cell.needs.map { need in
            .with {
                $0.job = UInt32(held: need.job)
                $0.cells = need.cells.map { UInt32(held: $0) }
                $0.anyEnd = !need.mustPass
            }
        }
        environment = cell.environment
        group = cell.concurrency?.name ?? ""
        groupCancels = cell.concurrency?.cancels ?? false
        groupQueues = cell.concurrency?.queues ?? false
        callGroups = cell.callGroups.map { outer in
            .with {
                $0.call = UInt32(held: outer.call)
                $0.title = outer.title
                ($0.group, $0.cancels, $0.queues) = (outer.group.name, outer.group.cancels, outer.group.queues)
            }
        }
        skipped = cell.skipped
        expectedNs = cell.expected.map { UInt64(clamping: $0.wholeNanoseconds) } ?? 0
        environmentLock = cell.environmentLock?.bytes ?? []
    }

    package func meaning() throws(MeaningError) -> Model.PlannedCell {
        Model.PlannedCell(
            id: id, name: name, values: try members("values_json", valuesJson), labels: labels, python: python,
            resources: try Wire.required("resources", resources) { asked throws(MeaningError) in try asked.meaning() },
            timeout: try duration("timeout_ns", timeoutNs),
            idleTimeout: try idleTimeoutNs.map { nanoseconds throws(MeaningError) in
                try duration("idle_timeout_ns", nanoseconds)
            },
            queueTimeout: try duration("queue_timeout_ns", queueTimeoutNs), continueOnError: continueOnError,
            required: required,
            inputs: try list("inputs", inputs) { input throws(MeaningError) in try input.meaning() },
            needs: needs.map { CellNeed(job: Int($0.job), cells: $0.cells.map { Int($0) }, mustPass: !$0.anyEnd) },
            environment: environment,
            concurrency: group.isEmpty
                ? nil : ConcurrencyGroup(name: group, cancels: groupCancels, queues: groupQueues),
            callGroups: callGroups.map {
                CallGroup(
                    call: Int($0.call), title: $0.title,
                    group: ConcurrencyGroup(name: $0.group, cancels: $0.cancels, queues: $0.queues))
            },
            skipped: skipped, expected: expectedNs == 0 ? nil : try duration("expected_ns", expectedNs),
            environmentLock: try digest("environment_lock", environmentLock))
    }
}

extension Proto.AgentJoined {
    /// What of its `keeps` counts: more than this of each kind is an agent's mistake, and left out.
    package static let keepsMax = 128

    package func kept() throws(MeaningError) -> [Digest] { try digests("keeps", Array(keeps.prefix(Self.keepsMax))) }
}

/// - Returns: `nil` for none.
private func digest(_ name: String, _ bytes: [UInt8]) throws(MeaningError) -> Digest? {
    guard !bytes.isEmpty else { return nil }
    guard let digest = Digest(bytes) else { throw MeaningError(name, "has 32 bytes") }
    return digest
}

private func digests(_ name: String, _ all: [[UInt8]]) throws(MeaningError) -> [Digest] {
    try list(name, all) { bytes throws(MeaningError) in
        guard let digest = Digest(bytes) else { throw MeaningError("", "has 32 bytes") }
        return digest
    }
}

/// The members of an object that travels as JSON.
private func members(_ name: String, _ text: String) throws(MeaningError) -> [Value.Member] {
    let value: Value
    do {
        value = try JSONParser.value(text, depthMax: Limits.nestingMax + 1)
    } catch {
        throw MeaningError(name, "is no JSON: \(error)")
    }
    guard case .object(let members) = value else { throw MeaningError(name, "is no JSON object") }
    return members
}

private func duration(_ name: String, _ nanoseconds: UInt64) throws(MeaningError) -> Duration {
    guard let count = Int64(exactly: nanoseconds) else { throw MeaningError(name, "is more than 292 years") }
    return .nanoseconds(count)
}

extension Proto.ShardPlan {
    package init(_ plan: Model.ShardPlan) {
        self.init()
        count = UInt32(held: plan.count)
        items = plan.items.map { Proto.ItemSource($0) }
        maxParallel = plan.maxParallel.map { UInt32(held: $0) }
        failFast = plan.failFast
        if case .history(let target) = plan.balance {
            balanceHistory = true
            targetNs = target.map { UInt64(clamping: $0.wholeNanoseconds) } ?? 0
        }
    }

    package func meaning() throws(MeaningError) -> Model.ShardPlan {
        guard count > 0 else { throw MeaningError("count", "is missing: a cell has at least 1 shard") }
        guard balanceHistory || targetNs == 0 else { throw MeaningError("target_ns", "needs 'balance_history'") }
        let target = targetNs == 0 ? nil : try duration("target_ns", targetNs)
        let items = try self.items.map { source throws(MeaningError) in
            try field("items") { () throws(MeaningError) in try source.meaning() }
        }
        return Model.ShardPlan(
            count: Int(count), items: items, balance: balanceHistory ? .history(target: target) : .none,
            maxParallel: maxParallel.map { Int($0) }, failFast: failFast)
    }
}

extension Proto.ItemSource {
    package init(_ source: Model.ShardPlan.ItemSource) {
        self.init()
        kind =
            switch source {
            case .file(let path): .file(path)
            case .command(let command): .command(command)
            case .collect(let collector): .collect(collector)
            }
    }

    package func meaning() throws(MeaningError) -> Model.ShardPlan.ItemSource {
        switch kind {
        case .file(let path): .file(path)
        case .command(let command): .command(command)
        case .collect(let collector): .collect(collector)
        case nil: throw MeaningError("kind", "is missing: it is one of file, command and collect")
        }
    }
}

extension Proto.RetryPolicy {
    package init(_ policy: Model.RetryPolicy) {
        self.init()
        attemptsMax = UInt32(held: policy.attemptsMax)
        on = policy.on
        backoffMinNs = UInt64(clamping: policy.backoffMin.wholeNanoseconds)
        backoffMaxNs = UInt64(clamping: policy.backoffMax.wholeNanoseconds)
        memoryFactor = policy.memoryFactor
    }

    package func meaning() throws(MeaningError) -> Model.RetryPolicy {
        guard attemptsMax > 0 else { throw MeaningError("attempts_max", "is missing: the first attempt counts") }
        guard memoryFactor >= 1, memoryFactor.isFinite else {
            throw MeaningError("memory_factor", "is \(memoryFactor); it is at least 1")
        }
        return Model.RetryPolicy(
            attemptsMax: Int(attemptsMax), on: on, backoffMin: try duration("backoff_min_ns", backoffMinNs),
            backoffMax: try duration("backoff_max_ns", backoffMaxNs), memoryFactor: memoryFactor)
    }
}
