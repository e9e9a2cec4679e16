import Model

/// Builds the tree: postfix, then `!`, comparisons, equality, `&&`, `||`, each binary operator to the left.
///
/// A tree deeper than allowed is cut while it is built, so that no text makes one that only recursion could free; the
/// text is still read to its end, since other mistakes are reported before depth.
struct Parser {
    private let source: String
    private let scope: ExpressionScope
    private let tokens: [Token]
    /// What cannot be a token, after all the tokens; reported when the parser gets there.
    private let lexicalError: ExpressionError?
    private var position = 0
    private var isTooDeep = false
    /// How deep the parser stands in parentheses, brackets and calls: the stack is bounded before the tree is.
    private var nesting = 0

    private static let nestingMax = 150

    /// A node and how many levels it has.
    private struct Tree {
        var node: Expression.Node
        var depth: Int
    }

    static func parse(
        _ source: String, in scope: ExpressionScope
    ) throws(ExpressionError) -> (root: Expression.Node, depth: Int) {
        let (tokens, lexicalError) = Lexer.tokens(of: source)
        var parser = Parser(source: source, scope: scope, tokens: tokens, lexicalError: lexicalError)
        if tokens.isEmpty {
            if let lexicalError { throw lexicalError }
            return (.literal(.null), 1)
        }
        let tree = try parser.disjunction()
        if let extra = parser.token { throw parser.unexpected(extra) }
        if let lexicalError { throw lexicalError }
        guard !parser.isTooDeep else { throw .tooDeep }
        return (tree.node, tree.depth)
    }

    private init(source: String, scope: ExpressionScope, tokens: [Token], lexicalError: ExpressionError?) {
        self.source = source
        self.scope = scope
        self.tokens = tokens
        self.lexicalError = lexicalError
    }

    private func leaf(_ literal: Expression.Literal) -> Tree { Tree(node: .literal(literal), depth: 1) }

    private mutating func tree(_ node: Expression.Node, over parts: [Tree]) -> Tree {
        let depth = (parts.map(\.depth).max() ?? 0) + 1
        guard depth <= Limits.expressionDepthMax else {
            isTooDeep = true
            return leaf(.null)
        }
        return Tree(node: node, depth: depth)
    }

    private mutating func disjunction() throws(ExpressionError) -> Tree {
        nesting += 1
        defer { nesting -= 1 }
        guard nesting <= Self.nestingMax else { throw .tooDeep }
        var parts = [try conjunction()]
        while token?.kind == .or {
            position += 1
            parts.append(try conjunction())
        }
        return chain(parts, make: Expression.Node.or) { if case .or(let inner) = $0 { inner } else { nil } }
    }

    private mutating func conjunction() throws(ExpressionError) -> Tree {
        var parts = [try equality()]
        while token?.kind == .and {
            position += 1
            parts.append(try equality())
        }
        return chain(parts, make: Expression.Node.and) { if case .and(let inner) = $0 { inner } else { nil } }
    }

    /// `(a && b) && c` is `a && b && c`: chains count once towards the depth.
    private mutating func chain(
        _ parts: [Tree], make: ([Expression.Node]) -> Expression.Node,
        inner: (Expression.Node) -> [Expression.Node]?
    ) -> Tree {
        guard parts.count > 1 else { return parts[0] }
        let nodes = parts.flatMap { inner($0.node) ?? [$0.node] }
        // A part of the same kind gives its own level up.
        let levels = parts.map { Tree(node: $0.node, depth: inner($0.node) == nil ? $0.depth : $0.depth - 1) }
        return tree(make(nodes), over: levels)
    }

    private mutating func equality() throws(ExpressionError) -> Tree {
        var left = try relation()
        while case .compare(let comparison)? = token?.kind, comparison == .equal || comparison == .notEqual {
            let place = offset
            position += 1
            let right = try relation()
            left = tree(.compare(comparison, left.node, right.node, at: place), over: [left, right])
        }
        return left
    }

    private mutating func relation() throws(ExpressionError) -> Tree {
        var left = try negation()
        while case .compare(let comparison)? = token?.kind, comparison != .equal, comparison != .notEqual {
            let place = offset
            position += 1
            let right = try negation()
            left = tree(.compare(comparison, left.node, right.node, at: place), over: [left, right])
        }
        return left
    }

    private mutating func negation() throws(ExpressionError) -> Tree {
        var count = 0
        while token?.kind == .not {
            position += 1
            count += 1
        }
        var inner = try postfix()
        for _ in 0..<count { inner = tree(.not(inner.node), over: [inner]) }
        return inner
    }

    private mutating func postfix() throws(ExpressionError) -> Tree {
        var (base, mayBeIndexed) = try primary()
        while let token, mayBeIndexed {
            switch token.kind {
            case .dot:
                position += 1
                guard let member = self.token else { throw unexpectedEnd }
                position += 1
                switch member.kind {
                case .property(let name): base = index(base, by: leaf(.string(name)), at: member.offset)
                case .star: base = tree(.index(base.node, by: .star, at: member.offset), over: [base, leaf(.null)])
                default: throw unexpected(member)
                }
                if let open = self.token, open.kind == .openParenthesis { throw unexpected(open) }
            case .openBracket:
                position += 1
                if self.token?.kind == .star {
                    position += 1
                    base = tree(.index(base.node, by: .star, at: token.offset), over: [base, leaf(.null)])
                } else {
                    let key = try disjunction()
                    base = index(base, by: key, at: token.offset + 1)
                }
                try expect(.closeBracket)
            default: mayBeIndexed = false
            }
        }
        return base
    }

    private mutating func index(_ base: Tree, by key: Tree, at offset: Int) -> Tree {
        tree(.index(base.node, by: .value(key.node), at: offset), over: [base, key])
    }

    /// - Returns: whether `.` and `[` may follow: not after a literal.
    private mutating func primary() throws(ExpressionError) -> (Tree, mayBeIndexed: Bool) {
        guard let token else { throw unexpectedEnd }
        position += 1
        switch token.kind {
        case .string(let text): return (leaf(.string(text)), false)
        case .number(let number): return (leaf(.number(number)), false)
        case .null: return (leaf(.null), false)
        case .boolean(let flag): return (leaf(.boolean(flag)), false)
        case .name(let name):
            guard scope.has(name) else {
                var error = ExpressionError.located(
                    "Unrecognized named-value: '\(name)'", at: token.offset, in: source)
                error.unknownName = name
                throw error
            }
            return (Tree(node: .name(name, at: token.offset), depth: 1), true)
        case .function(let name): return (try call(name, token), true)
        case .openParenthesis:
            let inner = try disjunction()
            try expect(.closeParenthesis)
            return (inner, true)
        case .property, .star, .dot, .comma, .closeParenthesis, .openBracket, .closeBracket, .not, .compare, .and, .or:
            throw unexpected(token)
        }
    }

    private mutating func call(_ name: String, _ token: Token) throws(ExpressionError) -> Tree {
        guard let function = scope.function(name) else {
            var error = ExpressionError.located("Unrecognized function: '\(name)'", at: token.offset, in: source)
            error.unknownName = name
            error.isAboutFunction = true
            throw error
        }
        try expect(.openParenthesis)
        var arguments: [Tree] = []
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
        return tree(.call(function.name, arguments.map(\.node), at: token.offset), over: arguments)
    }

    /// Where the next token begins.
    private var offset: Int { token?.offset ?? source.utf16.count }

    private var token: Token? { position < tokens.count ? tokens[position] : nil }

    private mutating func expect(_ kind: Token.Kind) throws(ExpressionError) {
        guard let token else { throw unexpectedEnd }
        guard token.kind == kind else { throw unexpected(token) }
        position += 1
    }

    private func unexpected(_ token: Token) -> ExpressionError {
        .unexpectedSymbol(token.text, at: token.offset, in: source, kind: .parsing)
    }

    /// The text ends here, or goes on with what is no token.
    private var unexpectedEnd: ExpressionError {
        if let lexicalError { return lexicalError }
        let last = tokens[tokens.count - 1]
        return .located("Unexpected end of expression: '\(last.text)'", at: last.offset, in: source)
    }
}
