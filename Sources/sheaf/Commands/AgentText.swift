import JSON
import Model
import Reporting
import Transport
import Wire

/// Agents in a table, or for a script.
enum AgentText {
    static func text(_ agents: [Proto.AgentSummary]) -> String {
        guard !agents.isEmpty else {
            return "no agent has joined yet; sheaf token create --role agent makes a token for one"
        }
        let rows = agents.map { agent in
            let capacity = agent.capacity ?? Proto.Capacity()
            let pythons = capacity.interpreters.map(\.version)
            return [
                agent.name, agent.state, agent.pool?.name ?? "", "\(agent.running)", "\(capacity.cpus)",
                "\(ByteCount(Int64(clamping: capacity.memoryBytes)))",
                capacity.diskBytes > 0 ? "\(ByteCount(Int64(clamping: capacity.diskBytes)))" : "-",
                capacity.gpus.isEmpty ? "-" : "\(capacity.gpus.count) × \(capacity.gpus[0].model)",
                pythons.isEmpty ? "-" : pythons.joined(separator: " "), capacity.labels.joined(separator: " "),
            ]
        }
        let remarks = agents.filter { !$0.remark.isEmpty }.map { agent in
            "\n\(PlainText.line(agent.name)) is \(agent.state): \(PlainText.line(agent.remark))"
        }
        return Table.text(
            ["AGENT", "STATE", "POOL", "RUNNING", "CPUS", "MEMORY", "DISK", "GPUS", "PYTHON", "LABELS"], rows)
            + remarks.joined()
    }

    static func json(_ agents: [Proto.AgentSummary]) -> [UInt8] {
        var writer = JSONWriter(indent: 2)
        writer.beginArray()
        for agent in agents {
            let capacity = agent.capacity ?? Proto.Capacity()
            writer.value([
                "name": .string(agent.name), "team": .string(agent.team), "state": .string(agent.state),
                "pool": .string(agent.pool?.name ?? ""),
                "running": .number(Double(agent.running)), "cpus": .number(Double(capacity.cpus)),
                "memory_bytes": .number(Double(capacity.memoryBytes)),
                "disk_bytes": .number(Double(capacity.diskBytes)),
                "gpus": .array(capacity.gpus.map { ["uuid": .string($0.uuid), "model": .string($0.model)] }),
                "python": .array(capacity.interpreters.map { .string($0.version) }),
                "labels": .array(capacity.labels.map { .string($0) }),
                "remark": .string(agent.remark), "last_heard_at": .string(Instant(nanoseconds: agent.lastHeardAt).utc),
            ])
        }
        writer.endArray()
        writer.newline()
        return writer.bytes
    }
}

/// Columns, left-aligned, as wide as their widest cell.
enum Table {
    static func text(_ head: [String], _ rows: [[String]]) -> String {
        let shown = rows.map { $0.map { PlainText.line($0) } }
        let widths = head.indices.map { column in ([head] + shown).map { $0[column].count }.max() ?? 0 }
        return ([head] + shown).map { row in
            let cells = row.enumerated().map { index, cell in
                index == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[index] - cell.count)
            }
            return cells.joined(separator: "  ")
        }.joined(separator: "\n")
    }
}
