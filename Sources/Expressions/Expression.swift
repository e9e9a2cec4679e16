import Model

/// A parsed expression of the `${{ }}` language. Contexts and functions that its place does not have were refused.
package struct Expression: Equatable, Sendable {
    /// The text between the braces.
    package let source: String
    /// Where it begins in the text that it stands in, in UTF-16 units.
    package internal(set) var offset = 0
    let root: Node
    /// Levels of the tree; chains of `&&` and `||` count once.
    let depth: Int

    indirect enum Node: Equatable, Sendable {
        case literal(Literal)
        /// Offsets here and below count UTF-16 units from the expression's beginning.
        case name(String, at: Int)
        /// The place is the member's, or the bracket's.
        case index(Node, by: Index, at: Int)
        case call(String, [Node], at: Int)
        case not(Node)
        case and([Node])
        case or([Node])
        /// The place is the operator's.
        case compare(Comparison, Node, Node, at: Int)
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

    /// Places whose text may become part of the result: what is compared, tested or searched does not.
    package var printed: [[String]] {
        var found: [[String]] = []
        func visit(_ node: Node) {
            switch node {
            case .literal, .not, .compare: break
            case .name, .index: Self.collect(node, into: &found)
            case .call(let name, let arguments, _):
                if ["format", "join", "toJSON", "fromJSON", "case"].contains(name) { arguments.forEach(visit) }
            case .and(let parts), .or(let parts): parts.forEach(visit)
            }
        }
        visit(root)
        return found
    }

    /// The functions that the expression calls, lower-cased.
    package var functions: Set<String> {
        var found: Set<String> = []
        Self.walk(root) { if case .call(let name, _, _) = $0 { found.insert(name.lowercased()) } }
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
        while case .index(let base, let index, _) = chain {
            if case .value(let computed) = index { collect(computed, into: &found) }
            chain = base
        }
    }

    /// The path that a chain of literal indices names; `isWhole` is false where an index was computed.
    private static func path(of node: Node) -> (path: [String], isWhole: Bool)? {
        switch node {
        case .name(let name, _): return ([name.lowercased()], true)
        case .index(let base, .value(.literal(.string(let key))), _):
            guard let inner = path(of: base) else { return nil }
            return inner.isWhole ? (inner.path + [key], true) : inner
        case .index(let base, _, _): return path(of: base).map { ($0.path, false) }
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
        case .index(let base, .star, _): [base]
        case .index(let base, .value(let index), _): [base, index]
        case .call(_, let arguments, _): arguments
        case .not(let inner): [inner]
        case .and(let parts), .or(let parts): parts
        case .compare(_, let a, let b, _): [a, b]
        }
    }
}
