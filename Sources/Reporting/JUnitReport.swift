import Gates
import Model

extension RunReport {
    /// The report in JUnit's XML: a suite per job with a case per cell, and a suite `gates` with a case per gate.
    ///
    /// What the evidence speaks against is a `failure`; where evidence is missing, an `error`; what did not have to run or
    /// to pass is `skipped`. So a reader of the file alone sees a pass exactly where the run's verdict is one.
    package var junit: String { JUnitReport(report: self).render() }
}

/// Writes one report as JUnit's XML.
struct JUnitReport {
    let report: RunReport

    private enum Outcome {
        case passed
        case failure(String, type: String, details: [String])
        case error(String, type: String, details: [String])
        case skipped(String)
    }

    private struct Case {
        var suite: String
        var name: String
        var seconds: Double
        var outcome: Outcome
        /// What is told beside, whatever the outcome: items that changed, failures before a pass.
        var notes: [String] = []
    }

    private struct Suite {
        var name: String
        var cases: [Case]
        var properties: [(name: String, text: String)] = []

        var tally: (tests: Int, failures: Int, errors: Int, skipped: Int) {
            cases.reduce(into: (cases.count, 0, 0, 0)) { tally, each in
                switch each.outcome {
                case .passed: break
                case .failure: tally.1 += 1
                case .error: tally.2 += 1
                case .skipped: tally.3 += 1
                }
            }
        }
        var seconds: Double { cases.reduce(0) { $0 + $1.seconds } }
    }

    func render() -> String {
        let suites = [gates] + report.jobs.map(suite)
        let all = Suite(name: "", cases: suites.flatMap(\.cases))
        var text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        text += "<testsuites name=\(quoted(report.name)) \(counts(all, seconds: report.duration?.inSeconds))>\n"
        for suite in suites { text += xml(suite) }
        return text + "</testsuites>\n"
    }

    // MARK: what is told

    private var gates: Suite {
        var suite = Suite(
            name: "gates",
            cases: report.judgement.gates.map { gate in
                Case(
                    suite: "gates", name: gate.name, seconds: 0, outcome: outcome(of: gate),
                    notes: report.flipped.filter { $0.gate == gate.name }.prefix(100).map {
                        report.sentence($0, most: 20)
                    })
            })
        suite.properties = [
            ("verdict", report.isOver ? report.judgement.verdict.rawValue : "running"),
            ("summary", report.verdictSentence),
        ]
        suite.properties += report.origin
        suite.properties += report.blames.map { ("blame", report.sentence($0)) }
        suite.properties += report.flakySentences.prefix(100).map { ("flaky", $0) }
        return suite
    }

    private func outcome(of gate: GateJudgement) -> Outcome {
        let message = gate.isJobs ? gate.outcome : "\(gate.outcome) (\(gate.question))"
        guard gate.isApplicable else { return .skipped(gate.outcome) }
        guard gate.verdict > .waived else { return .passed }
        let groups = gate.groups.filter { $0.verdict > .waived }.sorted { $0.verdict > $1.verdict }
        var details = groups.prefix(100).map { group in
            let place = report.name(of: group, in: gate)
            return (place.isEmpty ? "" : "\(place): ") + report.reason(of: group, in: gate)
        }
        if groups.count > 100 { details.append("… and \(groups.count - 100) more") }
        guard report.isOver else { return .skipped("so far: \(message)") }
        guard gate.isRequired else { return .skipped("advisory: \(message): \(details.first ?? "")") }
        let first = "\(message): \(details.first ?? "")"
        return gate.verdict == .fail
            ? .failure(first, type: gate.verdict.rawValue, details: details)
            : .error(first, type: gate.verdict.rawValue, details: details)
    }

    private func suite(_ job: JobReport) -> Suite {
        let flaky = Dictionary(grouping: report.flaky, by: \.name)
        var cases = job.cells.map { cell in
            Case(
                suite: job.id, name: cell.name, seconds: cell.duration?.inSeconds ?? 0,
                outcome: outcome(of: cell, in: job),
                notes: (flaky[cell.name] ?? []).prefix(20).map { "flaky: \(report.sentence($0))" })
        }
        if cases.isEmpty {
            let tally = report.tally(job)
            let outcome: Outcome =
                switch job.ending {
                case .notApplicable: .skipped(tally)
                case .failed: .failure(tally, type: job.ending.rawValue, details: [tally])
                case .notReached: .error(tally, type: job.ending.rawValue, details: [tally])
                case .ran where report.isOver: .error("its cells are not known", type: "incomplete", details: [tally])
                case .ran: .skipped("its cells are not known yet")
                }
            cases = [Case(suite: job.id, name: job.id, seconds: 0, outcome: outcome)]
        }
        return Suite(name: job.id, cases: cases)
    }

    private func outcome(of cell: CellReport, in job: JobReport) -> Outcome {
        let message = cell.reasons.first ?? ""
        var details = cell.ownReasons
        for shard in cell.notableShards.prefix(20) {
            details.append(report.sentence(shard))
            details += (shard.deciding?.logTail ?? []).suffix(50)
        }
        details += report.lookFurther(cell, of: job)
        switch cell.mark {
        case .pass, .waived: return .passed
        case .fail: return .failure(message, type: failureType(of: cell), details: details)
        case .incomplete, .inconclusive: return .error(message, type: cell.mark.rawValue, details: details)
        case .running, .queued: return .skipped(cell.mark.rawValue)
        case .skipped: return .skipped(message)
        case .neutral: return .skipped("not required: \(message)")
        }
    }

    /// The cause where the program failed, else that a gate did.
    private func failureType(of cell: CellReport) -> String {
        cell.notableShards.first?.cause?.label ?? CellReport.Mark.fail.rawValue
    }

    // MARK: XML

    private func xml(_ suite: Suite) -> String {
        var text = "  <testsuite name=\(quoted(suite.name)) \(counts(suite, seconds: suite.seconds))"
        if let at = report.facts.submittedAt {
            // The schema's time has no zone; it is UTC.
            text += " timestamp=\"\(at.utc.dropLast())\""
        }
        text += ">\n"
        if !suite.properties.isEmpty {
            text += "    <properties>\n"
            for property in suite.properties {
                text += "      <property name=\(quoted(property.name)) value=\(quoted(property.text))/>\n"
            }
            text += "    </properties>\n"
        }
        for each in suite.cases { text += xml(each) }
        return text + "  </testsuite>\n"
    }

    private func xml(_ each: Case) -> String {
        var text = "    <testcase classname=\(quoted(each.suite)) name=\(quoted(each.name))"
        text += " time=\"\(Self.seconds(each.seconds))\""
        let element: (name: String, message: String, type: String?, details: [String])
        switch each.outcome {
        case .passed where each.notes.isEmpty: return text + "/>\n"
        case .passed: return text + ">\n" + notes(each) + "    </testcase>\n"
        case .failure(let message, let type, let details): element = ("failure", message, type, details)
        case .error(let message, let type, let details): element = ("error", message, type, details)
        case .skipped(let message): element = ("skipped", message, nil, [])
        }
        text += ">\n      <\(element.name) message=\(quoted(element.message))"
        if let type = element.type { text += " type=\(quoted(type))" }
        if element.details.isEmpty {
            text += "/>\n"
        } else {
            let lines = element.details.map { XMLText.escaped(PlainText.line($0, most: 2_000)) }
            text += ">\(lines.joined(separator: "\n"))</\(element.name)>\n"
        }
        return text + notes(each) + "    </testcase>\n"
    }

    private func notes(_ each: Case) -> String {
        guard !each.notes.isEmpty else { return "" }
        let lines = each.notes.map { XMLText.escaped(PlainText.line($0, most: 2_000)) }
        return "      <system-out>\(lines.joined(separator: "\n"))</system-out>\n"
    }

    private func counts(_ suite: Suite, seconds: Double?) -> String {
        let tally = suite.tally
        return "tests=\"\(tally.tests)\" failures=\"\(tally.failures)\" errors=\"\(tally.errors)\" "
            + "skipped=\"\(tally.skipped)\" time=\"\(Self.seconds(seconds ?? suite.seconds))\""
    }

    /// With milliseconds, as every reader takes it: no exponent.
    private static func seconds(_ seconds: Double) -> String {
        let whole = Int64((max(0, min(seconds, 1e12)) * 1000).rounded())
        let rest = String(whole % 1000)
        return "\(whole / 1000).\(String(repeating: "0", count: 3 - rest.count))\(rest)"
    }

    private func quoted(_ text: String) -> String {
        "\"\(XMLText.escaped(PlainText.line(text, most: 1_000)))\""
    }
}

/// Text for XML 1.0.
enum XMLText {
    /// Fit for attributes and for contents. Characters that XML 1.0 does not have at all become U+FFFD; whoever wants to
    /// see them writes them out before.
    static func escaped(_ text: some StringProtocol) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x26: result += "&amp;"
            case 0x3C: result += "&lt;"
            case 0x3E: result += "&gt;"
            case 0x22: result += "&quot;"
            case 0x27: result += "&apos;"
            // Attributes are normalised: written out, they stay what they are.
            case 0x09, 0x0A, 0x0D: result += "&#\(scalar.value);"
            case 0x20...0xD7FF, 0xE000...0xFFFD, 0x10000...0x10FFFF: result.unicodeScalars.append(scalar)
            default: result += "\u{FFFD}"
            }
        }
        return result
    }
}
