import Expressions
import JSON
import Model
import Workflows

enum WorkflowFuzz {
    static func run(_ bytes: [UInt8]) throws(FuzzFinding) {
        let (workflow, diagnostics) = Workflow.read(bytes, file: "fuzz.yml")
        _ = DiagnosticText.text(diagnostics, source: bytes)
        _ = DiagnosticText.json(diagnostics)
        _ = Workflow.check(bytes, file: "fuzz.yml", request: PlanRequest())
        let hasError = diagnostics.contains { $0.severity == .error }
        try promise((workflow == nil) == hasError, "no workflow without an error, or one with some")
        for diagnostic in diagnostics {
            try promise(
                diagnostic.position.line >= 1 && diagnostic.position.column >= 1, "\(diagnostic) stands nowhere")
        }
        guard let workflow else { return }
        // A refusal is an answer; that it comes back is what is asked for.
        guard let plan = try? workflow.plan(PlanRequest()) else { return }
        for job in plan.jobs {
            guard let cells = job.cells else { continue }
            try promise(cells.count <= Limits.cellsPerJobMax, "\(cells.count) cells")
            try promise(Set(cells.map(\.id)).count == cells.count, "two cells of '\(job.id)' have one name")
        }
        _ = PlanText.text(plan)
        let json = PlanText.json(plan)
        try promise((try? JSONParser.value(json, depthMax: 200)) != nil, "a plan's JSON is none")
    }
}

enum CalledFuzz {
    static func run(_ bytes: [UInt8]) throws(FuzzFinding) {
        let parts = bytes.split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false).map { Array($0) }
        let files = WorkflowFiles(isWhole: true) { name in
            switch name {
            case "./c.yml": parts.count > 1 ? parts[1] : nil
            case "./a/action.yml": parts.count > 2 ? parts[2] : nil
            default: nil
            }
        }
        let request = PlanRequest()
        let (workflow, diagnostics) = Workflow.read(parts[0], file: "fuzz.yml", files: files)
        for diagnostic in diagnostics {
            try promise(diagnostic.position.line >= 1, "\(diagnostic) stands nowhere")
        }
        guard let workflow, let plan = try? workflow.plan(request) else { return }
        try promise(plan.jobs.count <= Limits.jobsMax, "\(plan.jobs.count) jobs")
        try promise(Set(plan.jobs.map(\.id)).count == plan.jobs.count, "two jobs have one id")
        for (index, job) in plan.jobs.enumerated() {
            try promise(job.needs.allSatisfy { $0 != index && plan.jobs.indices.contains($0) }, "a job needs none")
            let ended = plan.jobs.map { NeededJob(id: $0.id, outcome: .success, outputs: [.init("o", "1")]) }
            _ = try? workflow.resolve(job: index, ancestors: ended, request, plannedCells: { plan.jobs[$0].cells })
        }
        try promise((try? workflow.plan(request)) == plan, "two plans of one request")
    }
}

enum EventFuzz {
    static func run(_ bytes: [UInt8]) throws(FuzzFinding) {
        let parts = bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false).map { Array($0) }
        let jobs = "\njobs: {a: {runs-on: x, steps: [{run: y}]}}\n"
        let (workflow, _) = Workflow.read(parts[0] + Array(jobs.utf8), file: "fuzz.yml")
        guard let workflow, let event = try? JSONParser.value(parts.count > 1 ? parts[1] : Array("{}".utf8)) else {
            return
        }
        var request = PlanRequest(eventName: event["name"]?.string, event: event)
        request.changedPaths = event["changed"]?.array?.compactMap(\.string)
        let decision = workflow.start(by: request)
        try promise(workflow.start(by: request) == decision, "two answers to one event")
        _ = try? workflow.plan(request)
    }
}

enum ExpressionFuzz {
    static func run(_ bytes: [UInt8]) throws(FuzzFinding) {
        let parts = bytes.split(separator: 0x0A, maxSplits: 1, omittingEmptySubsequences: false)
        let source = String(decoding: parts[0], as: UTF8.self)
        let given = parts.count > 1 ? try? JSONParser.value(Array(parts[1])) : nil
        let contexts = given.flatMap { $0.members == nil ? nil : $0 } ?? usual
        let answer = ExpressionTrial.answer(source, contexts: contexts)
        try promise((try? JSONParser.value(answer, depthMax: 200)) != nil, "no JSON: \(answer)")
        try promise(ExpressionTrial.answer(source, contexts: contexts) == answer, "two answers to one question")

        let scope = ExpressionScope(names: (contexts.members ?? []).map(\.key))
        var context = EvaluationContext(values: contexts.members ?? [])
        context.memoryMax = Limits.expressionTrialMemoryMax
        if let template = try? TemplateText(source, in: scope) { _ = try? template.text(in: context) }
        if let condition = try? Condition(source, in: scope) { _ = try? condition.holds(in: context) }
        _ = ExpressionTrial.answer(line: bytes)
    }

    private static let usual: Value = [
        "github": ["event_name": "push", "ref": "refs/heads/main", "event": ["n": 3, "list": [1, "two", .null]]],
        "matrix": ["backend": "cpu", "python": 3.11, "deep": ["a": ["b": ["c": true]]]],
        "env": ["NAME": "värde", "EMPTY": ""],
        "steps": ["one": ["outputs": ["x": "1"], "outcome": "success"]],
    ]
}

enum JSONFuzz {
    static func run(_ bytes: [UInt8]) throws(FuzzFinding) {
        let value: Value
        do throws(JSONError) {
            value = try JSONParser.value(bytes)
        } catch {
            try promise(error.line >= 1 && error.column >= 1, "\(error) stands nowhere")
            try promise((try? JSONParser.parse(bytes)) == nil, "with places it is JSON, and without it is not")
            try lines(bytes)
            return
        }
        guard let node = try? JSONParser.parse(bytes) else {
            throw FuzzFinding("without places it is JSON, and with them it is not")
        }
        try promise(node.value == value, "with places it is another value")
        for indent in [nil, 2] {
            let text = JSONWriter.text(value, indent: indent)
            guard let again = try? JSONParser.value(text) else {
                throw FuzzFinding("what was written is no JSON: \(text)")
            }
            try promise(again == value, "what was written is another value")
            try promise(JSONWriter.text(again, indent: indent) == text, "what was written twice differs")
        }
        try lines(bytes)
    }

    /// Line by line it says the same as each line alone.
    private static func lines(_ bytes: [UInt8]) throws(FuzzFinding) {
        var values = JSONLines(bytes)
        var nodes = JSONLines(bytes)
        var texts = JSONLines(bytes)
        while let (line, text) = texts.next() {
            guard let value = values.nextValue(), let node = nodes.nextNode() else {
                throw FuzzFinding("line \(line) is there as a text alone")
            }
            // Compared through optionals: a line that is none is none in each way.
            let alone = try? JSONParser.value(text)
            try promise((try? value.result.get()) == alone, "line \(line) is another value among its neighbours")
            try promise((try? node.result.get())?.value == alone, "line \(line) is another node among its neighbours")
            try promise(value.line == line && node.line == line, "line \(line) has another number")
        }
        try promise(values.nextValue() == nil, "a line more")
    }
}
