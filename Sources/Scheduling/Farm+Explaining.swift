package import Model

/// Why something waits, in sentences that name what is missing.
extension Farm {
    /// Why a cell, or one of its shards, waits, runs or has ended.
    package func explain(_ id: CellID, shard: Int?, at now: Instant) -> [String] {
        guard let run = runSlots[id.run], runs[run].jobs.indices.contains(id.job) else {
            return ["run \(id.run) is not known, or has been judged"]
        }
        let job = runs[run].jobs[id.job]
        switch job.phase {
        case .waiting:
            let open = job.planned.needs.map { runs[run].jobs[$0] }.filter {
                if case .ended = $0.phase { false } else { true }
            }
            return ["waits for " + joined(open.map { "job '\($0.planned.id)'" })]
        case .ready:
            let gates = job.planned.needsGates
            return [
                gates.isEmpty ? "its condition and its matrix are being evaluated" : "waits for gates \(joined(gates))"
            ]
        case .running, .ended: break
        }
        guard let place = place(of: id) else { return ["its job ended without running: \(job.unrun.rawValue)"] }
        let cell = self[cell: place]
        switch cell.phase {
        case .ended(let ending): return ["it has ended: \(ending.rawValue)"]
        case .unopened:
            guard case .open(let needed) = needs(of: place) else { return ["it is about to be queued"] }
            return ["waits for cell '\(self[cell: needed].planned.name)'"]
        case .held: return ["waits for its concurrency group"]
        case .listing, .open: break
        }
        var lines = stop(of: place).map { ["is being stopped: \($0.evidence)"] } ?? []
        if let shard { return lines + explain(place, shard: shard, at: now) }
        lines += cell.leased.elements.prefix(10).flatMap { explain(place, shard: $0, at: now) }
        if cell.leased.count > 10 { lines.append("\(cell.leased.count - 10) more shards run") }
        lines += cell.returned.keys.sorted().prefix(10).flatMap { explain(place, shard: $0, at: now) }
        if let first = cell.fresh.first {
            if cell.fresh.count > 1 {
                lines.append("\(cell.fresh.count) shards were not leased yet; the first of them:")
            }
            lines += explain(place, shard: first, at: now)
        }
        return lines
    }

    private func explain(_ place: Place, shard: Int, at now: Instant) -> [String] {
        let name = shard == ShardID.listing ? "the listing" : "shard \(shard)"
        let cell = self[cell: place]
        let key = ShardID(cell: id(of: place), shard: shard)
        if let lease = leases[key] {
            return [explain(name, place, lease, at: now)]
                + (twins[key].map { [explain(name, place, $0, at: now)] } ?? [])
                + explainLag(name, place, key, at: now)
        }
        if cell.settled.contains(shard) { return ["\(name) has settled"] }
        if let returned = cell.returned[shard] {
            switch returned.phase {
            case .backoff(let until):
                let wait = now.duration(to: until).spelled
                let after = returned.after.map { ", after attempt \($0.number) ended \($0.cause)" } ?? ""
                return ["\(name) waits \(wait) before attempt \(returned.number)\(after)"]
            case .queued(let classIndex, _):
                let requirement = classes[classIndex].requirement
                let avoided = returned.avoiding.map { "\(name) is kept from agent \($0.agent) for now: \($0.why)" }
                return avoided + explainQueued(name, place, requirement)
            }
        }
        guard cell.fresh.contains(shard), let base = cell.queues.first else { return ["there is no such shard"] }
        return explainQueued(name, place, classes[base.classIndex].requirement)
    }

    private func explain(_ name: String, _ place: Place, _ lease: LeaseRecord, at now: Instant) -> String {
        let (cell, agent) = (self[cell: place], agents[lease.agent])
        let worked = lease.startedAt.map { max(.zero, $0.duration(to: now)) }
        let since =
            worked.map { "since \($0.spelled)" }
            ?? (lease.isWaiting
                ? "and begins once the short one before it there has ended" : "and has not started yet")
        let connection =
            agent.isOnline
            ? "" : "; the agent is not connected, the lease ends in \(now.duration(to: lease.until).spelled)"
        let lock = cell.lock ?? cell.planned.environmentLock
        let keeps = lock.map(agent.keeps.contains) ?? false ? "; it keeps the environment" : ""
        let beside = lease.beside.map { "; a second attempt, for \($0.why)" } ?? ""
        return "\(name): attempt \(lease.number) is on agent \(agent.id) \(since)\(keeps)\(beside)\(connection)"
    }

    private func explainQueued(_ name: String, _ place: Place, _ requirement: Requirement) -> [String] {
        let (job, cell) = (self[job: place], self[cell: place])
        if let most = job.planned.shards.maxParallel, cell.leased.count + cell.twins.count >= max(1, most) {
            return ["\(name) waits: shards.max-parallel \(most) is reached"]
        }
        if let most = job.planned.maxParallel, cell.leased.isEmpty && job.isAtLimit {
            return ["\(name) waits: max-parallel \(most) is reached"]
        }
        let later = nextAlternative(place).map {
            ["\(name) takes \(kind($0.model, $0.memory)) as well once it has waited \($0.after.spelled)"]
        }
        if let unmet = unmet(requirement) { return ["\(name) waits: \(unmet)"] + (later ?? []) }
        return ["\(name) waits for a free agent; it asks for \(asked(requirement))"] + (later ?? []) + busy(requirement)
            + distrusting(requirement)
    }

    private static func because(_ agent: AgentRecord) -> String {
        agent.drainWhy.isEmpty ? "" : " (\(agent.drainWhy))"
    }

    /// What keeps each agent that could take it.
    private func busy(_ requirement: Requirement) -> [String] {
        let able = agents.indices.filter { agents[$0].isOnline && requirement.isMet(by: agents[$0]) }
            .sorted { agents[$0].id < agents[$1].id }
        var lines: [String] = []
        let full = able.filter { agents[$0].isOpen || agents[$0].freeCPUs <= 0 }
            .filter { !agents[$0].hasRoom(for: requirement) && !agents[$0].isDraining }
        if !full.isEmpty {
            let until = full.prefix(100).compactMap { roomExpected(for: requirement, on: $0) }.min()
            let when = until.map { " until about \($0.utcClock.prefix(5)) UTC" } ?? ""
            let which =
                able.count == 1
                ? "the only agent that could take it is"
                : "\(full.count) of \(able.count) agents that could take it are"
            lines.append(which + " full" + when)
        }
        for slot in able.prefix(5) {
            let agent = agents[slot]
            if agent.isDraining {
                lines.append("agent \(agent.id) is draining\(Self.because(agent)) and takes nothing new")
            } else if let quarantine = agent.quarantine {
                let then =
                    quarantine.isProbing
                    ? "one attempt at a time, until one ends without a fault"
                    : "until \(quarantine.until.utcClock.prefix(5)) UTC, then one attempt is let through"
                lines.append("agent \(agent.id) is quarantined: \(quarantine.reason); \(then)")
            } else if let until = agent.pausedUntil {
                lines.append("agent \(agent.id) is paused until \(until.utcClock) UTC after \(agent.pausedAfter)")
            } else {
                lines.append("agent \(agent.id) has \(free(agent, requirement)) free")
            }
            if requirement.gpus != nil { lines += unfit(agent).prefix(3) }
            if let kept = agent.reservation, classes[kept].requirement != requirement {
                let at = roomExpected(for: classes[kept].requirement, on: slot)
                lines.append(
                    "agent \(agent.id) keeps room for a shard that asks for \(asked(classes[kept].requirement))"
                        + (at.map { ", from about \($0.utcClock.prefix(5)) UTC on" } ?? ""))
            } else if agent.reservation != nil {
                lines.append("agent \(agent.id) keeps room for it")
            }
        }
        if able.count > 5 { lines.append("and \(able.count - 5) more agents") }
        return lines
    }

    /// Agents that could take it, were it somebody's own code.
    private func distrusting(_ requirement: Requirement) -> [String] {
        guard requirement.isUntrusted else { return [] }
        var trusted = requirement
        trusted.isUntrusted = false
        let others = agents.filter {
            $0.isOnline && !$0.isDraining && !$0.pool.allowsUntrusted && trusted.isMet(by: $0)
        }
        return others.isEmpty ? [] : [distrusting(others, "that could take it otherwise")]
    }

    /// `2 agents with label gpu are in pools that take no untrusted runs: default, lab`
    private func distrusting(_ agents: [AgentRecord], _ which: String) -> String {
        let pools = Set(agents.map(\.pool.name)).sorted()
        return Spelling.counted(agents.count, "agent") + (which.isEmpty ? "" : " " + which)
            + (agents.count == 1 ? " is in a pool that takes" : " are in pools that take")
            + " no untrusted runs: \(joined(pools))"
    }

    /// `GPU-1 of agent a is not given out: 2 programs of nobody's attempt compute on it`
    private func unfit(_ agent: AgentRecord) -> [String] {
        agent.devices.flatMap { device in
            let name = "\(device.gpu.uuid) of agent \(agent.id)"
            let ailing = device.ailment.map { "\(name) is not given out: \($0)" }
            let kept = device.quarantine.map {
                "\(name) is quarantined until \($0.until.utcClock.prefix(5)) UTC: \($0.reason)"
            }
            return [ailing, kept].compactMap(\.self)
        }
    }

    private func free(_ agent: AgentRecord, _ requirement: Requirement) -> String {
        var free = ["\(max(0, agent.freeCPUs)) of \(agent.capacity.cpus) cores"]
        if requirement.memory != nil && agent.namesMemory {
            free.append("\(max(.zero, agent.freeMemory)) of \(agent.capacity.memory)")
        }
        if requirement.disk != nil && agent.namesDisk {
            free.append("\(max(.zero, agent.freeDisk)) of \(agent.capacity.disk) of disk")
        }
        if requirement.gpus != nil { free.append("\(agent.freeGPUs) of \(agent.devices.count) GPUs") }
        return joined(free)
    }

    private func asked(_ requirement: Requirement) -> String {
        var parts = [Spelling.counted(requirement.cpus, "core")]
        if let memory = requirement.memory { parts.append("\(memory)") }
        if let disk = requirement.disk { parts.append("\(disk) of disk") }
        if let gpus = requirement.gpus { parts.append(words(gpus)) }
        return joined(parts)
    }

    private func words(_ gpus: GPURequest) -> String {
        Spelling.counted(gpus.count, "GPU") + (gpus.model.map { " of model \($0)" } ?? "")
            + (gpus.memory.map { " with \($0)" } ?? "")
            + gpus.or.map { ", or \(kind($0.model, $0.memory))" }.joined()
    }

    private func kind(_ model: String?, _ memory: ByteCount?) -> String {
        (model.map { "GPUs of model \($0)" } ?? "any GPUs") + (memory.map { " with \($0)" } ?? "")
    }

    /// What waits for something that no connected agent has, whether busy or free.
    package struct Unmet: Equatable, Sendable {
        package var run: RunID
        package var job: Int
        /// The first of the cells, and how many there are.
        package var cell: Int
        package var cells: Int
        package var reason: String
    }

    /// By run, then by job. Looks at kinds of requirement, not at shards.
    package mutating func unmetNeeds() -> [Unmet] {
        var found: [Unmet] = []
        for index in active.elements where !isEverMet(index) {
            guard let reason = unmet(classes[index].requirement) else { continue }
            for key in classes[index].owners.flatMap(\.lanes.elements) {
                guard let lane = runs[key.slot].jobs[key.job].lanes.first(where: { $0.classIndex == index }) else {
                    continue
                }
                let cells = [lane.started.first, lane.unstarted.first].compactMap { $0 }
                guard let first = cells.min() else { continue }
                found.append(
                    Unmet(
                        run: runs[key.slot].id, job: key.job, cell: first.cell,
                        cells: lane.started.count + lane.unstarted.count, reason: reason))
            }
        }
        return found.sorted { ($0.run, $0.job, $0.cell) < ($1.run, $1.job, $1.cell) }
    }

    /// What no connected agent has of what this cell needs; `nil` when one could take it once it is free. Teams aside.
    package func unmet(_ cell: PlannedCell) -> String? {
        var requirement = Requirement(
            cell, team: nil, isUntrusted: false, defaults: settings.defaults, widened: .max)
        requirement.team = nil
        return unmet(requirement, among: agents.filter(\.isOnline))
    }

    /// Everything of what this cell needs that no connected agent has, thing by thing; where each alone is there and all
    /// together are not, that. Empty when an agent could take it once it is free. Teams aside.
    package func allUnmet(_ cell: PlannedCell, isUntrusted: Bool = false) -> [String] {
        var whole = Requirement(
            cell, team: nil, isUntrusted: isUntrusted, defaults: settings.defaults, widened: .max)
        whole.team = nil
        let online = agents.filter(\.isOnline)
        let found = whole.parts.compactMap { unmet($0, among: online) }
        guard found.isEmpty else { return found.reduce(into: []) { if !$0.contains($1) { $0.append($1) } } }
        return unmet(whole, among: online).map { [$0] } ?? []
    }

    func unmet(_ requirement: Requirement) -> String? {
        let online = agents.filter(\.isOnline)
        guard !online.isEmpty else { return "no agent is connected" }
        let admitting = online.filter { requirement.admits($0.team) }
        guard !admitting.isEmpty else {
            let whom = requirement.team.map { "runs of team \($0)" } ?? "runs of owners without a team"
            return "no agent takes \(whom)"
        }
        let open = admitting.filter { !$0.isDraining }
        if open.isEmpty {
            let why = Set(admitting.map(\.drainWhy))
            return "every agent is draining" + (why.count == 1 ? Self.because(admitting[0]) : "")
        }
        guard let reason = unmet(requirement, among: open) else { return nil }
        let able = admitting.filter { $0.isDraining && requirement.isMet(by: $0) }
            .map { "\($0.id)\(Self.because($0))" }.sorted()
        return able.isEmpty
            ? reason : "every agent that could take it is draining: \(Spelling.shortened(able, most: 5))"
    }

    /// Narrows the agents down, condition by condition, and names the first that leaves none.
    private func unmet(_ requirement: Requirement, among all: [AgentRecord]) -> String? {
        guard !all.isEmpty else { return "no agent is connected" }
        for label in requirement.labels where !all.contains(where: { $0.labels.contains(label) }) {
            return "no agent has label \(label)"
        }
        var left = all.filter { requirement.missingLabels($0).isEmpty }
        if left.isEmpty { return "no agent has all of the labels \(joined(requirement.labels))" }
        if !left.contains(where: { requirement.trusts($0.pool) }) {
            let labels = requirement.labels
            return distrusting(
                left, labels.isEmpty ? "" : "with label\(labels.count == 1 ? "" : "s") \(joined(labels))")
        }
        left = left.filter { requirement.trusts($0.pool) }
        if let python = requirement.pythonWord, !left.contains(where: requirement.hasPython) {
            let found = Set(left.flatMap(\.capacity.interpreters)).sorted().map(\.version)
            let unique = found.reduce(into: [String]()) { if $0.last != $1 { $0.append($1) } }
            return "no agent has python \(python); agents offer \(unique.isEmpty ? "none" : joined(unique))"
        }
        left = left.filter(requirement.hasPython)
        if let gpus = requirement.gpus, !left.contains(where: { $0.devices(for: gpus).count >= gpus.count }) {
            let most = left.map { $0.devices(for: gpus).count }.max() ?? 0
            let unfit = left.sorted { $0.id < $1.id }.flatMap(unfit).prefix(3).map { "; \($0)" }.joined()
            return "no agent has \(words(gpus)); the most that one has is \(most)\(unfit)"
        }
        left = left.filter { agent in requirement.gpus.map { agent.devices(for: $0).count >= $0.count } ?? true }
        if !left.contains(where: { requirement.cpus <= $0.capacity.cpus }) {
            let most = left.map(\.capacity.cpus).max() ?? 0
            return "no agent has \(Spelling.counted(requirement.cpus, "core")); the most that one has is \(most)"
        }
        left = left.filter { requirement.cpus <= $0.capacity.cpus }
        if let memory = requirement.memory,
            !left.contains(where: { requirement.fitsMemory($0.capacity.memory, of: $0) })
        {
            let most = left.map(\.capacity.memory).max() ?? .zero
            return "no agent has \(memory) of memory; the most that one has is \(most)"
        }
        left = left.filter { requirement.fitsMemory($0.capacity.memory, of: $0) }
        if let disk = requirement.disk, !left.contains(where: { requirement.fitsDisk($0.capacity.disk, of: $0) }) {
            let most = left.map(\.capacity.disk).max() ?? .zero
            return "no agent has \(disk) of disk for attempts; the most that one has is \(most)"
        }
        left = left.filter { requirement.fitsDisk($0.capacity.disk, of: $0) }
        if !left.contains(where: requirement.hasInputs) {
            let absent = requirement.inputs.first { input in
                !left.contains { $0.capacity.inputs.contains(input) }
            }
            return absent.map { "no agent holds input \($0.path) with manifest \($0.manifest.short)" }
                ?? "no agent holds all of the inputs \(joined(requirement.inputs.map(\.path)))"
        }
        left = left.filter(requirement.hasInputs)
        if left.allSatisfy({ requirement.avoiding.contains($0.id) }) {
            let named = left.sorted { $0.id < $1.id }.map { agent in
                agent.id.name + (agent.pausedAfter.isEmpty ? "" : " (after \(agent.pausedAfter))")
            }
            return "every agent that could take it is avoided for now: \(joined(named))"
        }
        return nil
    }
}

private func joined(_ texts: some Sequence<String>) -> String { texts.joined(separator: ", ") }
