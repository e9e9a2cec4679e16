import JSON
package import Model

/// What is odd about an expression although it can be evaluated: a member that never exists, a comparison that never
/// holds, a call that always fails.
package struct ExpressionFinding: Equatable, Sendable {
    package var message: String
    package var help: String?
    /// UTF-16 units from the beginning of the text that the expression stands in.
    package var offset: Int
    /// Evaluating this part ends in an error, not only in null or false.
    package var isFatal: Bool
    /// The context that a missing member was looked for in, and the member's name; `context` is `steps` for
    /// `steps.build`, and `nil` deeper inside.
    package var context: String?
    package var member: String?
}

extension Expression {
    /// The type of what the expression gives, and everything that is odd about it.
    ///
    /// - Parameter names: the contexts of its place; a name that is not among them may be anything.
    package func check(_ names: [ValueType.Field]) -> (type: ValueType, findings: [ExpressionFinding]) {
        var checker = TypeChecker(names: names, origin: offset)
        let type = checker.type(of: root)
        return (type, checker.findings)
    }

    /// The expression's value where it reads nothing and asks for no status: it is the same in every run.
    package var constant: Value? {
        var isConstant = true
        Self.walk(root) { node in
            switch node {
            case .name: isConstant = false
            case .call(let name, _, _):
                if !ExpressionScope.everywhere.contains(where: { $0.name == name }) { isConstant = false }
            case .literal, .index, .not, .and, .or, .compare: break
            }
        }
        guard isConstant, !source.isEmpty else { return nil }
        // What cannot be evaluated has no value; it is reported where it is evaluated.
        return try? evaluate(in: EvaluationContext(values: []))
    }
}

/// Walks an expression with the types of what its place knows.
private struct TypeChecker {
    let names: [ValueType.Field]
    let origin: Int
    private(set) var findings: [ExpressionFinding] = []

    init(names: [ValueType.Field], origin: Int) {
        self.names = names
        self.origin = origin
    }

    mutating func type(of node: Expression.Node) -> ValueType {
        switch node {
        case .literal(.null): return .null
        case .literal(.boolean): return .boolean
        case .literal(.number): return .number
        case .literal(.string): return .string
        case .name(let name, _): return names.first { CaseFolding.equal($0.name, name) }?.type ?? .any
        case .index(let base, .star, _): return star(type(of: base))
        case .index(let base, .value(let key), let place):
            return member(of: type(of: base), of: base, by: key, at: place)
        case .call(let name, let arguments, let place): return call(name, arguments, at: place)
        case .not(let inner):
            _ = type(of: inner)
            return .boolean
        case .and(let parts), .or(let parts):
            let types = parts.map { type(of: $0) }
            return types.dropFirst().reduce(types[0]) { $0 == $1 ? $0 : .any }
        case .compare(let comparison, let a, let b, let place):
            compare(comparison, a, b, at: place)
            return .boolean
        }
    }

    private mutating func add(_ message: String, at offset: Int, help: String? = nil, isFatal: Bool = false) {
        findings.append(
            ExpressionFinding(
                message: message, help: help, offset: origin + offset, isFatal: isFatal, context: nil, member: nil))
    }

    // MARK: members

    private func star(_ base: ValueType) -> ValueType {
        switch base {
        case .array(let item): .array(item)
        case .object(let fields, let others):
            .array(ValueType.common(to: fields.map(\.type) + (others.map { [$0] } ?? [])))
        case .any, .null, .boolean, .number, .string, .words: .array(.any)
        }
    }

    /// Whether a chain has a `.*` before its end: what follows applies to each item.
    private func isFiltered(_ node: Expression.Node) -> Bool {
        switch node {
        case .index(_, .star, _): true
        case .index(let base, _, _): isFiltered(base)
        case .literal, .name, .call, .not, .and, .or, .compare: false
        }
    }

    private mutating func member(
        of target: ValueType, of base: Expression.Node, by key: Expression.Node, at place: Int
    ) -> ValueType {
        let keyType = type(of: key)
        if isFiltered(base) { return .array(.any) }
        let what = Self.spelling(of: base)
        switch target {
        case .any: return .any
        case .null: return .null
        case .boolean, .number, .string, .words:
            add("\(what) is \(target.named) and has no members: this is always null", at: place)
            return .null
        case .array(let item):
            if case .literal(.string(let name)) = key, Conversion.number(from: name).isNaN {
                add(
                    "\(what) is a list and has no member '\(name)': this is always null", at: place,
                    help: "'.*.\(name)' collects it from every item")
                return .null
            }
            return item
        case .object(let fields, let others):
            guard case .literal(.string(let name)) = key else {
                switch keyType {
                case .number, .boolean, .null:
                    add("members of \(what) are named by texts, not by \(keyType.named)", at: place)
                case .any, .string, .words, .array, .object: break
                }
                return .any
            }
            if let found = target.member(name) { return found }
            let known = fields.map(\.name)
            defer {
                if case .name(let context, _) = base { findings[findings.count - 1].context = context.lowercased() }
                findings[findings.count - 1].member = name
            }
            add(
                "\(what) has no member '\(name)': this is always null", at: place,
                help: Spelling.nearest(to: name, among: known).map { "did you mean '\($0)'?" }
                    ?? (known.isEmpty ? nil : "it has \(Self.list(known))"))
            return others ?? .any
        }
    }

    private static func list(_ words: [String]) -> String {
        words.prefix(12).joined(separator: ", ") + (words.count > 12 ? ", …" : "")
    }

    /// How a chain is written, as far as it is plain: `steps.build.outputs`.
    private static func spelling(of node: Expression.Node) -> String {
        func path(_ node: Expression.Node) -> String? {
            switch node {
            case .name(let name, _): name
            case .index(let base, .value(.literal(.string(let key))), _): path(base).map { "\($0).\(key)" }
            case .index(let base, .value(.literal(.number(let number))), _):
                path(base).map { "\($0)[\(Conversion.text(from: number))]" }
            default: nil
            }
        }
        return path(node).map { "'\($0)'" } ?? "what stands before it"
    }

    // MARK: comparisons

    private mutating func compare(
        _ comparison: Comparison, _ a: Expression.Node, _ b: Expression.Node, at place: Int
    ) {
        let (left, right) = (type(of: a), type(of: b))
        if let outcome = Self.outcome(comparison, left, a, right, b) {
            add("this comparison is always \(outcome): a Boolean counts as 1 or 0 beside a number", at: place)
        }
        for case (.string, .literal(.boolean(true))) in [(left, b), (right, a)] {
            add(
                "beside a Boolean this text counts as a number: of all texts '1' alone is true here, 'true' is not",
                at: place, help: "compare it with the text: == 'true'")
        }
        let isOfEquals = comparison == .equal || comparison == .notEqual
        guard let why = Self.neverAlike(left, a, right, b) ?? (isOfEquals ? Self.noneOf(left, a, right, b) : nil) else {
            return
        }
        let always = comparison == .notEqual ? "always true" : "always false"
        add("this comparison is \(always): \(why.reason)", at: place, help: why.help)
    }

    /// Why two sides can never be equal, nor one before the other; `nil` when they may.
    private static func neverAlike(
        _ left: ValueType, _ a: Expression.Node, _ right: ValueType, _ b: Expression.Node
    ) -> (reason: String, help: String?)? {
        func literal(_ node: Expression.Node) -> String? {
            if case .literal(.string(let text)) = node { text } else { nil }
        }
        switch (left, right) {
        case (.any, _), (_, .any): return nil
        case (.object, .object), (.array, .array):
            // The same instance may be compared with itself.
            return nil
        case (.array, _), (.object, _), (_, .array), (_, .object):
            return ("\(left.named) is never \(right.named)", nil)
        default: break
        }
        for (words, other) in [(left, right), (right, left)] {
            guard case .words(let words) = words, other == .number || other == .boolean,
                words.allSatisfy({ Conversion.number(from: $0).isNaN })
            else { continue }
            return (
                "what is one of \(list(words.map { "'\($0)'" })) is never \(other.named)",
                "compare it with one of these"
            )
        }
        for (type, text) in [(left, literal(b)), (right, literal(a))] {
            guard let text, Conversion.number(from: text).isNaN else { continue }
            switch type {
            case .boolean:
                let flag = ["true", "false"].contains(text.lowercased())
                return (
                    "a Boolean counts as 1 or 0 beside the text '\(text)', which is no number",
                    flag ? "write \(text.lowercased()) without quotes" : nil
                )
            case .number: return ("a number is never the text '\(text)'", nil)
            case .null: return ("null counts as 0 beside the text '\(text)', which is no number", nil)
            case .any, .string, .words, .array, .object: break
            }
        }
        return nil
    }

    /// Why a text that is written out is none of the words that stand beside it; `nil` when it is one.
    private static func noneOf(
        _ left: ValueType, _ a: Expression.Node, _ right: ValueType, _ b: Expression.Node
    ) -> (reason: String, help: String?)? {
        for case (.words(let words), .literal(.string(let text))) in [(left, b), (right, a)]
        where !text.isEmpty && !words.contains(where: { CaseFolding.equal($0, text) }) {
            let near = Spelling.nearest(to: text, among: words).map { "did you mean '\($0)'?" }
            return ("'\(text)' is none of \(list(words.map { "'\($0)'" }))", near)
        }
        for (node, other) in [(a, b), (b, a)] {
            guard CaseFolding.equal(spelling(of: node), "'github.ref'"), case .literal(.string(let text)) = other,
                !text.isEmpty, !text.lowercased().hasPrefix("refs/")
            else { continue }
            return (
                "github.ref is a whole reference, as 'refs/heads/\(text)'",
                "compare github.ref_name, or the whole reference"
            )
        }
        return nil
    }

    /// What a Boolean beside a number that is written out always gives, whichever it is; `nil` when that depends.
    private static func outcome(
        _ comparison: Comparison, _ left: ValueType, _ a: Expression.Node, _ right: ValueType, _ b: Expression.Node
    ) -> Bool? {
        func holds(_ x: Double, _ y: Double) -> Bool {
            switch comparison {
            case .equal: x == y
            case .notEqual: x != y
            case .less: x < y
            case .lessOrEqual: x <= y
            case .greater: x > y
            case .greaterOrEqual: x >= y
            }
        }
        let outcomes: [Bool]
        switch (left, a, right, b) {
        case (.boolean, _, _, .literal(.number(let number))): outcomes = [holds(0, number), holds(1, number)]
        case (_, .literal(.number(let number)), .boolean, _): outcomes = [holds(number, 0), holds(number, 1)]
        default: return nil
        }
        return outcomes[0] == outcomes[1] ? outcomes[0] : nil
    }

    // MARK: calls

    private mutating func call(_ name: String, _ arguments: [Expression.Node], at place: Int) -> ValueType {
        let types = arguments.map { type(of: $0) }
        switch name {
        case "contains":
            if case .object = types[0] {
                add("contains() looks into texts and lists: of an object it is always false", at: place)
            } else {
                refuseCollection(types[1], 2, of: name, unless: types[0] == .any || !types[0].isScalar, at: place)
            }
            return .boolean
        case "startsWith", "endsWith":
            refuseCollection(types[0], 1, of: name, unless: false, at: place)
            refuseCollection(types[1], 2, of: name, unless: false, at: place)
            return .boolean
        case "format":
            if case .literal(.string(let pattern)) = arguments[0] {
                do throws(ExpressionError) {
                    _ = try FormatPattern.pieces(of: pattern, argumentCount: arguments.count - 1)
                } catch {
                    add(error.message, at: place, isFatal: true)
                }
            }
            return .string
        case "join", "toJSON", "hashFiles": return .string
        case "fromJSON":
            guard case .literal(.string(let text)) = arguments[0] else { return .any }
            do throws(JSONError) {
                return ValueType(of: try JSONParser.value(text, repeatedKeys: .keepAll, depthMax: 100))
            } catch {
                add("this text is no JSON: \(error)", at: place, isFatal: true)
                return .any
            }
        case "case":
            let values = types.indices.filter { $0 % 2 == 1 || $0 == types.count - 1 }.map { types[$0] }
            return values.dropFirst().reduce(values[0]) { $0 == $1 ? $0 : .any }
        default: return .boolean
        }
    }

    private mutating func refuseCollection(
        _ type: ValueType, _ number: Int, of function: String, unless isFine: Bool, at place: Int
    ) {
        switch type {
        case .array, .object:
            if !isFine {
                add("\(function)() is always false: its argument \(number) is \(type.named), not a text", at: place)
            }
        case .any, .null, .boolean, .number, .string, .words: break
        }
    }
}
