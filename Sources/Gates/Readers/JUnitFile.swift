import Model

/// JUnit's XML, as pytest, Maven, Gradle, gtest, ctest and others write it.
///
/// Each test is the item `class::name` with `passed` (0 or 1) and `seconds`. Metrics are the counts `tests`, `failures`,
/// `errors`, `skipped` and `flaky`, and the sum `total_seconds`. A test that was skipped measured nothing and is no item,
/// unless it was assigned.
enum JUnitFile {
    /// A suite that is being read: what it says of itself, and what it has, suites within it included.
    private struct Suite {
        var line: Int
        var declaredTests: Int?
        /// Failures and errors.
        var declaredBad: Int
        var tests = 0
        var bad = 0

        init(_ element: XMLReader.Element) throws(XMLReader.Mistake) {
            line = element.line
            declaredTests = try Self.count("tests", of: element)
            let bad = (try Self.count("failures", of: element) ?? 0, try Self.count("errors", of: element) ?? 0)
            let (sum, isBeyond) = bad.0.addingReportingOverflow(bad.1)
            declaredBad = isBeyond ? .max : sum
            if element["hostname"] == "tbd" {
                // Catch2 counts assertions here, and names no host: all that can be held against it is that something failed.
                declaredTests = nil
                declaredBad = min(1, declaredBad)
            }
        }

        /// What is no count cannot be held against what is there.
        private static func count(_ name: String, of element: XMLReader.Element) throws(XMLReader.Mistake) -> Int? {
            guard let text = element[name], !text.isEmpty else { return nil }
            guard let count = Int(text), count >= 0 else {
                throw XMLReader.Mistake(
                    problem: "a suite's '\(name)' is no count", found: MetricReading.cut(text), line: element.line)
            }
            return count
        }

        /// What it has less of than it says; `nil` where it holds its word.
        var lack: String? {
            if let declaredTests, tests < declaredTests { return "it says \(declaredTests) tests and has \(tests)" }
            return bad < declaredBad ? "it says \(declaredBad) failures and errors and has \(bad)" : nil
        }
    }

    /// What pytest calls a test in JUnit's XML: class and name, of `tests/test_a.py::TestB::test_c[x]`.
    static func name(ofTest id: String) -> String {
        // What stands in brackets are parameters: they may hold anything.
        let mark = id.firstIndex(of: "[") ?? id.endIndex
        var parts = id[..<mark].components(separatedBy: "::")
        guard parts.count > 1 else { return id }
        let name = parts.removeLast() + id[mark...]
        if parts[0].hasSuffix(".py") { parts[0] = String(parts[0].dropLast(3)) }
        parts[0] = String(parts[0].map { $0 == "/" ? "." : $0 })
        return parts.joined(separator: ".") + "::" + name
    }

    static func read(_ bytes: [UInt8], file: String, areAssigned: Bool = false) -> ReadMetrics {
        do throws(XMLReader.Mistake) {
            let (tests, lack) = try tests(bytes, file: file)
            if let lack { return .refused("missing: \(lack.words)", file: file, line: lack.line) }
            return summed(tests, file: file, areAssigned: areAssigned)
        } catch {
            return .refused(
                "results unreadable: \(error.problem)", text: error.found, file: file, line: error.line)
        }
    }

    /// The tests in their order, and what the first suite that does not hold its word has less of.
    private static func tests(
        _ bytes: [UInt8], file: String
    ) throws(XMLReader.Mistake) -> (tests: [JUnitTest], lack: (words: String, line: Int)?) {
        var reader = XMLReader(bytes)
        var tests: [JUnitTest] = []
        var suites: [Suite] = []
        var lack: (words: String, line: Int)?
        var open: JUnitTest?
        var depth = 0
        while let event = try reader.next() {
            switch event {
            case .start(let element):
                depth += 1
                let name = Self.local(element.name)
                if depth == 1 {
                    guard name == "testsuites" || name == "testsuite" else {
                        throw XMLReader.Mistake(
                            problem: "not JUnit's: the root is <\(element.name.prefix(40))>", found: "",
                            line: element.line)
                    }
                }
                switch name {
                case "testsuites", "testsuite":
                    suites.append(try Suite(element))
                case "testcase":
                    guard open == nil else {
                        throw XMLReader.Mistake(problem: "a test within a test", found: "", line: element.line)
                    }
                    open = try test(element, file: file)
                case "failure", "error":
                    guard open != nil else {
                        throw XMLReader.Mistake(
                            problem: "a suite that failed itself: <\(name)> outside of a test", found: "",
                            line: element.line)
                    }
                    if name == "failure" { open?.hasFailed = true } else { open?.hasErred = true }
                    if !suites.isEmpty { suites[suites.count - 1].bad += 1 }
                case "skipped":
                    let hadErred = open?.hasErred == true
                    open?.skip(element["message"])
                    if open?.hasErred == true, !hadErred, !suites.isEmpty { suites[suites.count - 1].bad += 1 }
                case "warning", "timeout", "aborted", "crash":
                    open?.hasErred = true
                case "flakyFailure", "flakyError": open?.isFlaky = true
                case "rerunFailure", "rerunError": open?.wasTriedAgain = true
                default:
                    // What looks like a failure, and is none that is known, must not pass for nothing.
                    let folded = name.lowercased()
                    if name != "system-err", folded.contains("fail") || folded.contains("error") || folded == "testcase"
                    {
                        throw XMLReader.Mistake(
                            problem: "not JUnit's: an element <\(name.prefix(40))>", found: "", line: element.line)
                    }
                }
            case .end(let whole):
                depth -= 1
                let name = Self.local(whole)
                if name == "testsuite" || name == "testsuites", let ended = suites.popLast() {
                    if lack == nil, let words = ended.lack { lack = (words, ended.line) }
                    if !suites.isEmpty {
                        suites[suites.count - 1].tests += ended.tests
                        suites[suites.count - 1].bad += ended.bad
                    }
                }
                guard name == "testcase", var test = open else { continue }
                if test.conclude(), !suites.isEmpty { suites[suites.count - 1].bad += 1 }
                guard tests.count < Limits.itemsPerCellMax else {
                    throw XMLReader.Mistake(
                        problem: "more than \(Limits.itemsPerCellMax) tests", found: "", line: test.line)
                }
                tests.append(test)
                if !suites.isEmpty { suites[suites.count - 1].tests += 1 }
                open = nil
            }
        }
        return (tests, lack)
    }

    private static func test(_ element: XMLReader.Element, file: String) throws(XMLReader.Mistake) -> JUnitTest {
        // Surefire has no name for what failed or was skipped as a class.
        let id = [element["classname"] ?? "", element["name"] ?? ""].filter { !$0.isEmpty }.joined(separator: "::")
        guard element["name"] != nil, !id.isEmpty else {
            throw XMLReader.Mistake(problem: "a test without a name", found: "", line: element.line)
        }
        guard id.utf8.count <= Limits.itemIDBytesMax else {
            throw XMLReader.Mistake(
                problem: "a test's name has more than \(Limits.itemIDBytesMax) bytes", found: String(id.prefix(60)),
                line: element.line)
        }
        var test = JUnitTest(id: id, line: element.line)
        if let text = element["time"] {
            test.seconds =
                PlainNumber.read(text).map(Item.Number.number)
                ?? .refused(
                    RefusedMetric(
                        text: MetricReading.cut(text), reason: "not a number", file: file, line: element.line))
        }
        test.take(status: element["status"], result: element["result"])
        return test
    }

    /// A name without its namespace's prefix.
    private static func local(_ name: String) -> String {
        name.lastIndex(of: ":").map { String(name[name.index(after: $0)...]) } ?? name
    }

    /// The time of all tests: a sum of those whose time is told would be less than it took.
    private struct Time {
        private var sum = ExactSum()
        private var refused: RefusedMetric?
        private var isWhole = true

        mutating func add(_ seconds: Item.Number?, hasRun: Bool) {
            switch seconds {
            case .number(let number)?: sum.add(number)
            case .refused(let why)?: refused = refused ?? why
            case nil: isWhole = isWhole && !hasRun
            }
        }

        /// `nil` where a test that ran does not tell its time.
        var total: MetricValue? { refused.map(MetricValue.refused) ?? (isWhole ? .sum(sum.value) : nil) }
    }

    /// A test that stands several times (another try, or an error after it) passed when it did so each time, and took as long
    /// as the longest.
    private static func summed(_ tests: [JUnitTest], file: String, areAssigned: Bool) -> ReadMetrics {
        var collector = MetricCollector(file: file)
        var items: [Item] = []
        var left: [String] = []
        var places: [String: Int] = [:]
        var (failures, errors, skipped, flaky) = (0, 0, 0, Set<String>())
        var time = Time()
        for test in tests {
            failures += test.hasFailed ? 1 : 0
            errors += test.hasErred && !test.hasFailed ? 1 : 0
            let hasPassed = !test.hasFailed && !test.hasErred
            let wasSkipped = hasPassed && test.wasSkipped
            time.add(test.seconds, hasRun: !wasSkipped)
            if wasSkipped {
                skipped += 1
                if !test.wasLeftOut { left.append(test.id) }
                continue
            }
            if test.isFlaky || test.wasTriedAgain && hasPassed { flaky.insert(test.id) }
            guard let place = places[test.id] else {
                places[test.id] = items.count
                var item = Item(id: test.id, entries: [.init("passed", .number(hasPassed ? 1 : 0))])
                if let seconds = test.seconds { item.entries.append(.init("seconds", seconds)) }
                items.append(item)
                continue
            }
            if items[place].entries[0].number != .number(hasPassed ? 1 : 0) { flaky.insert(test.id) }
            if !hasPassed { items[place].entries[0].number = .number(0) }
            items[place].setLongest(test.seconds)
        }
        guard !items.isEmpty || areAssigned && !left.isEmpty else {
            return .refused("measured on no items: no test ran", file: file, line: 1)
        }
        collector.add("tests", .count(tests.count), line: 0)
        collector.add("failures", .count(failures), line: 0)
        collector.add("errors", .count(errors), line: 0)
        collector.add("skipped", .count(skipped), line: 0)
        collector.add("flaky", .count(flaky.count), line: 0)
        if let total = time.total { collector.add("total_seconds", total, line: 0) }
        var read = collector.finish(items: items)
        read.skipped = left
        read.flaky = flaky.sorted()
        return read
    }
}

extension Item {
    /// Of two times of one test the longer one; one that is no number, or is not told, stays that.
    fileprivate mutating func setLongest(_ seconds: Item.Number?) {
        guard let place = entries.firstIndex(where: { $0.name == "seconds" }) else { return }
        switch (entries[place].number, seconds) {
        case (_, nil): entries.remove(at: place)
        case (.number(let known), .number(let other)?): entries[place].number = .number(max(known, other))
        case (.number, .refused(let why)?): entries[place].number = .refused(why)
        case (.refused, _): break
        }
    }
}

extension Substring {
    /// The parts between a separator of more than one character.
    fileprivate func components(separatedBy separator: String) -> [String] {
        var parts: [String] = []
        var rest = self
        while let mark = rest.firstRange(of: separator) {
            parts.append(String(rest[..<mark.lowerBound]))
            rest = rest[mark.upperBound...]
        }
        return parts + [String(rest)]
    }
}
