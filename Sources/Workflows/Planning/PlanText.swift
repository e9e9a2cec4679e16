import JSON
package import Model

/// A plan as `sheaf plan` shows it.
package enum PlanText {
    /// `{"jobs":[{"id","name","needs":[…],"cells":[{"id","name","values":{…},"shards":N|null}]}]}`; `cells` is null
    /// while they depend on outputs of other jobs. A job with `cover` also has a member `cover`: see `CoverCertificate`.
    package static func json(_ plan: Plan, covers: [String: CoverCertificate] = [:]) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("jobs")
        writer.beginArray()
        for job in plan.jobs {
            writer.beginObject()
            writer.key("id")
            writer.string(job.id)
            writer.key("name")
            writer.string(job.name)
            writer.key("needs")
            writer.value(.array(job.needs.map { .string(plan.jobs[$0].id) }))
            writer.key("cells")
            if let cells = job.cells {
                writer.beginArray()
                for cell in cells { write(cell, of: job, to: &writer) }
                writer.endArray()
            } else {
                writer.null()
            }
            if let cover = covers[job.id] {
                writer.key("cover")
                writer.value(cover.value)
            }
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        writer.newline()
        return writer.bytes
    }

    private static func write(_ cell: PlannedCell, of job: PlannedJob, to writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("id")
        writer.string(cell.id)
        writer.key("name")
        writer.string(cell.name)
        writer.key("values")
        writer.value(.object(cell.values))
        if let environment = cell.environment {
            writer.key("environment")
            writer.string(environment)
        }
        writer.key("shards")
        if let shards = shards(of: job) { writer.integer(shards) } else { writer.null() }
        writer.endObject()
    }

    /// `nil` while the items are not listed.
    private static func shards(of job: PlannedJob) -> Int? { job.shards.items == nil ? job.shards.count : nil }

    /// For people: jobs with their cells, what each asks for.
    package static func text(_ plan: Plan, covers: [String: CoverCertificate] = [:]) -> String {
        var text = "\(plan.name) (\(plan.file))\n"
        for job in plan.jobs {
            let needs = job.needs.isEmpty ? "" : ", after \(job.needs.map { plan.jobs[$0].id }.joined(separator: ", "))"
            guard let cells = job.cells else {
                text += "\n\(job.id): cells depend on outputs of other jobs\(needs)\n"
                continue
            }
            let shards =
                shards(of: job).map { $0 == 1 ? "" : ", \($0) shards each" }
                ?? ", shards: unknown until items are listed"
            text += "\n\(job.id): \(cells.count) \(cells.count == 1 ? "cell" : "cells")\(shards)\(needs)\n"
            if let cover = covers[job.id] { text += "  \(cover.summary)\n" }
            if let condition = job.condition { text += "  if \(condition)\n" }
            for cell in cells {
                let labels = cell.labels.isEmpty ? "" : "  on \(cell.labels.joined(separator: ", "))"
                let python = cell.python.map { "  python \($0)" } ?? ""
                let environment = cell.environment.map { "  to \($0)" } ?? ""
                let skipped = cell.skipped.map { "  skipped: \($0)" } ?? ""
                text += "  \(cell.name)\(labels)\(python)  \(ask(cell.resources))\(environment)\(skipped)\n"
            }
        }
        if !plan.gates.isEmpty {
            text +=
                "\ngates: \(plan.gates.map { $0.required ? $0.name : "\($0.name) (advisory)" }.joined(separator: ", "))\n"
        }
        return text
    }

    private static func ask(_ resources: ResourceRequest) -> String {
        var words = ["\(resources.cpus) \(resources.cpus == 1 ? "core" : "cores")"]
        if let memory = resources.memory { words.append("\(memory)") }
        if let gpus = resources.gpus {
            words.append("\(gpus.count) × \(gpus.model ?? "GPU")\(gpus.memory.map { " with \($0)" } ?? "")")
        }
        return words.joined(separator: ", ")
    }
}
