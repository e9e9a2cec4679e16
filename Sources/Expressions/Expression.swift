import Model

/// A parsed expression of the `${{ }}` language. Contexts and functions that its place does not have were refused.
package struct Expression: Equatable, Sendable {
    /// The text between the braces.
    package let source: String
    let root: Node

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
            throw ExpressionError(
                kind: .parsing, message: "Exceeded max expression length \(Limits.expressionCharactersMax)", offset: 0)
        }
        self.source = source
        root = try Parser.parse(source, in: scope)
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

/// What an expression may use at its place in a workflow.
package struct ExpressionScope: Equatable, Sendable {
    package struct Function: Equatable, Sendable {
        package var name: String
        package var argumentsMin: Int
        package var argumentsMax: Int
        package init(_ name: String, _ argumentsMin: Int, _ argumentsMax: Int) {
            self.name = name
            self.argumentsMin = argumentsMin
            self.argumentsMax = argumentsMax
        }
    }

    /// Names of contexts; case does not matter.
    package var names: [String]
    /// Functions beyond those that every place has.
    package var functions: [Function]

    package init(names: [String], functions: [Function] = []) {
        self.names = names
        self.functions = functions
    }

    static let everywhere = [
        Function("contains", 2, 2), Function("startsWith", 2, 2), Function("endsWith", 2, 2),
        Function("format", 1, 255), Function("join", 1, 2), Function("toJSON", 1, 1), Function("fromJSON", 1, 1),
        Function("case", 3, 255),
    ]

    func function(_ name: String) -> Function? {
        let folded = CaseFolding.fold(name)
        return (Self.everywhere + functions).first { CaseFolding.fold($0.name) == folded }
    }

    func has(_ name: String) -> Bool {
        let folded = CaseFolding.fold(name)
        return names.contains { CaseFolding.fold($0) == folded }
    }
}
