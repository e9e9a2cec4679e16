package import Model

/// Which part of a run somebody asks about. Empty: all of it.
///
/// Parts have names, `r4/eval/eval_3_11/2`, and are found by their positions too, `r4/0/1/2`, as agents and the coordinator write
/// them. A job's id never begins with a digit; so a job of digits is a position, and its cell is one as well.
package struct RunPart: Equatable, Sendable {
    /// A job's id, or its position in the plan, from 0.
    package var job: String?
    /// A cell's id or its name; its position in the job, from 0, where the job is one.
    package var cell: String?
    package var shard: Int?
    package var attempt: Int?

    package init(job: String? = nil, cell: String? = nil, shard: Int? = nil, attempt: Int? = nil) {
        self.job = job
        self.cell = cell
        self.shard = shard
        self.attempt = attempt
    }

    package func has(job position: Int, _ id: String) -> Bool {
        job.map { $0 == id || Self.position($0) == position } ?? true
    }

    /// Of the cells of a job that the part has.
    package func has(_ place: CellID, _ planned: PlannedCell) -> Bool {
        guard let cell else { return true }
        if job.flatMap(Self.position) != nil { return Self.position(cell) == place.cell }
        return cell == planned.id || cell == planned.name
    }

    /// `false` as well for an attempt at a cell that is not planned yet.
    package func has(_ asked: AttemptID, in plan: Plan) -> Bool {
        let place = asked.shard.cell
        guard let planned = plan.cell(place) else { return false }
        return has(job: place.job, plan.jobs[place.job].id) && has(place, planned)
            && (shard.map { $0 == asked.shard.shard } ?? true) && (attempt.map { $0 == asked.number } ?? true)
    }

    private static func position(_ text: String) -> Int? {
        text.utf8.allSatisfy { $0 >= 48 && $0 <= 57 } ? Int(text) : nil
    }
}
