import JSON
import Model

/// Turns a JSON value into a metric, or into the record of why it is none.
///
/// A number is a plain metric. An object with a `kind` is a typed one:
/// - `{"kind":"sum","value":x}`, also `count` (a whole number ≥ 0), `min`, `max`
/// - `{"kind":"mean","n":500,"mean":0.91,"m2":40.9}`: m2 is the sum of squared deviations
/// - `{"kind":"ratio","numerator":a,"denominator":b}`
/// - `{"kind":"samples","values":[…]}`
/// - `{"kind":"quantiles","relative_error":0.01,"zeros":0,"positive":[[index,count],…],"negative":[…]}`, see
///   `QuantileSketch`
///
/// Each may carry a `unit`. `{"refused":text,"reason","file","line"}` is what an export says about a refused one.
struct MetricReading {
    var file: String
    /// Added to the lines of nodes that were parsed out of a larger text.
    var lineOffset = 0

    /// Whole numbers beyond this are not exact in JSON's usual readers.
    static let wholeMax = 1 << 53
    static let samplesMax = 1_000_000
    static let bucketsMax = 100_000
    static let unitBytesMax = 40

    func metric(_ node: JSONNode) -> MetricValue {
        switch node.kind {
        case .number(let number, _): return .plain(number)
        case .object(let members):
            if let first = members.first, first.key == "refused" { return refusal(node) }
            do throws(Refusal) { return try typed(members, at: node) } catch { return .refused(error.metric) }
        case .null, .boolean, .string, .array: return .refused(refused(node))
        }
    }

    /// The unit that a typed metric carries; `nil` for all others.
    func unit(_ node: JSONNode) -> String? {
        guard node["kind"] != nil else { return nil }
        return node["unit"]?.value.string
    }

    /// A number as an item carries it.
    func number(_ node: JSONNode) -> Item.Number {
        switch node.kind {
        case .number(let number, _): .number(number)
        case .object:
            if case .refused(let refused) = refusal(node) { .refused(refused) } else { .refused(self.refused(node)) }
        case .null, .boolean, .string, .array: .refused(refused(node))
        }
    }

    /// Why `node` is no number.
    func refused(_ node: JSONNode, reason: String? = nil) -> RefusedMetric {
        let told =
            switch node.kind {
            case .null, .boolean, .number: "not a number"
            case .string: "a string, not a number"
            case .array: "a list, not a number"
            case .object: "an object, not a number"
            }
        return RefusedMetric(
            text: Self.cut(JSONWriter.text(node.value)), reason: reason ?? told, file: file,
            line: node.line + lineOffset)
    }

    static func cut(_ text: String) -> String { String(text.prefix(200)) }

    // MARK: typed metrics

    private struct Refusal: Error { var metric: RefusedMetric }

    private func typed(_ members: [JSONNode.Member], at node: JSONNode) throws(Refusal) -> MetricValue {
        let known: [String: [String]] = [
            "sum": ["value"], "count": ["value"], "min": ["value"], "max": ["value"], "mean": ["n", "mean", "m2"],
            "ratio": ["numerator", "denominator"], "samples": ["values"],
            "quantiles": ["relative_error", "zeros", "positive", "negative"],
        ]
        guard let kind = node["kind"]?.value.string else {
            throw Refusal(metric: refused(node, reason: "an object without a kind, not a metric"))
        }
        guard let wanted = known[kind] else {
            throw Refusal(metric: refused(node, reason: "no such kind of metric: \(Self.cut(kind))"))
        }
        var seen: Set<String> = []
        for member in members {
            guard seen.insert(member.key).inserted else {
                throw Refusal(metric: refused(node, reason: "several values: '\(Self.cut(member.key))' stands twice"))
            }
            guard wanted.contains(member.key) || member.key == "kind" || member.key == "unit" else {
                throw Refusal(metric: refused(node, reason: "a \(kind) has no '\(Self.cut(member.key))'"))
            }
        }
        if let unit = node["unit"] {
            guard let text = unit.value.string, !text.isEmpty, text.utf8.count <= Self.unitBytesMax else {
                throw Refusal(metric: refused(unit, reason: "'unit' is a text of 1 to \(Self.unitBytesMax) bytes"))
            }
        }
        switch kind {
        case "sum": return .sum(try finite("value", of: node))
        case "count": return .count(try whole("value", of: node))
        case "min": return .min(try finite("value", of: node))
        case "max": return .max(try finite("value", of: node))
        case "ratio":
            let denominator = try finite("denominator", of: node)
            // Added to another shard's it would make that one's share larger.
            guard denominator >= 0 else {
                throw Refusal(metric: refused(node, reason: "a denominator counts what was measured, never below 0"))
            }
            let numerator = try finite("numerator", of: node)
            // Added to another shard's numerator it would count for what nobody measured: 4 of 10 and 5 of 0 are no 0.9.
            guard denominator > 0 || numerator == 0 else {
                throw Refusal(metric: refused(node, reason: "a numerator of what was measured on nothing is 0"))
            }
            return .ratio(numerator: numerator, denominator: denominator)
        case "mean":
            let m2 = try finite("m2", of: node)
            guard m2 >= 0 else { throw Refusal(metric: refused(node, reason: "m2 is a sum of squares, never below 0")) }
            let n = try whole("n", of: node)
            guard n > 1 || m2 == 0 else {
                throw Refusal(metric: refused(node, reason: "m2 of \(n == 1 ? "one value" : "no values") is 0"))
            }
            return .mean(n: n, mean: try finite("mean", of: node), m2: m2)
        case "samples": return .samples(try samples(of: node))
        default: return .quantiles(try sketch(node))
        }
    }

    private func member(_ name: String, of node: JSONNode) throws(Refusal) -> JSONNode {
        guard let member = node[name] else { throw Refusal(metric: refused(node, reason: "missing: '\(name)'")) }
        return member
    }

    private func finite(_ name: String, of node: JSONNode) throws(Refusal) -> Double {
        let member = try member(name, of: node)
        guard case .number(let number, _) = member.kind else {
            throw Refusal(metric: refused(member, reason: "\(refused(member).reason), in '\(name)'"))
        }
        return number
    }

    private func whole(_ name: String, of node: JSONNode) throws(Refusal) -> Int {
        let number = try finite(name, of: node)
        guard let whole = Self.whole(number) else {
            throw Refusal(metric: refused(node, reason: "'\(name)' is a whole number from 0 to 2^53"))
        }
        return whole
    }

    static func whole(_ number: Double) -> Int? {
        number >= 0 && number <= Double(wholeMax) && number == number.rounded() ? Int(number) : nil
    }

    private func samples(of node: JSONNode) throws(Refusal) -> [Double] {
        let list = try member("values", of: node)
        guard case .array(let values) = list.kind else {
            throw Refusal(metric: refused(list, reason: "'values' is a list of numbers"))
        }
        guard values.count <= Self.samplesMax else {
            throw Refusal(metric: refused(node, reason: "more than \(Self.samplesMax) samples; report quantiles"))
        }
        var numbers: [Double] = []
        numbers.reserveCapacity(values.count)
        for value in values {
            guard case .number(let number, _) = value.kind else { throw Refusal(metric: refused(value)) }
            numbers.append(number)
        }
        return numbers
    }

    private func sketch(_ node: JSONNode) throws(Refusal) -> QuantileSketch {
        let error = try finite("relative_error", of: node)
        guard error >= 1e-6 && error <= 0.5 else {
            throw Refusal(metric: refused(node, reason: "'relative_error' lies in 0.000001…0.5"))
        }
        let sketch = QuantileSketch(
            relativeError: error, zeros: node["zeros"] == nil ? 0 : try whole("zeros", of: node),
            positive: try buckets("positive", of: node), negative: try buckets("negative", of: node))
        guard [sketch.positive, sketch.negative].allSatisfy({ $0.allSatisfy { sketch.magnitude(of: $0).isFinite } })
        else { throw Refusal(metric: refused(node, reason: "a bucket beyond the range of numbers")) }
        return sketch
    }

    private func buckets(_ name: String, of node: JSONNode) throws(Refusal) -> [QuantileSketch.Bucket] {
        guard let list = node[name] else { return [] }
        let told = refused(list, reason: "'\(name)' is a list of [index, count] by rising index, counts above 0")
        guard case .array(let pairs) = list.kind, pairs.count <= Self.bucketsMax else { throw Refusal(metric: told) }
        var buckets: [QuantileSketch.Bucket] = []
        for pair in pairs {
            guard case .array(let two) = pair.kind, two.count == 2,
                case .number(let index, _) = two[0].kind, case .number(let number, _) = two[1].kind,
                index == index.rounded(), index.magnitude <= 1e9, let count = Self.whole(number), count > 0,
                buckets.last.map({ $0.index < Int(index) }) ?? true
            else { throw Refusal(metric: told) }
            buckets.append(QuantileSketch.Bucket(index: Int(index), count: count))
        }
        return buckets
    }

    private func refusal(_ node: JSONNode) -> MetricValue {
        guard case .object(let members) = node.kind,
            members.allSatisfy({ ["refused", "reason", "file", "line"].contains($0.key) }),
            let text = node["refused"]?.value.string
        else { return .refused(refused(node)) }
        return .refused(
            RefusedMetric(
                text: Self.cut(text), reason: Self.cut(node["reason"]?.value.string ?? "not a number"),
                file: Self.cut(node["file"]?.value.string ?? file),
                line: node["line"]?.value.number.flatMap(Self.whole) ?? 0))
    }
}

extension MetricValue {
    /// The form that `MetricReading` reads back to the same value and unit.
    func written(unit: String?) -> Value {
        guard let unit, case .object(let members) = written, members.first?.key == "kind" else { return written }
        return .object(members + [Value.Member("unit", .string(unit))])
    }

    /// The form that `MetricReading` reads back to the same value.
    var written: Value {
        let typed = { (kind: String, members: [Value.Member]) in
            Value.object([Value.Member("kind", .string(kind))] + members)
        }
        let number = { (name: String, number: Double) in Value.Member(name, .number(number)) }
        switch self {
        case .plain(let value): return .number(value)
        case .sum(let value): return typed("sum", [number("value", value)])
        case .count(let count): return typed("count", [number("value", Double(count))])
        case .min(let value): return typed("min", [number("value", value)])
        case .max(let value): return typed("max", [number("value", value)])
        case .mean(let n, let mean, let m2):
            return typed("mean", [number("n", Double(n)), number("mean", mean), number("m2", m2)])
        case .ratio(let numerator, let denominator):
            return typed("ratio", [number("numerator", numerator), number("denominator", denominator)])
        case .samples(let values): return typed("samples", [Value.Member("values", .array(values.map(Value.number)))])
        case .quantiles(let sketch):
            let pairs = { (buckets: [QuantileSketch.Bucket]) in
                Value.array(buckets.map { [.number(Double($0.index)), .number(Double($0.count))] })
            }
            return typed(
                "quantiles",
                [
                    number("relative_error", sketch.relativeError), number("zeros", Double(sketch.zeros)),
                    Value.Member("positive", pairs(sketch.positive)), Value.Member("negative", pairs(sketch.negative)),
                ])
        case .refused(let refused): return refused.written
        }
    }
}

extension RefusedMetric {
    var written: Value {
        [
            "refused": .string(text), "reason": .string(reason), "file": .string(file), "line": .number(Double(line)),
        ]
    }
}
