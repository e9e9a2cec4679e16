import Model

/// What the scanner makes of a text: values with places, or without.
protocol TreeBuilder {
    associatedtype Tree
    associatedtype Member

    static var keepsNumberText: Bool { get }
    static func null(line: Int, column: Int) -> Tree
    static func boolean(_ flag: Bool, line: Int, column: Int) -> Tree
    /// - Parameter text: as written; empty unless `keepsNumberText`.
    static func number(_ number: Double, text: String, line: Int, column: Int) -> Tree
    static func string(_ text: String, line: Int, column: Int) -> Tree
    static func array(_ items: [Tree], line: Int, column: Int) -> Tree
    static func object(_ members: [Member], line: Int, column: Int) -> Tree
    static func member(_ key: String, line: Int, _ value: Tree) -> Member
    static func key(of member: Member) -> String
}

enum ValueBuilder: TreeBuilder {
    static var keepsNumberText: Bool { false }
    static func null(line: Int, column: Int) -> Value { .null }
    static func boolean(_ flag: Bool, line: Int, column: Int) -> Value { .boolean(flag) }
    static func number(_ number: Double, text: String, line: Int, column: Int) -> Value { .number(number) }
    static func string(_ text: String, line: Int, column: Int) -> Value { .string(text) }
    static func array(_ items: [Value], line: Int, column: Int) -> Value { .array(items) }
    static func object(_ members: [Value.Member], line: Int, column: Int) -> Value { .object(members) }
    static func member(_ key: String, line: Int, _ value: Value) -> Value.Member { Value.Member(key, value) }
    static func key(of member: Value.Member) -> String { member.key }
}

enum NodeBuilder: TreeBuilder {
    static var keepsNumberText: Bool { true }
    static func null(line: Int, column: Int) -> JSONNode { JSONNode(kind: .null, line: line, column: column) }
    static func boolean(_ flag: Bool, line: Int, column: Int) -> JSONNode {
        JSONNode(kind: .boolean(flag), line: line, column: column)
    }
    static func number(_ number: Double, text: String, line: Int, column: Int) -> JSONNode {
        JSONNode(kind: .number(number, text: text), line: line, column: column)
    }
    static func string(_ text: String, line: Int, column: Int) -> JSONNode {
        JSONNode(kind: .string(text), line: line, column: column)
    }
    static func array(_ items: [JSONNode], line: Int, column: Int) -> JSONNode {
        JSONNode(kind: .array(items), line: line, column: column)
    }
    static func object(_ members: [JSONNode.Member], line: Int, column: Int) -> JSONNode {
        JSONNode(kind: .object(members), line: line, column: column)
    }
    static func member(_ key: String, line: Int, _ value: JSONNode) -> JSONNode.Member {
        JSONNode.Member(key: key, line: line, value: value)
    }
    static func key(of member: JSONNode.Member) -> String { member.key }
}
