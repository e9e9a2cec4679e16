import Model

/// A parsed expression of the `${{ }}` language. Contexts and functions that its place does not have were refused.
package struct Expression: Equatable, Sendable {
    /// The text between the braces.
    package let source: String
    let root: Node
    /// Levels of the tree; chains of `&&` and `||` count once.
    let depth: Int

    indirect enum Node: Equatable, Sendable {
        case literal(Literal)
        case name(String)
        case index(Node, by: Index)
        case call(String, [Node])
        case not(Node)
        case and([Node])
        case or([Node])
        case compare(Comparison, Node, Node)
    }

    enum Literal: Equatable, Sendable {
        case null
        case boolean(Bool)
        case number(Double)
        case string(String)
    }

    enum Index: Equatable, Sendable {
        case value(Node)
        case star
    }

    /// Parses one expression. An empty one is `null`.
    ///
    /// - Throws: `ExpressionError` of kind `lexing` or `parsing`, with its place.
    package init(_ source: String, in scope: ExpressionScope) throws(ExpressionError) {
        guard source.utf16.count <= Limits.expressionCharactersMax else {
            throw .tooLong
        }
        self.source = source
        (root, depth) = try Parser.parse(source, in: scope)
    }

    /// A place in a context that the expression reads: `["needs", "eval", "outputs", "best"]`, lower-cased names first;
    /// cut at the first index that is no literal.
    package var references: [[String]] {
        var found: [[String]] = []
        Self.collect(root, into: &found)
        return found
    }

    /// The functions that the expression calls, lower-cased.
    package var functions: Set<String> {
        var found: Set<String> = []
        Self.walk(root) { if case .call(let name, _) = $0 { found.insert(name.lowercased()) } }
        return found
    }

    private static func collect(_ node: Node, into found: inout [[String]]) {
        guard let path = path(of: node) else {
            for child in children(node) { collect(child, into: &found) }
            return
        }
        found.append(path.path)
        // What computes an index reads something too.
        var chain = node
        while case .index(let base, let index) = chain {
            if case .value(let computed) = index { collect(computed, into: &found) }
            chain = base
        }
    }

    /// The path that a chain of literal indices names; `isWhole` is false where an index was computed.
    private static func path(of node: Node) -> (path: [String], isWhole: Bool)? {
        switch node {
        case .name(let name): return ([name.lowercased()], true)
        case .index(let base, .value(.literal(.string(let key)))):
            guard let inner = path(of: base) else { return nil }
            return inner.isWhole ? (inner.path + [key], true) : inner
        case .index(let base, _): return path(of: base).map { ($0.path, false) }
        case .literal, .call, .not, .and, .or, .compare: return nil
        }
    }

    static func walk(_ node: Node, _ visit: (Node) -> Void) {
        visit(node)
        for child in children(node) { walk(child, visit) }
    }

    private static func children(_ node: Node) -> [Node] {
        switch node {
        case .literal, .name: []
        case .index(let base, .star): [base]
        case .index(let base, .value(let index)): [base, index]
        case .call(_, let arguments): arguments
        case .not(let inner): [inner]
        case .and(let parts), .or(let parts): parts
        case .compare(_, let a, let b): [a, b]
        }
    }
}
