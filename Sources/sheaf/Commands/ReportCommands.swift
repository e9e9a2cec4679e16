import Client
import JSON
import Model
import Reporting
import Wire

extension Commands {
    static let explain = Command(
        name: "explain", summary: "say why something waits, failed, or was tried again",
        discussion: """
              sheaf explain r17
              sheaf explain r17/eval/eval_3_11/2
            """,
        operands: [.init(name: "RUN[/JOB[/CELL[/SHARD]]]", help: "what to explain")],
        options: [.value("format", "text|json", "how to show it")] + Farming.options,
        run: { arguments in
            let format = try arguments.choice("format", of: ["text", "json"])
            let part = try PartName(arguments.operands[0])
            let answer = try await Farming.call(
                arguments, Proto.Farm.Explain.self,
                .with {
                    $0.run = part.run.number
                    $0.job = part.job
                    $0.cell = part.cell
                    $0.shard = part.shard
                })
            if format == "json" {
                let lines = answer.lines.map { Value.string($0) }
                Terminal.print(JSONWriter.text(["of": .string(arguments.operands[0]), "lines": .array(lines)]))
                return .passed
            }
            for line in answer.lines { Terminal.print(PlainText.line(line)) }
            return .passed
        })

    static let report = Command(
        name: "report", summary: "print a run's report",
        discussion: """
              sheaf report r17
              sheaf report r17 --format junit --output report.xml
            """,
        operands: [.init(name: "RUN", help: "r17")],
        options: [
            .value("format", "FORMAT", "text, markdown, junit, html, json, sarif, svg or png"),
            .value("output", short: "o", "FILE", "instead of standard output"),
            .value(
                "rates", "FILE",
                "what an hour costs: {\"currency\": \"EUR\", \"cpu_hour\": 0.04, \"gpu_hour\": {\"*\": 2}}"),
        ] + Farming.options,
        run: { arguments in
            let format = try arguments.choice(
                "format", of: ["text", "markdown", "junit", "html", "json", "sarif", "svg", "png"])
            if format == "png" { try await renderPNG(arguments) } else { try await render(arguments, format) }
            return .passed
        })

    static let export = Command(
        name: "export", summary: "write a run's raw results as JSON lines, for sheaf judge",
        discussion: """
              sheaf export r17 --output r17.jsonl
              sheaf judge eval.yml --results r17.jsonl
            """,
        operands: [.init(name: "RUN", help: "r17")],
        options: [.value("output", short: "o", "FILE", "instead of standard output")] + Farming.options,
        run: { arguments in
            try await render(arguments, "export")
            return .passed
        })

    private static func render(_ arguments: Arguments, _ format: String) async throws {
        let path = arguments.value("output")
        var bytes: [UInt8] = []
        try await rendered(arguments, format) { part in
            if path == nil { Terminal.write(part) } else { bytes += part }
        }
        if let path { try Files.write(bytes, to: path) }
    }

    /// What the farm renders of a run, in parts.
    static func rendered(
        _ arguments: Arguments, _ format: String, against: RunID? = nil, _ take: ([UInt8]) -> Void
    ) async throws {
        let run = try RunID(whole: arguments.operands[0])
        let rates = try arguments.value("rates").map {
            String(decoding: try Files.read($0, bytesMax: Rates.bytesMax), as: UTF8.self)
        }
        let client = try await Farming.connect(arguments)
        do {
            try await client.stream(
                Proto.Farm.Render.self,
                .with {
                    $0.run = run.number
                    $0.format = format
                    $0.color = arguments.value("output") == nil && Terminal.usesColor
                    $0.columns = UInt32(Terminal.columns)
                    $0.against = against?.number ?? 0
                    $0.rates = rates ?? ""
                }
            ) { part in take(part.bytes) }
        } catch let error as ClientError {
            throw Farming.failure(error)
        }
    }
}
