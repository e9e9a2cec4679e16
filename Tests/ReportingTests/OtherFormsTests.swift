import Foundation
import FoundationXML
import Gates
import JSON
import Model
import Reporting
import Testing

@Suite struct `A report as SVG` {
    @Test func `is one picture in which no foreign text takes effect`() {
        for text in `Hostile names`.attacks {
            let svg = `Hostile names`.sample(text).report.svg
            let parser = XMLParser(data: Data(svg.utf8))
            #expect(parser.parse(), "\(String(describing: parser.parserError)): \(text)")
            #expect(!svg.contains("<script") && !svg.contains("href=") && !svg.contains("\u{1B}"))
        }
    }

    @Test func `shows cells by symbol and figure, and groups against their bounds`() {
        let svg = Sample.troubled.report.svg
        #expect(svg.contains(">✓ 0.9<") && svg.contains("✗") && svg.contains("class=\"bound\""))
        #expect(svg.contains("<title>fail: r17 nightly</title>") && svg.contains("<desc>"))
        // What has no value is drawn by its reason: a picture must not look better than the run.
        let sample = Sample.troubled
        var judgement = sample.judgement
        for place in judgement.gates[1].groups.indices {
            judgement.gates[1].groups[place].value = nil
            judgement.gates[1].groups[place].reason = "accuracy: missing: no metrics"
        }
        let drawn = RunReport(facts: sample.facts, results: sample.results, judgement: judgement).svg
        #expect(drawn.contains("accuracy: missing: no metrics") && drawn.contains(judgement.gates[1].name))
    }

    @Test func `stays small for a large matrix`() {
        var sample = Sample()
        sample.axes = [("a", (0..<100).map { .number(Double($0)) }), ("b", (0..<100).map { .number(Double($0)) })]
        sample.shards = 1
        let svg = sample.report.svg
        #expect(svg.utf8.count < 1_000_000 && svg.contains("not all of it is drawn"))
    }
}

@Suite struct `A report as SARIF` {
    @Test func `has one result for each group that does not pass`() throws {
        let report = Sample.troubled.report
        let value = try JSONParser.value(report.sarif)
        let run = value["runs"]?.array?[0]
        let results = run?["results"]?.array ?? []
        let expected = report.judgement.gates.flatMap(\.groups).count { $0.verdict > .waived }
        #expect(results.count == expected && expected > 2)
        #expect(results.contains { $0["ruleId"] == "floor" && $0["level"] == "error" })
        #expect(results.contains { $0["ruleId"] == "no-regression" && $0["level"] == "warning" })
        let uri = results[0]["locations"]?.array?[0]["physicalLocation"]?["artifactLocation"]?["uri"]
        #expect(uri == "eval.yml" && run?["invocations"]?.array?[0]["executionSuccessful"] == false)
        #expect(try JSONParser.value(Sample.green.report.sarif)["runs"]?.array?[0]["results"] == [])
    }

    @Test func `says the verdict in the sentence of all other forms`() throws {
        for report in [Sample.troubled.report, Sample.green.report] {
            let sentence = report.verdictSentence
            let properties = try JSONParser.value(report.sarif)["runs"]?.array?[0]["properties"]
            #expect(properties?["summary"]?.string == sentence)
            #expect(report.junit.contains("<property name=\"summary\" value=\"\(sentence)\"/>"), "\(sentence)")
            #expect(report.text().contains(sentence) && report.html.contains(sentence), "\(sentence)")
        }
    }

    @Test func `keeps foreign texts as texts`() throws {
        for text in `Hostile names`.attacks {
            let run = try JSONParser.value(`Hostile names`.sample(text).report.sarif)["runs"]?.array?[0]
            let told = run?["results"]?.array?.compactMap { $0["message"]?["text"]?.string } ?? []
            #expect(!told.isEmpty, "\(text.debugDescription)")
            // On one line, nothing hidden, nothing that turns the direction, and no link where SARIF sees one.
            for sentence in told {
                #expect(sentence == PlainText.line(sentence), "\(sentence.debugDescription)")
                #expect(sentence.firstMatch(of: #/[^\\]\]\(/#) == nil, "\(sentence.debugDescription)")
            }
        }
    }
}

/// docs/schemas/report-1.schema.json, which others write their readers by.
@Suite struct `The published schema` {
    private static let place = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "docs/schemas/report-1.schema.json")

    @Test func `is kept by every report`() throws {
        let schema = try JSONParser.value(Array(try Data(contentsOf: Self.place)))
        var reports = [Sample.troubled.report, Sample.green.report]
        var running = Sample.troubled
        running.isOver = false
        running.settled = 2
        reports.append(running.report)
        var between = Sample.green
        between.gates = [GateRule(name: "b", metric: "accuracy", limits: [.between(0.8, 0.95)])]
        reports.append(between.report)
        reports += `Hostile names`.attacks.map { `Hostile names`.sample($0).report }
        for report in reports {
            let problems = Self.problems(try JSONParser.value(report.json), schema, at: "report")
            #expect(problems.prefix(3) == [])
        }
    }

    @Test func `refuses what is none`() throws {
        let schema = try JSONParser.value(Array(try Data(contentsOf: Self.place)))
        #expect(!Self.problems(["sheaf_report": 1], schema, at: "").isEmpty)
        #expect(!Self.problems(["sheaf_report": 2], schema, at: "").isEmpty)
    }

    /// As much of JSON Schema as the schema uses; an unknown keyword is a problem of its own.
    private static func problems(_ value: Value, _ schema: Value, at place: String) -> [String] {
        var found: [String] = []
        for keyword in schema.members ?? [] {
            switch keyword.key {
            case "$schema", "title", "description": break
            case "const": if value != keyword.value { found.append("\(place) is not \(keyword.value)") }
            case "enum":
                if keyword.value.array?.contains(value) != true { found.append("\(place) is \(value)") }
            case "type":
                let types = keyword.value.array?.compactMap(\.string) ?? [keyword.value.string ?? ""]
                if !types.contains(where: { isType(value, $0) }) { found.append("\(place) is no \(types)") }
            case "anyOf":
                let all = (keyword.value.array ?? []).map { problems(value, $0, at: place) }
                if !all.contains(where: \.isEmpty) { found += all.flatMap { $0 } }
            case "properties":
                for member in value.members ?? [] {
                    if let inner = keyword.value[member.key] {
                        found += problems(member.value, inner, at: "\(place).\(member.key)")
                    }
                }
            case "required":
                for name in keyword.value.array?.compactMap(\.string) ?? []
                where value.members != nil && value[name] == nil { found.append("\(place) lacks \(name)") }
            case "additionalProperties":
                for member in value.members ?? [] where schema["properties"]?[member.key] == nil {
                    found.append("\(place) has \(member.key)")
                }
            case "items":
                for (index, item) in (value.array ?? []).enumerated() {
                    found += problems(item, keyword.value, at: "\(place)[\(index)]")
                }
            case "minItems":
                if let items = value.array, Double(items.count) < keyword.value.number ?? 0 { found.append(place) }
            case "maxItems":
                if let items = value.array, Double(items.count) > keyword.value.number ?? 0 { found.append(place) }
            case "minimum": if let number = value.number, number < keyword.value.number ?? 0 { found.append(place) }
            default: found.append("the schema's keyword \(keyword.key) is not known here")
            }
        }
        return found
    }

    private static func isType(_ value: Value, _ type: String) -> Bool {
        switch (value, type) {
        case (.null, "null"), (.boolean, "boolean"), (.number, "number"), (.string, "string"), (.array, "array"),
            (.object, "object"):
            true
        case (.number(let number), "integer"): number == number.rounded()
        default: false
        }
    }
}

/// JUnit as programs that others wrote read it: `junitparser` and `junit2html` from PyPI, which `make readers` installs.
@Suite struct `JUnit for others` {
    private static let reader = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "read_junit.py")
        .path
    private static let python = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: ".build/readers/bin/python3").path

    private static func run(_ arguments: [String], input: String) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(filePath: python)
        process.arguments = arguments
        let (feed, pipe) = (Pipe(), Pipe())
        (process.standardInput, process.standardOutput) = (feed, pipe)
        try process.run()
        feed.fileHandleForWriting.write(Data(input.utf8))
        try feed.fileHandleForWriting.close()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }

    private static let isInstalled = (try? run([reader, "--installed"], input: ""))?.status == 0

    @Test(.enabled(if: isInstalled, "make readers has not run"))
    func `is read by two programs to the same counts`() throws {
        for (sample, tests, failures, errors, skipped) in [(Sample.troubled, 9, 4, 0, 1), (Sample.green, 4, 0, 0, 0)] {
            let answer = try Self.run([Self.reader], input: sample.report.junit)
            #expect(answer.status == 0)
            #expect(answer.output == "\(tests) \(failures) \(errors) \(skipped)\n", "\(answer.output)")
        }
    }
}
