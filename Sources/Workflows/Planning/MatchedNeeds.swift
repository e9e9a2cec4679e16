import Expressions
import Model

/// `needs: {job: build, match: [python]}`: a cell waits for the cells of another job that have the same values.
extension Workflow {
    /// Positions in the plan of the jobs whose cells are waited for one by one.
    func matchedNeeds(of index: Int) -> [Int] {
        let job = jobs[index]
        return job.matches.keys.compactMap { named($0, around: job)?.jobs.first }.sorted()
    }

    /// Notes in each cell which cells it waits for.
    ///
    /// - Parameter plannedCells: what is known of other jobs; a job of which nothing is known adds nothing now.
    func match(
        _ cells: inout [PlannedCell], of index: Int, _ plannedCells: (Int) -> [PlannedCell]?,
        _ mistakes: inout [Diagnostic]
    ) {
        let job = jobs[index]
        for (name, axes) in job.matches.sorted(by: { $0.key < $1.key }) {
            guard let position = named(name, around: job)?.jobs.first, let others = plannedCells(position) else {
                continue
            }
            let names = axes.map(\.axis)
            let places = Dictionary(grouping: others.indices) { Self.key(names, others[$0].values) }
            for place in cells.indices {
                guard let found = places[Self.key(names, cells[place].values)] else {
                    mistakes.append(
                        Diagnostic(
                            at: axes.first?.position ?? job.position,
                            "no cell of '\(name)' has what '\(cells[place].name)' waits for: "
                                + names.map { axis in
                                    let value = Self.value(axis, in: cells[place].values)
                                    return "\(axis) \(Conversion.text(of: value))"
                                }.joined(separator: ", "),
                            help: "give both jobs the same values of these axes, or leave 'match' out"))
                    return
                }
                cells[place].needs.append(
                    CellNeed(job: position, cells: found.sorted(), mustPass: !asksForStatus(job)))
            }
        }
    }

    private static func value(_ axis: String, in values: [Value.Member]) -> Value {
        values.first { CaseFolding.equal($0.key, axis) }?.value ?? .null
    }

    /// What must be equal: kinds count, so that 3.1 and '3.1' are two.
    private static func key(_ axes: [String], _ values: [Value.Member]) -> [String] {
        axes.map { axis in
            let value = value(axis, in: values)
            return value.string.map { "'" + $0 } ?? "\(value)"
        }
    }
}
