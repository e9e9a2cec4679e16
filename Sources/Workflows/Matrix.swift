import Expressions
package import Model

/// A matrix whose expressions are evaluated; it expands to combinations as GitHub does, docs/workflow-reference.md tells
/// the rules.
package struct Matrix: Sendable {
    /// One point of the matrix.
    package struct Combination: Equatable, Sendable {
        /// The vectors' values, then what `include` added.
        package var values: [Value.Member]
        /// What names are made of: the values without what `include` added; for a cell that `include` made, all of it.
        package var shown: [Value.Member]
    }

    /// A mistake in a matrix; `key` names the part that it is in, `index` the entry of `include` or `exclude`.
    package struct Mistake: Error, Equatable, Sendable {
        package var problem: String
        /// What the person can do now, as an order.
        package var help: String
        package var key: String?
        package var index: Int?
        /// There are more cells than one job may have.
        package var isTooLarge = false

        /// Where a mistake stands in the text that the matrix was made from.
        func place(in node: YAMLNode) -> YAMLNode {
            guard let key, let part = node[key] else { return node }
            guard let index, let items = part.items, items.indices.contains(index) else { return part }
            return items[index]
        }
    }

    static let shapeHelp = "name vectors and their values: matrix: {python: [\"3.11\", \"3.13\"]}"

    /// Combinations looked at before `exclude`; beyond, the matrix is refused without being built.
    static let combinationsMax = 1_000_000
    static let vectorsMax = 1000

    private let vectors: [Vector]
    private let excludes: [Filter]
    private let includes: [Include]

    /// - Parameter value: the matrix with its expressions evaluated.
    package init(_ value: Value) throws(Mistake) {
        guard let members = value.members else {
            throw Mistake(problem: "A matrix must be a mapping", help: Self.shapeHelp)
        }
        var vectors: [Vector] = []
        for member in members where member.key != "include" && member.key != "exclude" {
            guard let items = member.value.array else {
                throw Mistake(
                    problem: "Matrix vector '\(member.key)' must be a list", help: "\(member.key): [first, second]",
                    key: member.key)
            }
            guard !items.isEmpty else {
                throw Mistake(
                    problem: "Matrix vector '\(member.key)' does not contain any values",
                    help: "name one value at least, or remove '\(member.key)'", key: member.key)
            }
            vectors.append(Vector(name: member.key, folded: CaseFolding.fold(member.key), items: items))
        }
        guard vectors.count <= Self.vectorsMax else {
            throw Mistake(
                problem: "The matrix has \(vectors.count) vectors; the limit is \(Self.vectorsMax)",
                help: "join vectors that go together into one, of mappings")
        }
        let include = try Self.list(value["include"], "include")
        let exclude = try Self.list(value["exclude"], "exclude")
        guard !vectors.isEmpty || !include.isEmpty else {
            throw Mistake(
                problem: "Matrix must define at least one vector",
                help: "\(Self.shapeHelp), or remove the matrix: the job has one cell then")
        }
        var excludes: [Filter] = []
        for (index, entry) in exclude.enumerated() { excludes.append(try Self.excludeFilter(entry, index, vectors)) }
        var includes: [Include] = []
        for (index, entry) in include.enumerated() { includes.append(try Include(entry, index, vectors)) }
        self.vectors = vectors
        self.excludes = excludes
        self.includes = includes
        try Self.checkSize(vectors)
    }

    package static func expand(_ value: Value, cellsMax: Int) throws(Mistake) -> [Combination] {
        try Matrix(value).combinations(cellsMax: cellsMax)
    }

    /// - Parameter cellsMax: more cells are refused.
    package func combinations(cellsMax: Int) throws(Mistake) -> [Combination] {
        var includes = includes
        var cells: [Combination] = []
        if !vectors.isEmpty {
            let extending = !includes.isEmpty
            var odometer = [Int](repeating: 0, count: vectors.count)
            repeat {
                guard !excludes.contains(where: { $0.matches(vectors, odometer) }) else { continue }
                let combination = zip(vectors, odometer).map { Value.Member($0.name, $0.items[$1]) }
                let added = extending ? extras(at: odometer, from: &includes) : []
                cells.append(
                    Combination(values: added.isEmpty ? combination : combination + added, shown: combination))
                guard cells.count <= cellsMax else { throw Self.tooMany(cellsMax) }
            } while Self.advance(&odometer, vectors)
        }
        for entry in includes where !entry.isUsed {
            cells.append(Combination(values: entry.whole, shown: entry.whole))
            guard cells.count <= cellsMax else { throw Self.tooMany(cellsMax) }
        }
        return cells
    }

    // MARK: covers

    var axisSizes: [Int] { vectors.map(\.items.count) }

    var axes: [CoverCertificate.Axis] { vectors.map { .init(name: $0.name, items: $0.items) } }

    /// The combinations that `exclude` leaves, as places.
    func points(max: Int) throws(Mistake) -> Points {
        var points = Points(width: vectors.count)
        guard !vectors.isEmpty else { return points }
        var odometer = [Int](repeating: 0, count: vectors.count)
        repeat {
            guard !excludes.contains(where: { $0.matches(vectors, odometer) }) else { continue }
            points.places += odometer.map { UInt32($0) }
            guard points.count <= max else {
                throw Mistake(
                    problem: "Matrix cover chooses among at most \(max) valid combinations",
                    help: "exclude cells, shorten vectors, or split the job")
            }
        } while Self.advance(&odometer, vectors)
        return points
    }

    /// Positions of the points that an entry matches, as an entry of `exclude` would.
    func matches(_ entry: Value, in points: Points, _ index: Int) throws(Mistake) -> [Int] {
        let filter: Filter
        do throws(Mistake) {
            filter = try Self.excludeFilter(entry, index, vectors)
        } catch {
            throw Mistake(
                problem: error.problem.replacing("exclude", with: "cover"), help: error.help, key: "always",
                index: index)
        }
        return (0..<points.count).filter { filter.matches(vectors, points[$0]) }
    }

    /// The cells at some points, with what `include` adds to them; then the cells that only `include` makes.
    func combinations(
        at chosen: [Int], of points: Points, cellsMax: Int
    ) throws(Mistake) -> [Combination] {
        var includes = includes
        if !includes.isEmpty {
            // An entry that extends a cell which was not chosen is used all the same.
            for point in 0..<points.count { _ = extras(at: points[point], from: &includes) }
        }
        var cells: [Combination] = []
        for point in chosen {
            let places = points[point]
            let combination = zip(vectors, places).map { Value.Member($0.name, $0.items[$1]) }
            cells.append(Combination(values: combination + extras(at: places, from: &includes), shown: combination))
        }
        cells += includes.filter { !$0.isUsed }.map { Combination(values: $0.whole, shown: $0.whole) }
        guard cells.count <= cellsMax else { throw Self.tooMany(cellsMax) }
        return cells
    }

    /// Entries of `exclude` that drop nothing, by position, and the first member of each that no item fits; `nil` where
    /// each fits one, but no combination fits all.
    var uselessExcludes: [(index: Int, key: String?)] {
        var rest = Array(excludes.indices)
        if !vectors.isEmpty, !rest.isEmpty {
            var odometer = [Int](repeating: 0, count: vectors.count)
            repeat {
                rest.removeAll { excludes[$0].matches(vectors, odometer) }
            } while !rest.isEmpty && Self.advance(&odometer, vectors)
        }
        return rest.map { index in (index, excludes[index].firstThatFitsNothing.map { vectors[$0].name }) }
    }

    fileprivate struct Vector: Sendable {
        var name: String
        var folded: [UInt16]
        var items: [Value]
    }

    /// One entry of `include`: when it applies, and what it adds.
    private struct Include: Sendable {
        var filter: Filter
        var extra: [Value.Member]
        var whole: [Value.Member]
        var isUsed = false

        init(_ entry: Value, _ index: Int, _ vectors: [Vector]) throws(Mistake) {
            guard let members = entry.members, !members.isEmpty else {
                throw Mistake(
                    problem: "Matrix include mapping does not contain any values",
                    help: "remove this entry, or name what it adds: {python: \"3.13\", experimental: true}",
                    key: "include", index: index)
            }
            let isVector = { (member: Value.Member) in
                let folded = CaseFolding.fold(member.key)
                return vectors.contains { $0.folded == folded }
            }
            let filtering = members.filter(isVector)
            extra = members.filter { !isVector($0) }
            filter = Filter(.object(filtering), vectors)
            whole = filtering + extra
        }
    }

    private func extras(at odometer: [Int], from includes: inout [Include]) -> [Value.Member] {
        var added: [Value.Member] = []
        for index in includes.indices where includes[index].filter.matches(vectors, odometer) {
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

    private static func excludeFilter(
        _ entry: Value, _ index: Int, _ vectors: [Vector]
    ) throws(Mistake) -> Filter {
        guard let members = entry.members, !members.isEmpty else {
            throw Mistake(
                problem: "Matrix exclude filter must not be empty",
                help: "remove this entry, or name what it leaves out: {python: \"3.9\"}", key: "exclude",
                index: index)
        }
        for member in members {
            let folded = CaseFolding.fold(member.key)
            guard vectors.contains(where: { $0.folded == folded }) else {
                throw Mistake(
                    problem: "Matrix exclude key '\(member.key)' does not match any key within the matrix",
                    help: Spelling.nearest(to: member.key, among: vectors.map(\.name)).map { "did you mean '\($0)'?" }
                        ?? "the matrix has \(vectors.isEmpty ? "no vector" : vectors.map(\.name).joined(separator: ", "))",
                    key: "exclude", index: index)
            }
        }
        return Filter(entry, vectors)
    }

    private static func list(_ value: Value?, _ name: String) throws(Mistake) -> [Value] {
        guard let value else { return [] }
        guard let items = value.array else {
            throw Mistake(
                problem: "Matrix \(name) must be a list", help: "\(name): [{python: \"3.9\"}]", key: name)
        }
        return items
    }

    private static func checkSize(_ vectors: [Vector]) throws(Mistake) {
        var product = 1
        for vector in vectors {
            let (next, overflow) = product.multipliedReportingOverflow(by: vector.items.count)
            guard !overflow, next <= combinationsMax else {
                let sizes = vectors.map { String($0.items.count) }.joined(separator: " × ")
                throw Mistake(
                    problem: "The matrix has \(sizes) combinations; at most \(combinationsMax) are looked at",
                    help: "shorten vectors, join those that go together into one, or split the job")
            }
            product = next
        }
    }

    private static func tooMany(_ cellsMax: Int) -> Mistake {
        Mistake(
            problem: "The matrix has more than \(cellsMax) cells",
            help: "exclude cells, take a covering part of them (cover: pairs), or split the job", isTooLarge: true)
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
private struct Filter: Sendable {
    private enum Step {
        case key([UInt16])
        case index(Int)
    }

    /// For each vector that the filter names, which of its items pass: a combination is a place in each.
    private var passing: [(vector: Int, items: [Bool])] = []
    /// A leaf asks for a member of no vector, which is missing, so null: only what loosely equals null passes.
    private var isImpossible = false

    init(_ value: Value, _ vectors: [Matrix.Vector]) {
        for member in value.members ?? [] {
            let folded = CaseFolding.fold(member.key)
            var leaves: [(path: [Step], literal: Value)] = []
            Self.collect(member.value, [], into: &leaves)
            guard let place = vectors.firstIndex(where: { $0.folded == folded }) else {
                if !leaves.allSatisfy({ Conversion.looselyEqual(.null, $0.literal) }) { isImpossible = true }
                continue
            }
            passing.append((place, vectors[place].items.map { Self.matches($0, leaves) }))
        }
    }

    /// The vector of which no item passes.
    var firstThatFitsNothing: Int? { passing.first { !$0.items.contains(true) }?.vector }

    func matches(_ vectors: [Matrix.Vector], _ odometer: [Int]) -> Bool {
        !isImpossible && passing.allSatisfy { $0.items[odometer[$0.vector]] }
    }

    private static func collect(_ value: Value, _ path: [Step], into leaves: inout [(path: [Step], literal: Value)]) {
        switch value {
        case .object(let members):
            for member in members { collect(member.value, path + [.key(CaseFolding.fold(member.key))], into: &leaves) }
        case .array(let items):
            for (index, item) in items.enumerated() { collect(item, path + [.index(index)], into: &leaves) }
        case .null, .boolean, .number, .string: leaves.append((path, value))
        }
    }

    private static func matches(_ item: Value, _ leaves: [(path: [Step], literal: Value)]) -> Bool {
        leaves.allSatisfy { leaf in
            var found: Value? = item
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
