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

    /// What a function takes at most, the first included.
    package static let argumentsMax = 255

    static let everywhere = [
        Function("contains", 2, 2), Function("startsWith", 2, 2), Function("endsWith", 2, 2),
        Function("format", 1, argumentsMax), Function("join", 1, 2), Function("toJSON", 1, 1),
        Function("fromJSON", 1, 1),
        Function("case", 3, argumentsMax),
    ]

    func function(_ name: String) -> Function? {
        (Self.everywhere + functions).first { CaseFolding.equal($0.name, name) }
    }

    /// Every function that the place has.
    package var functionNames: [String] { (Self.everywhere + functions).map(\.name) }

    package func has(_ name: String) -> Bool {
        names.contains { CaseFolding.equal($0, name) }
    }
}
