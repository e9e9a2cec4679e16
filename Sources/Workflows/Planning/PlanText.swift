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
        if let group = cell.concurrency {
            writer.key("concurrency")
            writer.string(group.name)
        }
        if !cell.callGroups.isEmpty {
            writer.key("call_concurrency")
            writer.value(.array(cell.callGroups.map { .string($0.group.name) }))
        }
        if let skipped = cell.skipped {
            writer.key("skipped")
            writer.string(skipped)
        }
        if !cell.required {
            writer.key("required")
            writer.boolean(false)
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
                ?? ", shards: unknown until items are listed (\(cut(job.shards)))"
            text += "\n\(job.id): \(cells.count) \(cells.count == 1 ? "cell" : "cells")\(shards)\(needs)\n"
            let left = cells.count { $0.skipped != nil }
            if left > 0 { text += "  \(left) of them \(left == 1 ? "does" : "do") not run: see 'skipped'\n" }
            let neutral = cells.count { !$0.required && $0.skipped == nil }
            if neutral > 0 {
                text += "  \(neutral) of them \(neutral == 1 ? "is" : "are") not required: no gate rests on it\n"
            }
            if let cover = covers[job.id] { text += "  \(cover.summary)\n" }
            if let condition = job.condition { text += "  if \(condition)\n" }
            for cell in cells {
                let labels = cell.labels.isEmpty ? "" : "  on \(cell.labels.joined(separator: ", "))"
                let python = cell.python.map { "  python \($0)" } ?? ""
                let environment = cell.environment.map { "  to \($0)" } ?? ""
                let required = cell.required || cell.skipped != nil ? "" : "  not required"
                let skipped = cell.skipped.map { "  skipped: \($0)" } ?? ""
                text +=
                    "  \(cell.name)\(labels)\(python)  \(ask(cell.resources))\(environment)\(required)\(skipped)\n"
            }
        }
        if !plan.gates.isEmpty {
            text +=
                "\ngates: \(plan.gates.map { $0.required ? $0.name : "\($0.name) (advisory)" }.joined(separator: ", "))\n"
        }
        return text
    }

    /// How a listing will be cut.
    private static func cut(_ shards: ShardPlan) -> String {
        let most = "\(shards.count) at most"
        switch shards.balance {
        case .none: return "\(most), of equal numbers of items"
        case .history(nil): return "\(most), balanced by recorded durations"
        case .history(let target?): return "\(most), of about \(minutes(target)) each by recorded durations"
        }
    }

    private static func minutes(_ duration: Duration) -> String {
        let minutes = duration.inSeconds / 60
        return minutes == minutes.rounded() ? "\(Int(minutes)) min" : "\(Int(duration.inSeconds)) s"
    }

    private static func ask(_ resources: ResourceRequest) -> String {
        var words = ["\(resources.cpus) \(resources.cpus == 1 ? "core" : "cores")"]
        if let memory = resources.memory { words.append("\(memory)") }
        if let disk = resources.disk { words.append("\(disk) of disk") }
        if let gpus = resources.gpus {
            let others = gpus.or.map { other in
                " or \(other.model ?? "any GPU")\(other.memory.map { " with \($0)" } ?? "") after \(minutes(other.after))"
            }
            words.append(
                "\(gpus.count) × \(gpus.model ?? "GPU")\(gpus.memory.map { " with \($0)" } ?? "")\(others.joined())")
        }
        return words.joined(separator: ", ")
    }
}
