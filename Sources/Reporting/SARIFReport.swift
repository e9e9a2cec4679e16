import Gates
import JSON
import Model

extension RunReport {
    /// What does not pass, in SARIF 2.1.0, for tools that collect findings: one result per group of a gate.
    package var sarif: [UInt8] {
        let file = facts.file.isEmpty ? "workflow.yml" : facts.file
        var results: [Value] = []
        let flipped = Dictionary(
            self.flipped.map { (CellPlace(job: $0.gate, cell: $0.group), $0) }, uniquingKeysWith: { first, _ in first })
        for gate in judgement.gates where gate.isApplicable {
            for group in gate.groups where group.verdict > .waived && results.count < Self.sarifResultsMax {
                let place = name(of: group, in: gate)
                results.append([
                    "ruleId": .string(gate.name), "level": .string(gate.isRequired ? "error" : "warning"),
                    "message": ["text": .string(Self.told((place.isEmpty ? "" : "\(place): ") + group.reason))],
                    "locations": [
                        [
                            "physicalLocation": [
                                "artifactLocation": ["uri": .string(Self.uri(file))], "region": ["startLine": 1],
                            ],
                            "logicalLocations": .array(
                                group.restsOn.prefix(20).map {
                                    [
                                        "fullyQualifiedName": .string("\($0.job)/\($0.cell)"), "kind": "member",
                                    ]
                                }),
                        ]
                    ],
                    "partialFingerprints": [
                        "gateAndGroup/v1": .string(
                            Self.told("\(gate.name)/\(JSONWriter.text(.object(group.place)))"))
                    ],
                    "properties": [
                        "verdict": .string(group.verdict.rawValue),
                        "value": group.value.map(Value.number) ?? .null,
                        "limit": .string(group.limit), "unit": group.unit.map(Value.string) ?? .null,
                        "flips": .array(
                            flipped[CellPlace(job: gate.name, cell: place)].map {
                                [.string(Self.told(sentence($0, most: 20)))]
                            }
                                ?? []),
                    ],
                ])
            }
        }
        let rules: [Value] = judgement.gates.map { gate in
            ["id": .string(gate.name), "shortDescription": ["text": .string(Self.told(gate.question))]]
        }
        let tool: Value = ["driver": ["name": "sheaf", "rules": .array(rules)]]
        var invocation: [Value.Member] = [
            .init("executionSuccessful", .boolean(isOver && judgement.verdict <= .waived))
        ]
        if let at = facts.submittedAt { invocation.append(.init("startTimeUtc", .string(at.utc))) }
        if let at = facts.endedAt { invocation.append(.init("endTimeUtc", .string(at.utc))) }
        let run: Value = [
            "tool": tool, "invocations": [.object(invocation)], "results": .array(results),
            "columnKind": "unicodeCodePoints",
            "properties": [
                "run": facts.run.map { .string("\($0)") } ?? .null, "commit": commit.map(Value.string) ?? .null,
                "verdict": isOver ? .string(judgement.verdict.rawValue) : .null,
                "summary": .string(Self.told(verdictSentence)),
                "blame": .array(blames.map { .string(Self.told(sentence($0))) }),
                "flaky": .array(flakySentences.prefix(1000).map { .string(Self.told($0)) }),
            ],
        ]
        var writer = JSONWriter()
        writer.value([
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run],
        ])
        writer.newline()
        return writer.bytes
    }

    /// A sentence that a viewer shows: on one line, with nothing hidden in it, and no link where SARIF would see one.
    private static func told(_ text: String) -> String { PlainText.line(text).replacing("](", with: "\\](") }

    /// What GitHub takes in one run.
    private static let sarifResultsMax = 25_000

    /// A relative path as a URI.
    private static func uri(_ path: String) -> String {
        let digits = Array("0123456789ABCDEF")
        return path.utf8.map { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: String(UnicodeScalar(byte))
            case UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "~"):
                String(UnicodeScalar(byte))
            default: "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
            }
        }.joined()
    }
}
