import Foundation
import FoundationXML
import Gates
import JSON
import Model
import Reporting
import Testing

/// Every text that somebody outside chooses is shown, and none of it takes effect.
@Suite struct `Hostile names` {
    static let attacks = [
        "\u{1B}[2J\u{1B}[1;1Hpwned", "\u{9B}31m", "a\nb\r\nc\td", "nul\u{0}bell\u{7}del\u{7F}",
        "right\u{202E}tfel\u{2066}x\u{2069}", "zero\u{200B}\u{200D}\u{FEFF}width", "line\u{2028}para\u{2029}",
        "</failure></testcase><testcase name=\"x\"/>", "]]>&amp;&#0;\"'<!--", "<script>alert(1)</script>",
        "| a | b |\n|---|---|", "`code` ```` **bold** _i_ ~~s~~ [x](http://evil.example) ![i](javascript:x)",
        "@everyone @org/team #12 GH-12 www.evil.example https://evil.example $x^2$ :tada:",
        "</summary></details>\n\n# heading", "- list\n1. one\n> quote", "\\", "\\|", "{{ x }}", "${{ secrets.X }}",
        "\u{1F468}\u{200D}\u{1F469}", "日本語のデータ", "e\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}",
        "\u{E000}\u{10FFFF}\u{FFFE}", "'; rm -rf ~; '", "", " ", String(repeating: "x", count: 5000),
    ]

    /// A run in which every text that comes from outside is `text`.
    static func sample(_ text: String, over: Bool = true) -> Sample {
        var sample = Sample()
        sample.job = text.isEmpty ? "eval" : text
        sample.workflow = text
        sample.axes = [("a\(text)", [.string(text), "two"]), ("b", [.string(text + "1"), "2"])]
        sample.name = { $0 == 0 ? text : nil }
        sample.gates = [GateRule(name: text + "gate", metric: text + "metric", limits: [.atLeast(0.5)])]
        sample.accuracy = { _ in
            .refused(RefusedMetric(text: text, reason: text, file: text, line: 1))
        }
        sample.cause = { cell, _ in
            cell == 0 ? Cause(.userExit, code: 1, evidence: text) : Cause(.passed)
        }
        sample.logTail = [text, text]
        sample.provenance = [.init("branch", .string(text)), .init(text + "x", .string(text)), .init("dirty", true)]
        sample.isOver = over
        return sample
    }

    static func report(_ text: String, over: Bool = true) -> RunReport {
        let sample = sample(text, over: over)
        var facts = sample.facts
        facts.file = text
        facts.title = text
        facts.actor = text
        facts.event = text
        facts.notes = [text]
        facts.warnings = [Diagnostic(.warning, at: SourcePosition(file: text, line: 1, column: 1), text, help: text)]
        facts.artifacts = [
            ArtifactFact(
                name: text, job: sample.job, cell: sample.cells[0].id, shard: 0, size: .kibibytes(3),
                digest: Digest([UInt8](repeating: 7, count: 32)).unsafelyUnwrapped)
        ]
        for place in facts.attempts.indices {
            facts.attempts[place].agent = text
            facts.attempts[place].note = text
        }
        facts.attempts.append(AttemptFact(job: sample.job, cell: sample.cells[0].id, shard: 0, number: 2, agent: text))
        var results = sample.results
        results.header.commit = text
        return RunReport(facts: facts, results: results, judgement: sample.judgement)
    }

    /// Whether nothing but letters, marks, figures and line breaks is in it.
    private func isHarmless(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control: scalar == "\n"
            case .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
            default: true
            }
        }
    }

    @Test func `cannot steer a terminal`() {
        for attack in Self.attacks {
            for over in [true, false] {
                let report = Self.report(attack, over: over)
                for columns in [40, 80, 120] {
                    let text = report.text(columns: columns)
                    #expect(isHarmless(text), "\(attack.debugDescription)")
                }
                let painted = report.text(color: true)
                #expect(
                    isHarmless(painted.replacing(#/\u{1B}\[[0-9;]+m/#, with: "")), "\(attack.debugDescription)")
            }
        }
    }

    @Test func `keep grids straight`() {
        for attack in Self.attacks {
            let lines = Self.report(attack).text(columns: 120).split(separator: "\n")
            // No attack makes a line of its own: each begins with what we write.
            #expect(!lines.contains { $0.hasPrefix("pwned") || $0.hasPrefix("b ") }, "\(attack.debugDescription)")
        }
    }

    @Test func `stay text in Markdown`() throws {
        for attack in Self.attacks {
            let markdown = Self.report(attack).markdown
            #expect(isHarmless(markdown), "\(attack.debugDescription)")
            #expect(markdown.unicodeScalars.count <= RunReport.markdownCharactersMax)
            let elements = markdown.matches(of: #/<(/?)([A-Za-z]+)[^>]*>/#).map { String($0.output.2) }
            let ours: Set<String> = ["details", "summary", "sub", "br", "span"]
            // In blocks of code `<` is text; what a block holds is looked at apart.
            let outside = Self.outsideOfCode(markdown)
            for element in outside.matches(of: #/<(/?)([A-Za-z]+)[^>]*>/#).map({ String($0.output.2) }) {
                #expect(ours.contains(element), "\(attack.debugDescription): <\(element)>")
            }
            #expect(elements.count { $0 == "details" } % 2 == 0)
            #expect(!outside.contains("http://evil") && !outside.contains("https://evil"))
            #expect(outside.firstMatch(of: #/@(everyone|org)/#) == nil)
            #expect(outside.firstMatch(of: #/#12/#) == nil && outside.firstMatch(of: #/(?i)gh-12/#) == nil)
            // Within a fold's summary, which is HTML, Markdown does not count.
            let formatted = outside.split(separator: "\n").filter { !$0.hasPrefix("<details><summary>") }
                .joined(separator: "\n")
            #expect(formatted.firstMatch(of: #/(^|[^\\])(\*\*bold|\[x\]\(|!\[i\])/#) == nil)
            #expect(!outside.contains("www.evil"))
        }
    }

    /// Rows of every table have as many columns as its head.
    @Test func `keep tables whole in Markdown`() {
        for attack in Self.attacks {
            var columns: Int?
            for line in Self.outsideOfCode(Self.report(attack).markdown).split(
                separator: "\n", omittingEmptySubsequences: false)
            {
                guard line.hasPrefix("|") else {
                    columns = nil
                    continue
                }
                let bars = line.replacing(#/\\\\/#, with: "").replacing(#/\\\|/#, with: "").count { $0 == "|" }
                #expect(bars == columns ?? bars, "\(attack.debugDescription): \(line)")
                columns = bars
            }
        }
    }

    static func outsideOfCode(_ markdown: String) -> String {
        var fence: Substring?
        var lines: [Substring] = []
        for line in markdown.split(separator: "\n", omittingEmptySubsequences: false) {
            let text = line.drop { $0 == " " }
            if let open = fence {
                if text == open { fence = nil }
            } else if text.hasPrefix("```") {
                fence = text.prefix { $0 == "`" }
            } else {
                lines.append(line)
            }
        }
        return lines.joined(separator: "\n")
    }

    @Test func `stay text in XML`() throws {
        for attack in Self.attacks {
            let report = Self.report(attack)
            let reader = XMLReading()
            #expect(reader.read(report.junit), "\(attack.debugDescription): \(reader.problem ?? "")")
            let cells = report.jobs[0].cells.count
            #expect(reader.cases == cells + report.judgement.gates.count, "\(attack.debugDescription)")
        }
    }

    @Test func `stay text in JSON`() throws {
        for attack in Self.attacks {
            let value = try JSONParser.parse(Self.report(attack).json).value
            #expect(value["workflow"]?.string == attack)
            #expect(value["jobs"]?.array?.first?["cells"]?.array?.first?["name"]?.string == attack)
        }
    }

    @Test func `are quoted in commands that people copy`() {
        var sample = Sample()
        sample.job = "'; rm -rf ~; '"
        sample.accuracy = { _ in .plain(0) }
        sample.shards = 1
        #expect(sample.report.text().contains(#"$ sheaf explain 'r17/'\''; rm -rf ~; '\''/'\''; rm -rf ~; '\''_0'"#))
    }
}

/// Reads XML as strictly as libxml2 does, and counts what a reader of JUnit files counts.
final class XMLReading: NSObject, XMLParserDelegate {
    private(set) var cases = 0
    private(set) var failures = 0
    private(set) var errors = 0
    private(set) var skipped = 0
    private(set) var messages: [String] = []
    private(set) var suites: [[String: String]] = []
    private(set) var problem: String?

    func read(_ text: String) -> Bool {
        let parser = XMLParser(data: Data(text.utf8))
        parser.delegate = self
        let isRead = parser.parse()
        problem = parser.parserError.map { "\($0)" }
        return isRead
    }

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String]
    ) {
        switch name {
        case "testcase": cases += 1
        case "failure": failures += 1
        case "error": errors += 1
        case "skipped": skipped += 1
        case "testsuite", "testsuites": suites.append(attributes)
        default: break
        }
        if let message = attributes["message"] { messages.append(message) }
    }
}
