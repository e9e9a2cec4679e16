import JSON
import Model
import Wire

/// Pools of agents, and whose code they take.
extension Commands {
    static let pools = Command(
        name: "pools", summary: "list the farm's pools of agents, with whose code they take",
        discussion: """
            An agent belongs to one pool: default, until an admin puts it elsewhere (sheaf agents move). Untrusted runs, such
            as a fork's pull request, go only to agents of pools that take them; no pool does until an admin says so.

              sheaf pools
              sheaf pools set forks --allow-untrusted yes
            """,
        options: [.value("format", "FORMAT", "text or json")] + Farming.homeOptions,
        run: { arguments in
            let format = try arguments.choice("format", of: ["text", "json"])
            let answer = try await Farming.call(arguments, Proto.Farm.ListAgents.self, .init())
            format == "json"
                ? Terminal.write(PoolText.json(answer)) : Terminal.print(PoolText.text(answer))
            return .passed
        })

    static let poolsSet = Command(
        name: "pools set", summary: "make a pool, or change whose code its agents take",
        discussion: """
            Admins only. What runs already goes on. Give strangers' code only agents that run as root, where every attempt has
            a user of its own, and that hold no secrets.

              sheaf pools set forks --allow-untrusted yes
            """,
        operands: [.init(name: "NAME", help: "the pool")],
        options: [.value("allow-untrusted", "yes|no", "whether its agents take untrusted runs, too")]
            + Farming.homeOptions,
        run: { arguments in
            _ = try arguments.required("allow-untrusted")
            let allows = try arguments.choice("allow-untrusted", of: ["no", "yes"]) == "yes"
            let answer = try await Farming.call(
                arguments, Proto.Farm.SetPool.self,
                .with {
                    $0.pool = .with {
                        $0.name = arguments.operands[0]
                        $0.allowUntrusted = allows
                    }
                })
            Terminal.print("pool \(answer.pool?.name ?? "") takes \(PoolText.taken(allows))")
            return .passed
        })

    static let agentsMove = Command(
        name: "agents move", summary: "put an agent into a pool",
        discussion: """
            Admins only. The agent has joined before; what it works on goes on. An agent that is revoked is in the pool default
            when it comes back.

              sheaf agents move gpu-3 forks
            """,
        operands: [.init(name: "NAME", help: "the agent"), .init(name: "POOL", help: "its pool from now on")],
        options: Farming.homeOptions,
        run: { arguments in
            let answer = try await Farming.call(
                arguments, Proto.Farm.MoveAgent.self,
                .with {
                    $0.name = arguments.operands[0]
                    $0.pool = arguments.operands[1]
                })
            Terminal.print(AgentText.text(answer.agent.map { [$0] } ?? []))
            return .passed
        })
}

/// Pools in a table, or for a script.
enum PoolText {
    static func taken(_ allowsUntrusted: Bool) -> String { allowsUntrusted ? "all runs" : "trusted runs alone" }

    private static func agents(of pool: Proto.Pool, in answer: Proto.ListAgentsResponse) -> [String] {
        answer.agents.filter { $0.pool?.name == pool.name && $0.state != "revoked" }.map(\.name)
    }

    static func text(_ answer: Proto.ListAgentsResponse) -> String {
        let rows = answer.pools.map { pool in
            let agents = agents(of: pool, in: answer)
            return [pool.name, taken(pool.allowUntrusted), agents.isEmpty ? "-" : agents.joined(separator: " ")]
        }
        return Table.text(["POOL", "TAKES", "AGENTS"], rows)
    }

    static func json(_ answer: Proto.ListAgentsResponse) -> [UInt8] {
        var writer = JSONWriter(indent: 2)
        writer.beginArray()
        for pool in answer.pools {
            writer.value([
                "name": .string(pool.name), "allow_untrusted": .boolean(pool.allowUntrusted),
                "agents": .array(agents(of: pool, in: answer).map { .string($0) }),
            ])
        }
        writer.endArray()
        writer.newline()
        return writer.bytes
    }
}
