import Model

extension Workflow {
    /// The jobs that a job waits for because they are read by gates that it needs.
    func jobsBehindGates(of index: Int, _ mistakes: inout [Diagnostic]) -> [Int] {
        let job = jobs[index]
        var found: [Int] = []
        for name in job.needsGates {
            guard let gate = gates.first(where: { $0.name == name }) else {
                // It may be the one that could not be read.
                if unread.gates { continue }
                let near = Spelling.nearest(to: name, among: gates.map(\.name))
                mistakes.append(
                    Diagnostic(
                        at: job.position, "the job '\(job.id)' needs the gate '\(name)', which does not exist",
                        help: near.map { "did you mean '\($0)'?" }
                            ?? (gates.isEmpty
                                ? "write it under gates:, or remove it from 'needs-gates'"
                                : "the gates are \(gates.prefix(20).map(\.name).joined(separator: ", "))")))
                continue
            }
            let reporting = jobs.indices.filter { jobs[$0].writesMetrics && $0 != index }
            let read =
                gate.job.flatMap { id in jobs.firstIndex { $0.planID == id } }
                ?? (reporting.count == 1 ? reporting[0] : nil)
            guard let read else {
                if unread.jobs { continue }
                mistakes.append(
                    Diagnostic(
                        at: gate.position, "the gate '\(name)' is needed by a job and does not say which job it reads",
                        help: "add job: to the gate"))
                continue
            }
            if reaches(index, from: read) {
                mistakes.append(
                    Diagnostic(
                        at: job.position,
                        "the job '\(job.id)' needs the gate '\(name)', which reads '\(jobs[read].planID)', which needs '\(job.id)'",
                        help: "a gate is judged when the jobs that it reads have ended"))
                continue
            }
            found.append(read)
        }
        return found
    }

    /// Whether `start` is the job, or waits for it.
    private func reaches(_ index: Int, from start: Int) -> Bool {
        var seen: Set<Int> = []
        var open = [start]
        while let next = open.popLast() {
            guard seen.insert(next).inserted else { continue }
            if next == index { return true }
            open += planNeeds(of: next)
            open += jobs[next].needsGates.compactMap { name in
                gates.first { $0.name == name }?.job.flatMap { id in jobs.firstIndex { $0.planID == id } }
            }
        }
        return false
    }
}
