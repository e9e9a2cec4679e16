import Expressions
import Model

/// `needs`: which jobs a job waits for.
extension WorkflowReader {
    mutating func needs(_ node: YAMLNode, of job: inout JobSource) -> [String] {
        switch node.kind {
        case .scalar: return notEmpty(node, "'needs'").map { [$0] } ?? []
        case .sequence(let items):
            var found: [String] = []
            for item in items {
                let need = item.entries == nil ? notEmpty(item, "an entry of 'needs'") : need(item, of: &job)
                if let need { found.append(need) }
            }
            return found
        case .mapping: return need(node, of: &job).map { [$0] } ?? []
        }
    }

    /// `{job: build, match: [python]}`
    private mutating func need(_ node: YAMLNode, of source: inout JobSource) -> String? {
        guard isSheaf else {
            error(
                node, "'needs' must be a job or a list of jobs, not a mapping",
                help: "needs: [build]; {job: …, match: …} is Sheaf's own: write sheaf: 1 at the top")
            return nil
        }
        guard let parts = mapping(node, "an entry of 'needs'", [Key("job"), Key("match")]) else { return nil }
        guard let job = parts["job"] else {
            error(node, "an entry of 'needs' has no 'job'", help: "needs: {job: build}")
            return nil
        }
        guard let id = notEmpty(job, "'job'") else { return nil }
        if let match = parts["match"] {
            source.matches[id] = texts(match, "'match'").map { ($0.text, $0.node.position) }
        }
        return id
    }

    /// The axes by which cells wait for cells are axes of both jobs, as far as the file tells.
    mutating func checkMatches(of jobs: [JobSource]) {
        for job in jobs {
            for (need, axes) in job.matches.sorted(by: { $0.key < $1.key }) {
                guard let needed = jobs.first(where: { $0.id == need }) else { continue }
                guard needed.call == nil, job.call == nil else {
                    let place = axes.first?.position ?? job.position
                    unsupported(
                        YAMLNode(kind: .sequence([]), position: place), "'match' with a job that calls a workflow",
                        help: "leave 'match' out: the job waits for all of it")
                    continue
                }
                for (axis, position) in axes {
                    for one in [needed, job] {
                        guard case .object(let fields, nil) = PlaceTypes.matrix(one.matrix),
                            !fields.contains(where: { CaseFolding.equal($0.name, axis) })
                        else { continue }
                        let known = fields.map(\.name)
                        error(
                            YAMLNode(kind: .sequence([]), position: position),
                            "the matrix of '\(one.id)' has no '\(axis)'",
                            help: Spelling.nearest(to: axis, among: known).map { "did you mean '\($0)'?" }
                                ?? (known.isEmpty ? "it has none" : "it has \(known.joined(separator: ", "))"))
                    }
                }
            }
        }
    }

    mutating func checkNeeds(of jobs: [JobSource], known: [String]) {
        for job in jobs {
            let place = YAMLNode(kind: .sequence([]), position: job.position)
            for need in job.needs where !known.contains(need) {
                let place = YAMLNode(kind: .sequence([]), position: job.needPositions[need] ?? job.position)
                error(
                    place, "the job '\(job.id)' needs '\(need)', which does not exist",
                    help: Spelling.nearest(to: need, among: known).map { "did you mean '\($0)'?" }
                        ?? "the jobs are \(known.prefix(20).joined(separator: ", "))")
            }
            if job.needs.contains(job.id) {
                error(place, "the job '\(job.id)' needs itself", help: "remove it from its own 'needs'")
            }
        }
        // Jobs whose needs are all reached, again and again: what is left stands in a cycle, or behind one.
        let byID = Dictionary(jobs.map { ($0.id, $0) }) { first, _ in first }
        var reached: Set<String> = []
        var isMoving = true
        while isMoving {
            isMoving = false
            for job in jobs where !reached.contains(job.id) {
                if job.needs.allSatisfy({ reached.contains($0) || byID[$0] == nil }) {
                    reached.insert(job.id)
                    isMoving = true
                }
            }
        }
        guard let stuck = jobs.first(where: { !reached.contains($0.id) && !$0.needs.contains($0.id) }) else { return }
        var path = [stuck.id]
        while let last = path.last.flatMap({ byID[$0] }),
            let next = last.needs.first(where: { byID[$0] != nil && !reached.contains($0) })
        {
            if let start = path.firstIndex(of: next) {
                path = Array(path[start...]) + [next]
                break
            }
            path.append(next)
        }
        let place = YAMLNode(kind: .sequence([]), position: byID[path[0]]?.position ?? stuck.position)
        error(place, "the jobs need one another: \(path.joined(separator: " → "))", help: "remove one of these 'needs'")
    }
}
