import Model

/// Builds the tree: postfix, then `!`, comparisons, equality, `&&`, `||`, each binary operator to the left.
struct Parser {
    private let source: String
    private let scope: ExpressionScope
    private let tokens: [Token]
    private var position = 0
    /// How deep the parser stands in parentheses, brackets and calls: the stack is bounded before the tree is.
    private var nesting = 0

    private typealias Node = Expression.Node
    private static let nestingMax = 500

    static func parse(_ source: String, in scope: ExpressionScope) throws(ExpressionError) -> Expression.Node {
        let tokens = try Lexer.tokens(of: source)
        guard !tokens.isEmpty else { return .literal(.null) }
        var parser = Parser(source: source, scope: scope, tokens: tokens)
        let root = try parser.disjunction()
        if let extra = parser.token { throw parser.unexpected(extra) }
        guard depth(root) <= Limits.expressionDepthMax else { throw tooDeep }
        return root
    }

    private init(source: String, scope: ExpressionScope, tokens: [Token]) {
        self.source = source
        self.scope = scope
        self.tokens = tokens
    }

    private static let tooDeep = ExpressionError(
        kind: .parsing, message: "Exceeded max expression depth \(Limits.expressionDepthMax)", offset: 0)

    private mutating func disjunction() throws(ExpressionError) -> Expression.Node {
        nesting += 1
        defer { nesting -= 1 }
        guard nesting <= Self.nestingMax else { throw Self.tooDeep }
        var parts = [try conjunction()]
        while token?.kind == .or {
            position += 1
            parts.append(try conjunction())
        }
        return parts.count == 1
            ? parts[0] : .or(Self.flattened(parts) { if case .or(let inner) = $0 { inner } else { nil } })
    }

    private mutating func conjunction() throws(ExpressionError) -> Expression.Node {
        var parts = [try equality()]
        while token?.kind == .and {
            position += 1
            parts.append(try equality())
        }
        return parts.count == 1
            ? parts[0] : .and(Self.flattened(parts) { if case .and(let inner) = $0 { inner } else { nil } })
    }

    /// `(a && b) && c` is `a && b && c`: chains count once towards the depth.
    private static func flattened(
        _ parts: [Expression.Node], _ inner: (Expression.Node) -> [Expression.Node]?
    ) -> [Expression.Node] {
        parts.flatMap { inner($0) ?? [$0] }
    }

    private mutating func equality() throws(ExpressionError) -> Expression.Node {
        var left = try relation()
        while case .compare(let comparison)? = token?.kind, comparison == .equal || comparison == .notEqual {
            position += 1
            left = .compare(comparison, left, try relation())
        }
        return left
    }

    private mutating func relation() throws(ExpressionError) -> Expression.Node {
        var left = try negation()
        while case .compare(let comparison)? = token?.kind, comparison != .equal, comparison != .notEqual {
            position += 1
            left = .compare(comparison, left, try negation())
        }
        return left
    }

    private mutating func negation() throws(ExpressionError) -> Expression.Node {
        var count = 0
        while token?.kind == .not {
            position += 1
            count += 1
        }
        var node = try postfix()
        guard count <= Self.nestingMax else { throw Self.tooDeep }
        for _ in 0..<count { node = .not(node) }
        return node
    }

    private mutating func postfix() throws(ExpressionError) -> Expression.Node {
        var (node, mayBeIndexed) = try primary()
        while let token, mayBeIndexed {
            switch token.kind {
            case .dot:
                position += 1
                guard let member = self.token else { throw unexpectedEnd }
                switch member.kind {
                case .property(let name): node = .index(node, by: .value(.literal(.string(name))))
                case .star: node = .index(node, by: .star)
                default: throw unexpected(member)
                }
                position += 1
                if case .openParenthesis? = self.token?.kind, let open = self.token { throw unexpected(open) }
            case .openBracket:
                position += 1
                if self.token?.kind == .star {
                    position += 1
                    node = .index(node, by: .star)
                } else {
                    node = .index(node, by: .value(try disjunction()))
                }
                try expect(.closeBracket)
            default: return node
            }
        }
        mayBeIndexed = false
        return node
    }

    /// - Returns: whether `.` and `[` may follow: not after a literal.
    private mutating func primary() throws(ExpressionError) -> (Expression.Node, Bool) {
        guard let token else { throw unexpectedEnd }
        position += 1
        switch token.kind {
        case .string(let text): return (.literal(.string(text)), false)
        case .number(let number): return (.literal(.number(number)), false)
        case .null: return (.literal(.null), false)
        case .boolean(let flag): return (.literal(.boolean(flag)), false)
        case .name(let name):
            guard scope.has(name) else {
                throw .located("Unrecognized named-value: '\(name)'", at: token.offset, in: source)
            }
            return (.name(name), true)
        case .function(let name): return (try call(name, token), true)
        case .openParenthesis:
            let inner = try disjunction()
            try expect(.closeParenthesis)
            return (inner, true)
        case .property, .star, .dot, .comma, .closeParenthesis, .openBracket, .closeBracket, .not, .compare, .and, .or:
            throw unexpected(token)
        }
    }

    private mutating func call(_ name: String, _ token: Token) throws(ExpressionError) -> Expression.Node {
        guard let function = scope.function(name) else {
            throw .located("Unrecognized function: '\(name)'", at: token.offset, in: source)
        }
        try expect(.openParenthesis)
        var arguments: [Expression.Node] = []
        if self.token?.kind != .closeParenthesis {
            arguments.append(try disjunction())
            while self.token?.kind == .comma {
                position += 1
                arguments.append(try disjunction())
            }
        }
        try expect(.closeParenthesis)
        if arguments.count < function.argumentsMin {
            throw .located("Too few parameters supplied: '\(name)'", at: token.offset, in: source)
        }
        if arguments.count > function.argumentsMax {
            throw .located("Too many parameters supplied: '\(name)'", at: token.offset, in: source)
        }
        if function.name == "case" && arguments.count.isMultiple(of: 2) {
            throw .located(
                "Even number of parameters supplied, requires an odd number of parameters: '\(name)'", at: token.offset,
                in: source)
        }
        return .call(function.name, arguments)
    }

    private static func depth(_ node: Expression.Node) -> Int {
        switch node {
        case .literal, .name: 1
        case .index(let base, .star): max(depth(base), 1) + 1
        case .index(let base, .value(let index)): max(depth(base), depth(index)) + 1
        case .call(_, let parts), .and(let parts), .or(let parts): (parts.map(depth).max() ?? 0) + 1
        case .not(let inner): depth(inner) + 1
        case .compare(_, let a, let b): max(depth(a), depth(b)) + 1
        }
    }

    private var token: Token? { position < tokens.count ? tokens[position] : nil }

    private mutating func expect(_ kind: Token.Kind) throws(ExpressionError) {
        guard let token else { throw unexpectedEnd }
        guard token.kind == kind else { throw unexpected(token) }
        position += 1
    }

    private func unexpected(_ token: Token) -> ExpressionError {
        .unexpectedSymbol(token.text, at: token.offset, in: source, kind: .parsing)
    }

    private var unexpectedEnd: ExpressionError {
        let last = tokens[tokens.count - 1]
        return .located("Unexpected end of expression: '\(last.text)'", at: last.offset, in: source)
    }
}
