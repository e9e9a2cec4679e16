import Expressions
package import Model

/// Names and ids of cells, as GitHub makes them from a combination's scalar leaves.
package enum CellNames {
    private static let nameMax = 100
    private static let idMax = 25

    /// `eval (3.11, torch)`; cut with `...` above 100 characters.
    package static func name(job: String, shown: [Value.Member]) -> String {
        let leaves = leaves(of: .object(shown))
        let name = leaves.isEmpty ? job : "\(job) (\(leaves.joined(separator: ", ")))"
        return name.count > nameMax ? "\(name.prefix(nameMax - 3))..." : name
    }

    /// Hands out ids that differ from one another without regard to case.
    package struct Identifiers {
        private var taken: Set<String> = []

        package init() {}

        package mutating func next(shown: [Value.Member], job: String) -> String {
            let joined = CellNames.leaves(of: .object(shown)).joined(separator: "_")
            var id = String((joined.isEmpty ? job : joined).unicodeScalars.map(CellNames.legal))
            if let first = id.first, first == "-" || first.isNumber { id = "_" + id }
            if id.hasPrefix("__") { id.removeFirst() }
            id = String(id.prefix(CellNames.idMax))
            var candidate = id
            var number = 2
            while !taken.insert(candidate.lowercased()).inserted {
                let suffix = "_\(number)"
                candidate = id.prefix(CellNames.idMax - suffix.count) + suffix
                number += 1
            }
            return candidate
        }
    }

    private static func legal(_ scalar: Unicode.Scalar) -> Character {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "_", "-": Character(scalar)
        default: "_"
        }
    }

    /// Texts of the non-empty scalars, depth first.
    private static func leaves(of value: Value) -> [String] {
        switch value {
        case .object(let members): members.flatMap { leaves(of: $0.value) }
        case .array(let items): items.flatMap(leaves)
        case .null: []
        case .boolean, .number, .string:
            [Conversion.text(of: value)].filter { !$0.isEmpty }
        }
    }
}
