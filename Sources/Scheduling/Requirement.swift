import Model

/// What an agent must have to take a shard. Shards with equal requirements queue together.
struct Requirement: Hashable, Sendable {
    /// The team of the run's owner.
    var team: String?
    /// The run's code may be a stranger's.
    var isUntrusted: Bool
    var labels: [String]
    /// What `python` of the cell names; `nil` where any will do.
    var python: VersionRange?
    /// As it was written.
    var pythonWord: String?
    var cpus: Int
    var memory: ByteCount?
    var disk: ByteCount?
    var gpus: GPURequest?
    var inputs: [HeldInput]
    /// Agents that declined, or where the attempt before failed; in their order.
    var avoiding: [AgentID] = []

    /// - Parameter widened: how many of the other kinds of GPU will do by now.
    init(
        _ cell: PlannedCell, team: String?, isUntrusted: Bool, defaults: Farm.Settings.Defaults, widened: Int
    ) {
        self.team = team
        self.isUntrusted = isUntrusted
        labels = Set(cell.labels).sorted()
        python = cell.python.map { VersionRange($0) ?? .none }
        pythonWord = cell.python
        cpus = max(1, cell.resources.cpus)
        memory = cell.resources.memory ?? defaults.memory
        disk = cell.resources.disk ?? defaults.disk
        gpus = cell.resources.gpus.map {
            // Since when they will do tells nobody apart.
            let others = $0.or.prefix(widened).map {
                GPURequest.Alternative(model: $0.model?.lowercased(), memory: $0.memory, after: .zero)
            }
            return GPURequest(
                count: max(1, $0.count), memory: $0.memory, model: $0.model?.lowercased(), or: others)
        }
        inputs = cell.inputs
    }

    /// Each thing that it asks for alone.
    var parts: [Requirement] {
        var none = self
        none.isUntrusted = false
        (none.labels, none.python, none.pythonWord, none.gpus) = ([], nil, nil, nil)
        (none.cpus, none.memory, none.disk, none.inputs, none.avoiding) = (1, nil, nil, [], [])
        let with = { (change: (inout Requirement) -> Void) in
            var part = none
            change(&part)
            return part
        }
        return labels.map { label in with { $0.labels = [label] } }
            + [
                with { $0.isUntrusted = isUntrusted },
                with { ($0.python, $0.pythonWord) = (python, pythonWord) }, with { $0.gpus = gpus },
                with { $0.cpus = cpus }, with { $0.memory = memory }, with { $0.disk = disk },
            ] + inputs.map { input in with { $0.inputs = [input] } }
    }

    /// Whether the agent could take it if nothing else ran there.
    func isMet(by agent: AgentRecord) -> Bool {
        admits(agent.team) && trusts(agent.pool) && cpus <= agent.capacity.cpus && missingLabels(agent).isEmpty
            && hasPython(agent)
            && hasInputs(agent) && fitsMemory(agent.capacity.memory, of: agent)
            && fitsDisk(agent.capacity.disk, of: agent)
            && (gpus.map { agent.devices(for: $0).count >= $0.count } ?? true)
            && !avoiding.contains(agent.id)
    }

    func admits(_ agentTeam: String?) -> Bool { agentTeam == nil || agentTeam == team }
    /// A pool says whether its agents take strangers' code.
    func trusts(_ pool: Pool) -> Bool { !isUntrusted || pool.allowsUntrusted }
    func missingLabels(_ agent: AgentRecord) -> [String] { labels.filter { !agent.labels.contains($0) } }
    func hasInputs(_ agent: AgentRecord) -> Bool { inputs.allSatisfy { agent.capacity.inputs.contains($0) } }

    func hasPython(_ agent: AgentRecord) -> Bool {
        guard let python else { return true }
        return agent.capacity.interpreters.contains { python.contains($0.version) }
    }

    /// Memory counts only where both sides name it.
    func fitsMemory(_ free: ByteCount, of agent: AgentRecord) -> Bool {
        guard let memory, agent.namesMemory else { return true }
        return memory <= free
    }

    /// The disk counts only where both sides name it.
    func fitsDisk(_ free: ByteCount, of agent: AgentRecord) -> Bool {
        guard let disk, agent.namesDisk else { return true }
        return disk <= free
    }
}

/// Everything that queues with one requirement, by owner.
struct RequirementClass: Sendable {
    struct OwnerLanes: Sendable {
        var owner: Int
        var lanes = OrderedKeys<LaneKey>()
    }

    enum Match: UInt8, Sendable { case unknown, yes, no }

    var requirement: Requirement
    /// How many cells' queues belong to it; without any it is let go.
    var uses = 0
    /// Those with something that can be leased now.
    var owners: [OwnerLanes] = []
    /// The agent that keeps room for it.
    var reservation: Int?
    /// What `Requirement.isMet` answered, by the agent's slot.
    var matches: [Match] = []
}

/// Names the lane of a job in a class, runs in the order of their rank.
struct LaneKey: Comparable, Sendable {
    var rank: Int64
    var run: UInt64
    var slot: Int
    var job: Int

    static func < (a: Self, b: Self) -> Bool { (a.rank, a.run, a.job) < (b.rank, b.run, b.job) }
    static func == (a: Self, b: Self) -> Bool { (a.run, a.job) == (b.run, b.job) }
}

/// A cell's place among those of its job that wait: the longest shards first, as far as lengths are recorded. Those of which
/// nothing is known come before: the longest may be among them.
struct CellKey: Comparable, Sendable {
    /// What a shard takes, in nanoseconds; the most that there is where nothing is recorded.
    var length: Int64
    var cell: Int

    init(length: Int64, cell: Int) {
        self.length = length
        self.cell = cell
    }

    /// Before every cell whose shards take as long or less.
    init(firstOf length: Duration) {
        self.length = length.wholeNanoseconds
        cell = -1
    }

    static func < (a: Self, b: Self) -> Bool { a.length == b.length ? a.cell < b.cell : a.length > b.length }
}

/// The cells of one job that have shards queued with one requirement.
struct Lane: Sendable {
    var classIndex: Int
    /// Cells with a leased shard: `max-parallel` does not hold them back.
    var started = OrderedKeys<CellKey>()
    var unstarted = OrderedKeys<CellKey>()
    /// Whether the class shows the lane to placement.
    var isListed = false

    var isEmpty: Bool { started.isEmpty && unstarted.isEmpty }
}
