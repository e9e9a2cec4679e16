import JSON
package import Model

/// Diagnostics as `sheaf lint` shows them.
package enum DiagnosticText {
    /// A list of `{"file","line","column","severity","rule","message","help"}`.
    package static func json(_ diagnostics: [Diagnostic]) -> [UInt8] {
        var writer = JSONWriter()
        writer.value(
            .array(
                diagnostics.map { diagnostic in
                    [
                        "file": .string(diagnostic.position.file), "line": .number(Double(diagnostic.position.line)),
                        "column": .number(Double(diagnostic.position.column)),
                        "severity": .string(diagnostic.severity.rawValue), "rule": .string(diagnostic.rule.rawValue),
                        "message": .string(diagnostic.problem),
                        "help": diagnostic.suggestion.map { .string($0) } ?? .null,
                    ]
                }))
        writer.newline()
        return writer.bytes
    }

    /// A log in the Static Analysis Results Interchange Format, 2.1.0, for code hosts and editors.
    package static func sarif(_ diagnostics: [Diagnostic]) -> [UInt8] {
        let rules = Diagnostic.Rule.allCases.filter { rule in diagnostics.contains { $0.rule == rule } }
        let results: [Value] = diagnostics.map { diagnostic in
            let help = diagnostic.suggestion.map { "\n\($0)" } ?? ""
            return [
                "ruleId": .string(diagnostic.rule.rawValue),
                "ruleIndex": .number(Double(rules.firstIndex(of: diagnostic.rule) ?? 0)),
                "level": diagnostic.severity == .error ? "error" : "warning",
                "message": ["text": .string(diagnostic.problem + help)],
                "locations": [
                    [
                        "physicalLocation": [
                            "artifactLocation": ["uri": .string(uri(diagnostic.position.file))],
                            "region": [
                                "startLine": .number(Double(max(1, diagnostic.position.line))),
                                "startColumn": .number(Double(max(1, diagnostic.position.column))),
                            ],
                        ]
                    ]
                ],
                "properties": ["severity": .string(diagnostic.severity.rawValue)],
            ]
        }
        let driver: Value = [
            "name": "sheaf",
            "rules": .array(
                rules.map { rule in
                    ["id": .string(rule.rawValue), "shortDescription": ["text": .string(rule.summary)]]
                }),
        ]
        var writer = JSONWriter()
        writer.value([
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
            "runs": [
                ["tool": ["driver": driver], "columnKind": "unicodeCodePoints", "results": .array(results)]
            ],
        ])
        writer.newline()
        return writer.bytes
    }

    /// A path as a reference: what has a meaning in one is percent-encoded.
    private static func uri(_ path: String) -> String {
        path.utf8.map { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                String(UnicodeScalar(byte))
            case _ where "/-_.~".utf8.contains(byte): String(UnicodeScalar(byte))
            default: "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }.joined()
    }

    /// Longer lines are shown in part, around the place.
    private static let lineMax = 160
    /// After so many, places must do: a file may be one line with a mistake at every word.
    private static let excerptsMax = 100

    /// Each diagnostic with the line that it is about and a caret below the place.
    ///
    /// - Parameter file: whose text `source` is; what is said of other files is shown without a line. `nil`: of all.
    package static func text(_ diagnostics: [Diagnostic], source: [UInt8], file: String? = nil) -> String {
        let lines = String(decoding: source, as: UTF8.self).linesOfFile
        return diagnostics.enumerated().map { number, diagnostic in
            let position = diagnostic.position
            var text = "\(position): \(diagnostic.severity.rawValue): \(diagnostic.problem)\n"
            if number < excerptsMax, file == nil || file == position.file, (1...lines.count).contains(position.line) {
                text += excerpt(lines[position.line - 1], position.column)
            }
            if let help = diagnostic.suggestion { text += "  help: \(help)\n" }
            return text
        }.joined()
    }

    private static func excerpt(_ line: Substring, _ column: Int) -> String {
        let scalars = Array(line.unicodeScalars).filter { $0 != "\r" }
        guard !scalars.isEmpty else { return "" }
        let place = min(max(0, column - 1), scalars.count)
        let start = scalars.count <= lineMax ? 0 : max(0, min(place - lineMax / 2, scalars.count - lineMax))
        let end = min(scalars.count, start + lineMax)
        func text(_ part: ArraySlice<Unicode.Scalar>) -> String { String(String.UnicodeScalarView(part)) }
        let before = start > 0 ? "…" : ""
        let lead = text(scalars[start..<max(start, min(place, end))].map { $0 == "\t" ? "\t" : " " }[...])
        return "    \(before)\(text(scalars[start..<end]))\(end < scalars.count ? "…" : "")\n"
            + "    \(before.isEmpty ? "" : " ")\(lead)^\n"
    }
}

extension Diagnostic.Rule {
    /// What the check looks for, in one line.
    package var summary: String {
        switch self {
        case .workflow: "The text is no workflow"
        case .unsupported: "Correct elsewhere, not honoured here"
        case .idle: "Correct, and without any effect here"
        case .expression: "An expression that always fails, or always gives the same"
        case .member: "A member that no context has at this place"
        case .unset: "A variable that nothing sets"
        case .text: "A list or an object where a text belongs"
        case .condition: "A condition that never changes"
        case .timeout: "A job that may hang for hours"
        case .version: "A version that is read as a number"
        case .cache: "A cache whose key never repeats"
        case .metric: "A gate on a metric that no job writes"
        case .secret: "A secret that is written where others read it"
        case .threshold: "A threshold in shell arithmetic"
        case .baseline: "A gate that no first run can pass"
        case .latest: "A promotion of whatever is newest"
        case .unfetched: "A file that nothing in the job fetches or makes"
        case .injection: "A text that strangers write, in a script"
        case .matrix: "A matrix with parts that do nothing"
        case .concurrency: "Concurrency groups that hold, or end, what they are to order"
        case .labels: "Labels that no agent has"
        case .environment: "A name that no variable can have"
        case .deprecated: "A command or a version that is no longer what it was"
        case .event: "An event or a filter that never starts anything"
        case .step: "A step or an input that does nothing"
        }
    }
}
