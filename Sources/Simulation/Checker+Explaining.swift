import Model
import Scheduling

/// Whether what the farm says of a shard that waits is so, as far as anybody can know who only saw what was committed.
extension Checker {
    /// Some shard that has not settled, of a cell that is cut and goes on.
    func anyOpenShard(_ random: inout SplitMix64) -> ShardID? {
        var open: [CellID] = []
        for (run, state) in runs.sorted(by: { $0.key < $1.key }) where !state.isEnded && !state.isCancelled {
            for (job, state) in state.jobs.enumerated() where state.ending == nil {
                for (cell, state) in state.cells.enumerated() where state.ending == nil && state.shards != nil {
                    open.append(CellID(run: run, job: job, cell: cell))
                }
            }
        }
        guard let cell = open.randomElement(using: &random), let count = self.cell(cell)?.shards else { return nil }
        let shard = ShardID(cell: cell, shard: Int.random(in: 0..<count, using: &random))
        return shards[shard]?.settled == nil ? shard : nil
    }

    /// An attempt that is leased, and not to this agent.
    func anyLease(notOf agent: AgentID, _ random: inout SplitMix64) -> AttemptID? {
        shards.values.compactMap(\.lease).filter { $0.agent != agent }.map(\.attempt).sorted()
            .randomElement(using: &random)
    }

    /// Every sentence that the farm may say is known here; each is held against what was committed.
    func checkExplanation(of id: ShardID, _ lines: [String], at now: Instant) throws(Violation) {
        guard let cell = cell(id.cell), let run = runs[id.run] else { return }
        let job = run.jobs[id.cell.job]
        func wrong(_ why: String) -> Violation {
            Violation(rule: .explained, detail: "\(id): \(lines): \(why)", at: now)
        }
        guard !lines.isEmpty else { throw wrong("nothing was said") }
        let open = agents.values.filter { isOpen($0, toAllOf: run.owner) }
        let able = open.filter { isOpen($0, to: run) }
        if let shard = shards[id], shard.lease != nil {
            for lease in [shard.lease, shard.twin].compactMap(\.self) {
                let expected = "shard \(id.shard): attempt \(lease.attempt.number) is on agent \(lease.agent)"
                guard lines.contains(where: { $0.hasPrefix(expected) }) else {
                    throw wrong("it is leased: \(expected)")
                }
            }
            for line in lines where line.holds(" second attempt is due ") || line.holds(" second attempt waits ") {
                guard job.planned.isIdempotent, shard.twin == nil, shard.twins < twinsMax else {
                    throw wrong("no second attempt may be begun")
                }
            }
            for line in lines where line.holds("the first that passes counts") {
                guard shard.twin != nil else { throw wrong("there is one attempt") }
            }
            return
        }
        if lines.contains(where: { $0.hasPrefix("is being stopped: ") }) {
            // Only what fails fast is stopped here: cancelled runs are not asked about.
            guard job.planned.failFast || job.planned.shards.failFast else { throw wrong("nothing stops it") }
            return
        }
        for line in lines {
            switch line {
            case _ where line.holds(" is kept from agent "):
                guard shards[id].map({ $0.last != nil || $0.wasDeclined }) ?? false else {
                    throw wrong("nothing happened")
                }
            case _ where line.holds(" is on agent "): throw wrong("it is not leased")
            case _ where line.holds(" before attempt "):
                guard let at = shards[id]?.retryAt, at > now else { throw wrong("no backoff goes on") }
            case _ where line.holds("shards.max-parallel"):
                guard job.planned.shards.maxParallel == cell.leased else { throw wrong("\(cell.leased) are leased") }
            case _ where line.holds("max-parallel"):
                guard job.planned.maxParallel == job.cellsActive else {
                    throw wrong("\(job.cellsActive) cells are active")
                }
            case _ where line.holds("no agent is connected"):
                guard !agents.values.contains(where: \.isOnline) else { throw wrong("one is") }
            case _ where line.holds("no agent takes runs of"):
                let admitting = agents.values.contains { $0.isOnline && ($0.team == nil || $0.team == run.owner.team) }
                guard !admitting else { throw wrong("one does") }
            case _ where line.holds(" is draining and takes nothing new"):
                let name = line.split(separator: " ").dropFirst().first.map { AgentID(String($0)) }
                guard let name, agents[name]?.isDraining == true else { throw wrong("it is not draining") }
            case _ where line.holds("every agent that could take it is draining: "):
                let names = line.split(separator: ":").last?.split(separator: ",").map {
                    AgentID(String($0.drop { $0 == " " }))
                }
                guard let names, names.allSatisfy({ agents[$0]?.isDraining == true }),
                    !able.contains(where: { fits(cell, $0) }) || shards[id]?.last != nil
                        || shards[id]?.wasDeclined == true
                else { throw wrong("one could") }
            case _ where line.holds("every agent is draining"):
                guard open.isEmpty else { throw wrong("one is not") }
            case _ where line.holds("no agent has label "):
                let label = line.split(separator: " ").last.map(String.init) ?? ""
                guard cell.planned.labels.contains(label), !open.contains(where: { Self.labels($0).contains(label) })
                else { throw wrong("one has it") }
            case _ where line.holds("no agent has all of the labels"):
                guard !open.contains(where: { Set(cell.planned.labels).isSubset(of: Self.labels($0)) }) else {
                    throw wrong("one has them")
                }
            case _ where line.holds(" that could take it otherwise "):
                guard run.isUntrusted, open.contains(where: { !$0.takesUntrusted && fits(cell, $0) }) else {
                    throw wrong("none could")
                }
            case _ where line.holds(" no untrusted runs: "):
                let able = able.filter { Set(cell.planned.labels).isSubset(of: Self.labels($0)) }
                guard run.isUntrusted, able.isEmpty else { throw wrong("one takes them") }
            case _ where line.holds("no agent has python "):
                let able = able.filter { Set(cell.planned.labels).isSubset(of: Self.labels($0)) }
                guard let python = cell.python, !able.contains(where: { hasPython($0, python) }) else {
                    throw wrong("one has it")
                }
            // Of quarantines only the farm knows.
            case _ where line.holds(" is quarantined until "):
                guard cell.planned.resources.gpus != nil else { throw wrong("it asks for no device") }
            case _ where line.holds(" GPUs") && line.holds("no agent has "):
                let most = able.map { Self.fitGPUs($0) }.max() ?? 0
                guard let gpus = cell.planned.resources.gpus,
                    gpus.count > most || !able.contains(where: { fits(cell, $0) })
                else { throw wrong("one has \(most)") }
            case _ where line.holds(" is not given out: ") && !line.holds("no agent has "):
                let device = line.split(separator: " ").first.map(String.init) ?? ""
                guard agents.values.contains(where: { $0.isOnline && $0.unfit.contains(device) }) else {
                    throw wrong("it is fit")
                }
            case _ where line.holds("no agent has "), _ where line.holds("is avoided for now"):
                // Cores, memory, or a raised need of memory; or kept from the agents on which it failed.
                let isKept = shards[id].map { $0.last != nil || $0.wasDeclined } ?? false
                guard !able.contains(where: { fits(cell, $0) }) || isKept else {
                    throw wrong("one could take it")
                }
            case _ where line.holds(" waits for a free agent"), _ where line.holds(" free"),
                _ where line.holds(" is paused until "), _ where line.holds(" more agents"),
                _ where line.holds(" full"), _ where line.holds(" keeps room for "),
                _ where line.holds(" is quarantined: "):
                guard able.contains(where: { fits(cell, $0) }) else { throw wrong("no agent could take it") }
            default: throw wrong("nobody knows this sentence")
            }
        }
    }

    func isOpen(_ agent: Agent, to run: Run) -> Bool {
        isOpen(agent, toAllOf: run.owner) && (!run.isUntrusted || agent.takesUntrusted)
    }

    private func isOpen(_ agent: Agent, toAllOf owner: Principal) -> Bool {
        agent.isOnline && !agent.isDraining && (agent.team == nil || agent.team == owner.team)
    }

    private static func labels(_ agent: Agent) -> Set<String> { Set(agent.capacity.labels.map { $0.lowercased() }) }

    /// Whether an agent could take shards of a cell, were it free.
    func fits(_ cell: Cell, _ agent: Agent) -> Bool {
        let wanted = cell.planned
        return Set(wanted.labels).isSubset(of: Self.labels(agent)) && hasPython(agent, cell.python)
            && wanted.resources.cpus <= agent.capacity.cpus
            && (wanted.resources.memory ?? .zero) <= agent.capacity.memory
            && (wanted.resources.disk ?? .zero) <= agent.capacity.disk
            && (wanted.resources.gpus?.count ?? 0) <= Self.fitGPUs(agent)
    }

    private static func fitGPUs(_ agent: Agent) -> Int { agent.capacity.gpus.count { !agent.unfit.contains($0.uuid) } }
}

extension String {
    /// Whether some words stand in it. What is asked of thousands of sentences: `contains` of the library reads both as patterns.
    fileprivate func holds(_ words: String) -> Bool {
        var found = false
        var (text, wanted) = (self, words)
        text.withUTF8 { text in
            wanted.withUTF8 { wanted in
                guard let first = wanted.first, text.count >= wanted.count else { return }
                for start in 0...(text.count - wanted.count) where text[start] == first {
                    if (1..<max(1, wanted.count)).allSatisfy({ text[start + $0] == wanted[$0] }) {
                        found = true
                        return
                    }
                }
            }
        }
        return found
    }
}
