import Artifacts
import Gates
import JSON
import Model
import Workflows

extension Commands {
    static let judge = Command(
        name: "judge", summary: "judge exported results by a workflow's gates, offline",
        discussion: """
            The verdict is the farm's to the byte. Results without a header are held against the workflow's plan, and
            gates with a baseline are then inconclusive. Exit code 0 passed, 1 did not pass, 3 the farm's fault alone.

              sheaf judge eval.yml --results run.jsonl --baseline main.jsonl
            """,
        operands: [.init(name: "FILE", help: "the workflow, whose gates are asked")],
        options: [
            .value("results", "FILE", "JSON lines, as sheaf export writes them"),
            .value("baseline", "FILE", repeats: true, "the results that gates with a baseline compare with"),
        ] + eventOptions,
        run: { arguments in
            let format = try arguments.choice("format", of: ["text", "json"])
            let loaded = try LoadedWorkflow(arguments)
            let (plan, diagnostics) = loaded.checked()
            let worth = diagnostics.filter { $0.severity != .warning }
            if !worth.isEmpty { Terminal.complain(String(loaded.text(worth).dropLast())) }
            guard let plan, let workflow = loaded.workflow else { return .usage }
            var read = try readResults(try arguments.required("results"))
            if !read.hasPlan { read.results.header.jobs = plan.expectedJobs }
            let measured = read.results.header.provenance.first { $0.key == "workflow" }?.value.string
            if let measured, measured != Digest(hashing: loaded.source).hex {
                Terminal.complain(
                    "note: the results are of another text than \(loaded.file); their own plan is judged by this file's gates"
                )
            } else if measured == nil, case let lacking = lacking(plan.expectedJobs, read.results.header.jobs),
                !lacking.isEmpty
            {
                Terminal.complain(
                    "note: the plan in the results' header lacks \(Spelling.shortened(lacking, most: 10)) of \(loaded.file); "
                        + "without a plan in the header the workflow's is held against them")
            }
            let baselines = try baselines(
                of: plan, notes: read.results.header.baselines, files: arguments.all("baseline"))
            var conditions: [String: Bool]
            do throws(Mistakes) {
                conditions = try workflow.gateConditions(loaded.request, ancestors: nil)
            } catch {
                throw CommandFailure(loaded.text(error.diagnostics), exitCode: .usage)
            }
            // What the run itself found counts: which event it was of, what its jobs put out.
            for gate in plan.gates {
                guard let known = read.results.header.conditions.first(where: { $0.text == gate.when }) else {
                    continue
                }
                conditions[gate.name] = known.holds
            }
            let judgement = Gates.judge(
                plan.gates, results: read.results, baselines: read.hasHeader ? baselines : absent(baselines),
                conditions: conditions, terms: JudgingTerms(plan))
            for note in judgement.notes { Terminal.complain("note: \(note)") }
            if format == "json" {
                Terminal.write(judgement.json)
            } else {
                Terminal.print(JudgementText.text(judgement))
            }
            return ExitCode(rawValue: judgement.exitCode) ?? .failed
        })

    private static func readResults(_ path: String) throws -> ResultsFile {
        let bytes = try Files.read(path, bytesMax: ResultsFile.bytesMax)
        do throws(ResultsFileError) {
            return try ResultsFile.read(bytes, file: path)
        } catch {
            let place = error.line > 0 ? "\(error.file):\(error.line)" : error.file
            throw CommandFailure(error.problem, in: place, exitCode: .usage)
        }
    }

    /// Jobs, and cells of others, that a plan has and another has not, or not so.
    private static func lacking(_ jobs: [ExpectedJob], _ others: [ExpectedJob]) -> [String] {
        jobs.flatMap { job -> [String] in
            guard let other = others.first(where: { $0.id == job.id }) else { return ["job '\(job.id)'"] }
            let there = Dictionary(other.cells.map { ("\($0.values)", $0) }) { first, _ in first }
            return job.cells.compactMap { cell -> String? in
                guard let found = there["\(cell.values)"] else { return cell.name }
                // How many items a listing finds, and with them its shards, the workflow does not know.
                let isSame =
                    (cell.shards ?? found.shards) == found.shards && (cell.items ?? found.items) == found.items
                    && cell.required == found.required && cell.continueOnError == found.continueOnError
                return isSame ? nil : "\(cell.name) as it is there (\(wants(cell)))"
            }
        }
    }

    /// What a plan wants of a cell.
    private static func wants(_ cell: ExpectedCell) -> String {
        [
            cell.shards.map { Spelling.counted($0, "shard") } ?? "",
            cell.items.map { Spelling.counted($0, "item") } ?? "",
            cell.required ? "required" : "not required", cell.continueOnError ? "may fail" : "",
        ].filter { !$0.isEmpty }.joined(separator: ", ")
    }

    private static func baselines(
        of plan: Plan, notes: [BaselineNote], files: [String]
    ) throws -> [ResolvedBaseline] {
        var seen: [GateRule.BaselineReference] = []
        for reference in plan.gates.compactMap(\.baseline) where !seen.contains(reference) { seen.append(reference) }
        let given = try files.map { (results: try readResults($0).results, name: $0) }
        var named: [RunID: String] = [:]
        for (results, name) in given {
            guard let run = results.header.run, let other = named.updateValue(name, forKey: run) else { continue }
            throw CommandFailure(
                "results of \(run), as are those in \(other): which of them is the baseline?", in: name,
                help: "give one --baseline for each run", exitCode: .usage)
        }
        return ResolvedBaseline.again(seen, notes: notes, files: given)
    }

    private static func absent(_ baselines: [ResolvedBaseline]) -> [ResolvedBaseline] {
        baselines.map {
            ResolvedBaseline(
                $0.reference, .unavailable("the results have no header that tells which code was measured"))
        }
    }
}

/// A judgement for people: each gate with the groups that decide it.
enum JudgementText {
    private static let groupsShown = 20

    static func text(_ judgement: Judgement) -> String {
        var text = ""
        for gate in judgement.gates {
            text += "\(pad(gate.word, 14)) \(gate.name)\(gate.isRequired ? "" : " (advisory)"): \(gate.question)\n"
            let neutral = gate.name == "jobs" ? neutralJobs(judgement) : []
            let notable = gate.groups.filter { group in
                // What did not pass and need not is told, too, and by whose word; and what passed with nothing to compare.
                group.verdict > .pass || group.passesUncompared
                    || group.place.contains { $0.value.string.map(neutral.contains) == true }
            }
            for group in notable.prefix(groupsShown) {
                let place = group.place.map { "\($0.key)=\(JSONWriter.text($0.value))" }.joined(separator: " ")
                text += "  \(pad(group.verdict.rawValue, 14))\(place.isEmpty ? "" : "\(place): ")\(group.reason)\n"
            }
            if notable.count > groupsShown { text += "  … and \(notable.count - groupsShown) more\n" }
        }
        return text + "verdict: \(judgement.verdict.rawValue)"
    }

    /// Jobs with cells that did not pass and did not have to: quarantined ones among them.
    private static func neutralJobs(_ judgement: Judgement) -> Set<String> {
        Set(
            judgement.cells.filter { $0.isNeutral && !$0.reason.isEmpty && $0.outcome != .notApplicable }.map(\.job))
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }
}
