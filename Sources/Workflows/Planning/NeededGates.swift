import Model

extension Workflow {
    /// The jobs that a job waits for because they are read by gates that it needs.
    func jobsBehindGates(of job: JobSource, _ mistakes: inout [Diagnostic]) -> [Int] {
        var found: [Int] = []
        for name in job.needsGates {
            guard let gate = gates.first(where: { $0.name == name }) else {
                let near = Spelling.nearest(to: name, among: gates.map(\.name))
                mistakes.append(
                    Diagnostic(
                        at: job.position, "the job '\(job.id)' needs the gate '\(name)', which does not exist",
                        help: near.map { "did you mean '\($0)'?" }))
                continue
            }
            let reporting = jobs.indices.filter { jobs[$0].writesMetrics && jobs[$0].id != job.id }
            let read =
                gate.job.flatMap { id in jobs.firstIndex { $0.id == id } }
                ?? (reporting.count == 1 ? reporting[0] : nil)
            guard let read else {
                mistakes.append(
                    Diagnostic(
                        at: gate.position, "the gate '\(name)' is needed by a job and does not say which job it reads",
                        help: "add job: to the gate"))
                continue
            }
            if reaches(job.id, from: jobs[read].id) {
                mistakes.append(
                    Diagnostic(
                        at: job.position,
                        "the job '\(job.id)' needs the gate '\(name)', which reads '\(jobs[read].id)', which needs '\(job.id)'",
                        help: "a gate is judged when the jobs that it reads have ended"))
                continue
            }
            found.append(read)
        }
        return found
    }

    /// Whether `start` is the job, or waits for it.
    private func reaches(_ id: String, from start: String) -> Bool {
        var seen: Set<String> = []
        var open = [start]
        while let next = open.popLast() {
            guard seen.insert(next).inserted else { continue }
            if next == id { return true }
            guard let job = jobs.first(where: { $0.id == next }) else { continue }
            open += job.needs
            open += job.needsGates.compactMap { name in gates.first { $0.name == name }?.job }
        }
        return false
    }
}
