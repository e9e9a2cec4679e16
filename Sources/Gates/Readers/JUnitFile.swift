import Model

/// JUnit's XML, as pytest, Maven, Gradle, gtest, ctest and others write it.
///
/// Each test is the item `class::name` with `passed` (0 or 1) and `seconds`. Metrics are the counts `tests`, `failures`,
/// `errors`, `skipped` and `flaky`, and the sum `total_seconds`. A test that was skipped measured nothing and is no item.
enum JUnitFile {
    private struct Test {
        var id: String
        var line: Int
        var seconds: Item.Number?
        var hasFailed = false
        var hasErred = false
        var wasSkipped = false
        var isFlaky = false
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

    static func read(_ bytes: [UInt8], file: String) -> ReadMetrics {
        do throws(XMLReader.Mistake) {
            let (tests, declared, line) = try tests(bytes, file: file)
            if let declared, tests.count < declared {
                return .refused(
                    "missing: it says \(declared) tests and has \(tests.count)", file: file, line: line)
            }
            return summed(tests, file: file)
        } catch {
            return .refused(
                "results unreadable: \(error.problem)", text: error.found, file: file, line: error.line)
        }
    }

    /// The tests in their order, and how many the root says there are.
    private static func tests(
        _ bytes: [UInt8], file: String
    ) throws(XMLReader.Mistake) -> (tests: [Test], declared: Int?, line: Int) {
        var reader = XMLReader(bytes)
        var tests: [Test] = []
        var (declared, rootLine): (Int?, Int) = (nil, 0)
        var open: Test?
        var depth = 0
        while let event = try reader.next() {
            switch event {
            case .start(let element):
                depth += 1
                if depth == 1 {
                    guard element.name == "testsuites" || element.name == "testsuite" else {
                        throw XMLReader.Mistake(
                            problem: "not JUnit's: the root is <\(element.name.prefix(40))>", found: "",
                            line: element.line)
                    }
                    declared = element["tests"].flatMap { Int($0) }
                    rootLine = element.line
                }
                switch element.name {
                case "testcase":
                    guard open == nil else {
                        throw XMLReader.Mistake(problem: "a test within a test", found: "", line: element.line)
                    }
                    open = try test(element, file: file)
                case "failure": open?.hasFailed = true
                case "error": open?.hasErred = true
                case "skipped": open?.wasSkipped = true
                case "flakyFailure", "flakyError", "rerunFailure", "rerunError": open?.isFlaky = true
                default: break
                }
            case .end(let name):
                depth -= 1
                guard name == "testcase", let test = open else { continue }
                guard tests.count < Limits.itemsPerCellMax else {
                    throw XMLReader.Mistake(
                        problem: "more than \(Limits.itemsPerCellMax) tests", found: "", line: test.line)
                }
                tests.append(test)
                open = nil
            }
        }
        return (tests, declared, rootLine)
    }

    private static func test(_ element: XMLReader.Element, file: String) throws(XMLReader.Mistake) -> Test {
        guard let name = element["name"], !name.isEmpty else {
            throw XMLReader.Mistake(problem: "a test without a name", found: "", line: element.line)
        }
        let id = [element["classname"] ?? "", name].filter { !$0.isEmpty }.joined(separator: "::")
        guard id.utf8.count <= Limits.itemIDBytesMax else {
            throw XMLReader.Mistake(
                problem: "a test's name has more than \(Limits.itemIDBytesMax) bytes", found: String(id.prefix(60)),
                line: element.line)
        }
        var test = Test(id: id, line: element.line)
        if let text = element["time"] {
            test.seconds =
                PlainNumber.read(text).map(Item.Number.number)
                ?? .refused(
                    RefusedMetric(
                        text: MetricReading.cut(text), reason: "not a number", file: file, line: element.line))
        }
        // gtest lists what it was told to leave out.
        test.wasSkipped = element["status"] == "notrun" || element["result"] == "suppressed"
        return test
    }

    /// A test that stands several times (another try, or an error after it) passed when it did so each time.
    private static func summed(_ tests: [Test], file: String) -> ReadMetrics {
        var collector = MetricCollector(file: file)
        var items: [Item] = []
        var places: [String: Int] = [:]
        var (failures, errors, skipped, flaky) = (0, 0, 0, Set<String>())
        var seconds = ExactSum()
        for test in tests {
            failures += test.hasFailed ? 1 : 0
            errors += test.hasErred && !test.hasFailed ? 1 : 0
            if case .number(let number)? = test.seconds { seconds.add(number) }
            let hasPassed = !test.hasFailed && !test.hasErred
            if hasPassed && test.wasSkipped {
                skipped += 1
                continue
            }
            if test.isFlaky { flaky.insert(test.id) }
            guard let place = places[test.id] else {
                places[test.id] = items.count
                var item = Item(id: test.id, entries: [.init("passed", .number(hasPassed ? 1 : 0))])
                if let seconds = test.seconds { item.entries.append(.init("seconds", seconds)) }
                items.append(item)
                continue
            }
            if items[place].entries[0].number != .number(hasPassed ? 1 : 0) { flaky.insert(test.id) }
            if !hasPassed { items[place].entries[0].number = .number(0) }
        }
        guard !items.isEmpty else {
            return .refused("measured on no items: no test ran", file: file, line: 1)
        }
        collector.add("tests", .count(tests.count), line: 0)
        collector.add("failures", .count(failures), line: 0)
        collector.add("errors", .count(errors), line: 0)
        collector.add("skipped", .count(skipped), line: 0)
        collector.add("flaky", .count(flaky.count), line: 0)
        collector.add("total_seconds", .sum(seconds.value), line: 0)
        return collector.finish(items: items)
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
