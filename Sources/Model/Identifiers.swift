/// One submission of one workflow, numbered by the farm from 1. Written `r17`.
package struct RunID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let number: UInt64

    package init(_ number: UInt64) { self.number = number }

    /// Reads `r17` or `17`; `nil` for anything else, zero included.
    package init?(_ text: some StringProtocol) {
        let digits = text.hasPrefix("r") ? text.dropFirst() : text[...]
        guard let number = UInt64(digits), number > 0 else { return nil }
        self.number = number
    }

    package var description: String { "r\(number)" }
    package static func < (a: Self, b: Self) -> Bool { a.number < b.number }
}

/// One cell of one job of one run, by position: `job` in the plan's order, `cell` in the job's order, both from 0.
package struct CellID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var run: RunID
    package var job: Int
    package var cell: Int

    package init(run: RunID, job: Int, cell: Int) {
        self.run = run
        self.job = job
        self.cell = cell
    }

    package var description: String { "\(run)/\(job)/\(cell)" }
    package static func < (a: Self, b: Self) -> Bool {
        (a.run, a.job, a.cell) < (b.run, b.job, b.cell)
    }
}

/// One schedulable slice of a cell, numbered from 0; or the cell's listing, which finds out what its shards are.
package struct ShardID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The number under which the listing of a cell's items is leased.
    package static let listing = -1

    package var cell: CellID
    package var shard: Int

    package init(cell: CellID, shard: Int) {
        self.cell = cell
        self.shard = shard
    }

    package init(run: RunID, job: Int, cell: Int, shard: Int) {
        self.init(cell: CellID(run: run, job: job, cell: cell), shard: shard)
    }

    package var run: RunID { cell.run }
    package var isListing: Bool { shard == Self.listing }
    package var description: String { "\(cell)/\(isListing ? "listing" : String(shard))" }
    package static func < (a: Self, b: Self) -> Bool { (a.cell, a.shard) < (b.cell, b.shard) }
}

/// One try at a shard, numbered from 1.
package struct AttemptID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var shard: ShardID
    package var number: Int

    package init(shard: ShardID, number: Int) {
        self.shard = shard
        self.number = number
    }

    package var run: RunID { shard.run }
    package var description: String { "\(shard)#\(number)" }

    /// Reads what `description` says; `nil` when that is something else.
    package init?(_ description: some StringProtocol) {
        let parts = description.split(separator: "#", omittingEmptySubsequences: false)
        guard parts.count == 2, let number = Int(parts[1]) else { return nil }
        let path = parts[0].split(separator: "/", omittingEmptySubsequences: false)
        guard path.count == 4, path[0].hasPrefix("r"), let run = UInt64(path[0].dropFirst()), let job = Int(path[1]),
            let cell = Int(path[2]), let shard = path[3] == "listing" ? ShardID.listing : Int(path[3])
        else { return nil }
        self.init(shard: ShardID(run: RunID(run), job: job, cell: cell, shard: shard), number: number)
        guard self.description == description else { return nil }
    }

    package static func < (a: Self, b: Self) -> Bool { (a.shard, a.number) < (b.shard, b.number) }
}

/// The name under which an agent enrolled; its certificate carries it, and no other agent has it.
package struct AgentID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let name: String
    package init(_ name: String) { self.name = name }
    package var description: String { name }
    package static func < (a: Self, b: Self) -> Bool { a.name < b.name }
}

/// Who is on the other side of a connection, as its certificate says.
package struct Principal: Hashable, Sendable {
    /// What a certificate lets its bearer do.
    package enum Role: String, CaseIterable, Sendable { case user, agent, admin, coordinator }

    package var role: Role
    /// 1 to 64 characters of `[A-Za-z0-9._-]`, unique among the farm's certificates of one role.
    package var name: String
    /// `nil` when the person or the agent belongs to no team.
    package var team: String?

    package init(role: Role, name: String, team: String? = nil) {
        self.role = role
        self.name = name
        self.team = team
    }

    /// People read the runs of their own team; runs without a team are everybody's.
    package func mayRead(runsOf owner: Principal) -> Bool {
        role == .admin || owner.name == name || owner.team == nil || owner.team == team
    }

    /// For people: `alice`, `alice (team vision)`.
    package var spelled: String { name + (team.map { " (team \($0))" } ?? "") }
    /// For records: `user alice (team vision)`.
    package var title: String { "\(role.rawValue) \(spelled)" }
}
