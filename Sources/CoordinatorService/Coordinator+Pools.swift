import Model
import Scheduling
import Storage
import Transport
import Wire

/// Pools, and who is in which: what admins say, never agents.
extension Coordinator {
    static let poolsMax = 1000

    /// All that there are, by name.
    var allPools: [Pool] {
        let standard = pools[Pool.standard.name] ?? .standard
        return (pools.values.filter { $0.name != standard.name } + [standard]).sorted { $0.name < $1.name }
    }

    /// The pool of an agent that has joined.
    func pool(of agent: AgentID) -> Pool {
        let name = capacities[agent]?.pool ?? Pool.standard.name
        // One that nobody has said anything of takes nothing, whatever it is called.
        return pools[name] ?? Pool(name: name, allowsUntrusted: false)
    }

    /// Whether an agent of the farm, connected or not, is in a pool that takes untrusted runs, or would be if it came anew.
    var takesUntrusted: Bool {
        pools[Pool.standard.name]?.allowsUntrusted == true
            || capacities.keys.contains { revoked[$0] == nil && pool(of: $0).allowsUntrusted }
    }

    /// Makes a pool, or changes what it takes. What its agents work on goes on.
    func set(_ pool: Pool, by who: Principal) async throws(LinkStatus) {
        guard Principal.isName(pool.name) else {
            throw LinkStatus(.invalid, "a pool's name has 1 to 64 characters of A-Z, a-z, 0-9, '.', '_' and '-'")
        }
        guard pools[pool.name] != nil || pools.count < Self.poolsMax else {
            throw LinkStatus(.exhausted, "there are \(pools.count) pools, which is the most that there may be")
        }
        guard pools[pool.name] != pool else { return await committed() }
        pools[pool.name] = pool
        store([
            .poolSet(pool),
            .audited(
                AuditRecord(
                    at: clock.now, who: who.title,
                    action: pool.allowsUntrusted ? "allow untrusted" : "refuse untrusted", subject: "pool \(pool.name)")
            ),
        ])
        for agent in capacities.keys.sorted() where capacities[agent]?.pool == pool.name {
            handle(.agentPooled(agent, pool))
        }
        await committed()
    }

    /// Puts an agent into a pool.
    func move(_ name: String, to pool: String, by who: Principal) async throws(LinkStatus) -> Proto.AgentSummary {
        let id = AgentID(name)
        guard capacities[id] != nil, revoked[id] == nil else {
            throw LinkStatus(.notFound, "no agent '\(name.prefix(64))' has joined yet, or its certificate was revoked")
        }
        guard allPools.contains(where: { $0.name == pool }) else {
            throw LinkStatus(
                .notFound,
                "there is no pool '\(pool.prefix(64))' (there is \(allPools.map(\.name).joined(separator: ", "))); "
                    + "sheaf pools set makes one")
        }
        put(id, into: pool)
        store([
            .audited(
                AuditRecord(at: clock.now, who: who.title, action: "move", subject: "agent \(name) to pool \(pool)"))
        ])
        await committed()
        guard let summary = agentSummaries().first(where: { $0.name == name }) else {
            throw LinkStatus(.notFound, "there is no agent '\(name.prefix(64))'")
        }
        return summary
    }

    /// Stored, and then known to the farm.
    func put(_ agent: AgentID, into pool: String) {
        guard capacities[agent]?.pool != pool else { return }
        capacities[agent]?.pool = pool
        store([.agentPooled(name: agent.name, pool: pool)])
        handle(.agentPooled(agent, self.pool(of: agent)))
    }

    /// Why an untrusted run is not taken in: nobody here could ever work on it.
    func refusal(of plan: Plan) -> LinkStatus? {
        guard let why = plan.untrusted, !takesUntrusted else { return nil }
        return LinkStatus(
            .conflict,
            "\(why), and no agent of this farm is in a pool that takes untrusted runs; an admin can allow it: "
                + "sheaf pools set NAME --allow-untrusted yes")
    }
}
