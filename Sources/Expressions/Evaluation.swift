package import Model

/// What an expression is evaluated against.
package struct EvaluationContext: Sendable {
    /// `github`, `matrix`, …: names with their values. Names ignore case.
    package var values: [Value.Member]
    /// `success`, `failure`, `cancelled`, `always` with the jobs they name; `nil` where there are none.
    package var status: (@Sendable (_ function: String, _ jobs: [String]) -> Bool)?
    /// The digest of the files that patterns match, in hexadecimal; `nil` where there are no files.
    package var hashFiles: (@Sendable (_ patterns: [String]) -> String?)?

    /// What one evaluation may hold, in bytes.
    package var memoryMax = Limits.expressionMemoryMax

    package init(
        values: [Value.Member], status: (@Sendable (String, [String]) -> Bool)? = nil,
        hashFiles: (@Sendable ([String]) -> String?)? = nil
    ) {
        self.values = values
        self.status = status
        self.hashFiles = hashFiles
    }
}

extension Expression {
    /// What the expression comes to.
    ///
    /// - Throws: `ExpressionError` of kind `evaluation`: a bad format string, JSON that is none, a predicate of `case`
    ///   that is no Boolean, more memory than `memoryMax`.
    package func evaluate(in context: EvaluationContext) throws(ExpressionError) -> Value {
        var evaluator = Evaluator(context: context)
        return try evaluator.evaluate(root).value
    }
}

struct Evaluator {
    let context: EvaluationContext
    /// The contexts as instances, made when first asked for.
    private var names: [String: Operand] = [:]
    private var memory: Memory
    /// How deep in the tree the evaluation stands; the root is at 0.
    private var level = -1

    init(context: EvaluationContext) {
        self.context = context
        memory = Memory(bytesMax: context.memoryMax)
    }

    mutating func evaluate(_ node: Expression.Node) throws(ExpressionError) -> Operand {
        level += 1
        defer { level -= 1 }
        let result = try work(out: node)
        try memory.hold(result, at: level)
        return result
    }

    private mutating func work(out node: Expression.Node) throws(ExpressionError) -> Operand {
        switch node {
        case .literal(.null): return .null
        case .literal(.boolean(let flag)): return .boolean(flag)
        case .literal(.number(let number)): return .number(number)
        case .literal(.string(let text)): return .string(text)
        case .name(let name, _): return named(name)
        case .index(let base, .star, _): return Self.star(try evaluate(base))
        case .index(let base, .value(let index), _):
            let target = try evaluate(base)
            return Self.index(target, by: try evaluate(index))
        case .call(let name, let arguments, _): return try call(name, arguments)
        case .not(let inner): return .boolean(!(try evaluate(inner).isTruthy))
        case .and(let parts):
            var last = Operand.null
            for part in parts {
                last = try evaluate(part)
                if !last.isTruthy { break }
            }
            return last
        case .or(let parts):
            var last = Operand.null
            for part in parts {
                last = try evaluate(part)
                if last.isTruthy { break }
            }
            return last
        case .compare(let comparison, let a, let b, _):
            let (left, right) = (try evaluate(a), try evaluate(b))
            return .boolean(Self.compare(comparison, left, right))
        }
    }

    private mutating func named(_ name: String) -> Operand {
        // Two spellings of one name are one instance: it is kept under the context's own.
        guard let member = context.values.first(where: { CaseFolding.equal($0.key, name) }) else { return .null }
        if let known = names[member.key] { return known }
        let operand = Operand(member.value)
        names[member.key] = operand
        return operand
    }

    // MARK: indices

    private static func index(_ target: Operand, by index: Operand) -> Operand {
        if case .filtered(let items) = target { return .filtered(items.compactMap { member(of: $0, index) }) }
        return member(of: target, index) ?? .null
    }

    /// The member that an index names; `nil` where there is none.
    private static func member(of target: Operand, _ index: Operand) -> Operand? {
        guard index.isScalar else { return nil }
        switch target {
        case .object(let instance): return instance.places[CaseFolding.fold(index.text)].map { instance.items[$0] }
        case .array(let instance):
            let number = index.number.rounded(.down)
            guard number >= 0, number < Double(instance.items.count) else { return nil }
            return instance.items[Int(number)]
        case .filtered(let items):
            let number = index.number.rounded(.down)
            guard number >= 0, number < Double(items.count) else { return nil }
            return items[Int(number)]
        case .null, .boolean, .number, .string: return nil
        }
    }

    private static func star(_ target: Operand) -> Operand {
        switch target {
        case .array(let instance), .object(let instance): .filtered(instance.items)
        case .filtered(let items):
            .filtered(
                items.flatMap { item -> [Operand] in
                    switch item {
                    case .array(let instance), .object(let instance): instance.items
                    case .filtered(let inner): inner
                    case .null, .boolean, .number, .string: []
                    }
                })
        case .null, .boolean, .number, .string: .filtered([])
        }
    }

    // MARK: comparison

    private static func compare(_ comparison: Comparison, _ a: Operand, _ b: Operand) -> Bool {
        switch comparison {
        case .equal: equal(a, b)
        case .notEqual: !equal(a, b)
        case .less: ordered(a, b)
        case .lessOrEqual: equal(a, b) || ordered(a, b)
        case .greater: ordered(b, a)
        case .greaterOrEqual: equal(a, b) || ordered(b, a)
        }
    }

    static func equal(_ a: Operand, _ b: Operand) -> Bool {
        switch (a, b) {
        case (.array(let x), .array(let y)), (.object(let x), .object(let y)): x === y
        case (.null, _), (.boolean, _), (.number, _), (.string, _):
            b.isScalar && Conversion.looselyEqual(a.value, b.value)
        case (.array, _), (.object, _), (.filtered, _): false
        }
    }

    private static func ordered(_ a: Operand, _ b: Operand) -> Bool {
        switch (a, b) {
        case (.string(let x), .string(let y)): CaseFolding.precedes(x, y)
        case (.boolean(let x), .boolean(let y)): !x && y
        case (.null, .null): false
        default: a.isScalar && b.isScalar && a.number < b.number
        }
    }
}
