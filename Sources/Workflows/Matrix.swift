import Expressions
package import Model

/// Expands a matrix to its combinations, as GitHub does: docs/workflow-reference.md tells the rules.
package enum Matrix {
    /// One point of the matrix.
    package struct Combination: Equatable, Sendable {
        /// The vectors' values, then what `include` added.
        package var values: [Value.Member]
        /// What names are made of: the values without what `include` added; for a cell that `include` made, all of it.
        package var shown: [Value.Member]
    }

    /// A mistake in a matrix; `key` names the part that it is in.
    package struct Mistake: Error, Equatable, Sendable {
        package var problem: String
        package var key: String?
    }

    /// Combinations looked at before `exclude`; beyond, the matrix is refused without being built.
    static let combinationsMax = 1_000_000

    /// - Parameter value: the matrix with its expressions evaluated.
    /// - Parameter cellsMax: more cells are refused.
    package static func expand(_ value: Value, cellsMax: Int) throws(Mistake) -> [Combination] {
        guard let members = value.members else { throw Mistake(problem: "A matrix must be a mapping") }
        var vectors: [Vector] = []
        for member in members where member.key != "include" && member.key != "exclude" {
            guard let items = member.value.array else {
                throw Mistake(problem: "Matrix vector '\(member.key)' must be a list", key: member.key)
            }
            guard !items.isEmpty else {
                throw Mistake(problem: "Matrix vector '\(member.key)' does not contain any values", key: member.key)
            }
            vectors.append(Vector(name: member.key, folded: CaseFolding.fold(member.key), items: items))
        }
        let include = try list(value["include"], "include")
        let exclude = try list(value["exclude"], "exclude")
        guard !vectors.isEmpty || !include.isEmpty else {
            throw Mistake(problem: "Matrix must define at least one vector")
        }
        let excludes = try exclude.map { entry throws(Mistake) in try excludeFilter(entry, vectors) }
        var includes = try include.map { entry throws(Mistake) in try Include(entry, vectors) }
        try checkSize(vectors)

        var cells: [Combination] = []
        if !vectors.isEmpty {
            var odometer = [Int](repeating: 0, count: vectors.count)
            repeat {
                let combination = zip(vectors, odometer).map { Value.Member($0.name, $0.items[$1]) }
                let original = Value.object(combination)
                guard !excludes.contains(where: { $0.matches(original) }) else { continue }
                cells.append(
                    Combination(values: combination + extras(for: original, from: &includes), shown: combination))
                guard cells.count <= cellsMax else { throw tooMany(cellsMax) }
            } while advance(&odometer, vectors)
        }
        for entry in includes where !entry.isUsed {
            cells.append(Combination(values: entry.whole, shown: entry.whole))
            guard cells.count <= cellsMax else { throw tooMany(cellsMax) }
        }
        return cells
    }

    private struct Vector {
        var name: String
        var folded: [UInt16]
        var items: [Value]
    }

    /// One entry of `include`: when it applies, and what it adds.
    private struct Include {
        var filter: Filter
        var extra: [Value.Member]
        var whole: [Value.Member]
        var isUsed = false

        init(_ entry: Value, _ vectors: [Vector]) throws(Mistake) {
            guard let members = entry.members, !members.isEmpty else {
                throw Mistake(problem: "Matrix include mapping does not contain any values", key: "include")
            }
            let isVector = { (member: Value.Member) in
                let folded = CaseFolding.fold(member.key)
                return vectors.contains { $0.folded == folded }
            }
            let filtering = members.filter(isVector)
            extra = members.filter { !isVector($0) }
            filter = Filter(.object(filtering))
            whole = filtering + extra
        }
    }

    private static func extras(for original: Value, from includes: inout [Include]) -> [Value.Member] {
        var added: [Value.Member] = []
        for index in includes.indices where includes[index].filter.matches(original) {
            includes[index].isUsed = true
            for member in includes[index].extra {
                let folded = CaseFolding.fold(member.key)
                if let place = added.firstIndex(where: { CaseFolding.fold($0.key) == folded }) {
                    added[place].value = member.value
                } else {
                    added.append(member)
                }
            }
        }
        return added
    }

    private static func excludeFilter(_ entry: Value, _ vectors: [Vector]) throws(Mistake) -> Filter {
        guard let members = entry.members, !members.isEmpty else {
            throw Mistake(problem: "Matrix exclude filter must not be empty", key: "exclude")
        }
        for member in members {
            let folded = CaseFolding.fold(member.key)
            guard vectors.contains(where: { $0.folded == folded }) else {
                throw Mistake(
                    problem: "Matrix exclude key '\(member.key)' does not match any key within the matrix",
                    key: "exclude")
            }
        }
        return Filter(entry)
    }

    private static func list(_ value: Value?, _ name: String) throws(Mistake) -> [Value] {
        guard let value else { return [] }
        guard let items = value.array else { throw Mistake(problem: "Matrix \(name) must be a list", key: name) }
        return items
    }

    private static func checkSize(_ vectors: [Vector]) throws(Mistake) {
        var product = 1
        for vector in vectors {
            let (next, overflow) = product.multipliedReportingOverflow(by: vector.items.count)
            guard !overflow, next <= combinationsMax else {
                let sizes = vectors.map { String($0.items.count) }.joined(separator: " × ")
                throw Mistake(
                    problem: "The matrix has \(sizes) combinations; at most \(combinationsMax) are looked at")
            }
            product = next
        }
    }

    private static func tooMany(_ cellsMax: Int) -> Mistake {
        Mistake(problem: "The matrix has more than \(cellsMax) cells")
    }

    /// The next combination: the last vector turns fastest. `false` after the last one.
    private static func advance(_ odometer: inout [Int], _ vectors: [Vector]) -> Bool {
        for place in vectors.indices.reversed() {
            odometer[place] += 1
            if odometer[place] < vectors[place].items.count { return true }
            odometer[place] = 0
        }
        return false
    }
}

/// A mapping that combinations are held against: each scalar leaf must loosely equal what stands at its path.
private struct Filter {
    private enum Step {
        case key([UInt16])
        case index(Int)
    }

    private var leaves: [(path: [Step], literal: Value)] = []

    init(_ value: Value) { collect(value, []) }

    private mutating func collect(_ value: Value, _ path: [Step]) {
        switch value {
        case .object(let members):
            for member in members { collect(member.value, path + [.key(CaseFolding.fold(member.key))]) }
        case .array(let items):
            for (index, item) in items.enumerated() { collect(item, path + [.index(index)]) }
        case .null, .boolean, .number, .string: leaves.append((path, value))
        }
    }

    func matches(_ combination: Value) -> Bool {
        leaves.allSatisfy { leaf in
            var found: Value? = combination
            for step in leaf.path {
                switch step {
                case .key(let key): found = found?.members?.first { CaseFolding.fold($0.key) == key }?.value
                case .index(let index):
                    found = found?.array.flatMap { index < $0.count ? $0[index] : nil }
                }
            }
            return Conversion.looselyEqual(found ?? .null, leaf.literal)
        }
    }
}
