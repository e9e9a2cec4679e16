package import Model

/// The fewest axis values that explain where cells fail: `device=cuda and backend=jax: 8 of 8 fail, else 1 of 88`.
package struct Blame: Equatable, Sendable {
    /// At most so many axes are named together.
    package static let axesMax = 3
    /// What chance alone explains as well is not named.
    package static let rate = 0.05

    /// The values that the blamed cells have in common.
    package var place: [Value.Member]
    /// How many of the cells with these values fail.
    package var failed: Int
    package var count: Int
    package var failedElsewhere: Int
    package var countElsewhere: Int
    /// Fisher's exact test, one-sided: as many failures among these cells by chance; times the number of sets of cells
    /// that were looked at.
    package var probability: Double
    package var searched: Int

    package init(
        place: [Value.Member], failed: Int, count: Int, failedElsewhere: Int, countElsewhere: Int, probability: Double,
        searched: Int
    ) {
        self.place = place
        self.failed = failed
        self.count = count
        self.failedElsewhere = failedElsewhere
        self.countElsewhere = countElsewhere
        self.probability = probability
        self.searched = searched
    }

    /// Searches all sets of up to `axesMax` values of different axes.
    ///
    /// - Parameter cells: values by axis, and whether the cell fails; cells that were not measured are left out.
    /// - Returns: the set that is the least likely by chance, of equals the one with fewest values; `nil` where none
    ///   tells the failures from the rest better than chance may.
    package static func find(_ cells: [(values: [Value.Member], fails: Bool)]) -> Blame? {
        let failing = cells.count(where: \.fails)
        guard failing > 0, failing < cells.count else { return nil }
        let table = CodedCells(cells)
        var found: [CodedCells.Term: (count: Int, failed: Int)] = [:]
        for (cell, fails) in zip(table.cells, cells.map(\.fails)) {
            table.eachTerm(of: cell) { term in
                found[term, default: (0, 0)].count += 1
                if fails { found[term, default: (0, 0)].failed += 1 }
            }
        }
        // Values that always go together give one set of cells several names: it is looked at once, by its shortest.
        let searched = found.count
        var best: (term: CodedCells.Term, p: Double)?
        for (term, counts) in found where counts.failed > 0 && counts.count < cells.count {
            guard
                let p = Distribution.hypergeometric(
                    atLeast: counts.failed, drawn: counts.count, marked: failing, total: cells.count)
            else { continue }
            if let known = best, (known.p, known.term) <= (p, term) { continue }
            best = (term, p)
        }
        guard let best, let counts = found[best.term] else { return nil }
        let corrected = min(1, best.p * Double(searched))
        guard corrected < rate else { return nil }
        return Blame(
            place: table.place(best.term), failed: counts.failed, count: counts.count,
            failedElsewhere: failing - counts.failed, countElsewhere: cells.count - counts.count,
            probability: corrected, searched: searched)
    }
}

/// Cells as small numbers: which of an axis's values each has.
private struct CodedCells {
    /// Values of different axes, as places in `axes` and in their values; sorted by axis.
    struct Term: Hashable, Comparable {
        var parts: [Int32]

        /// Fewer values first.
        static func < (a: Term, b: Term) -> Bool {
            a.parts.count != b.parts.count
                ? a.parts.count < b.parts.count : a.parts.lexicographicallyPrecedes(b.parts)
        }
    }

    private static let axesMax = 12
    private static let valuesMax = 1 << 16

    private(set) var axes: [String] = []
    private var values: [[Value]] = []
    /// By axis; −1 where the cell does not have it.
    private(set) var cells: [[Int32]] = []

    init(_ sources: [(values: [Value.Member], fails: Bool)]) {
        var places: [String: Int] = [:]
        for source in sources {
            for member in source.values where places[member.key] == nil && axes.count < Self.axesMax {
                places[member.key] = axes.count
                axes.append(member.key)
                values.append([])
            }
        }
        var codes: [[String: Int32]] = Array(repeating: [:], count: axes.count)
        for source in sources {
            var coded = Array(repeating: Int32(-1), count: axes.count)
            for member in source.values {
                guard let axis = places[member.key] else { continue }
                let text = CellTable.key([member])
                if let known = codes[axis][text] {
                    coded[axis] = known
                } else if values[axis].count < Self.valuesMax {
                    coded[axis] = Int32(values[axis].count)
                    codes[axis][text] = coded[axis]
                    values[axis].append(member.value)
                }
            }
            cells.append(coded)
        }
    }

    /// Axes whose value tells cells apart.
    private func isTelling(_ axis: Int) -> Bool { values[axis].count > 1 || cells.contains { $0[axis] < 0 } }

    func eachTerm(of cell: [Int32], _ body: (Term) -> Void) {
        let telling = cell.indices.filter { cell[$0] >= 0 && isTelling($0) }
        func extend(_ parts: [Int32], from: Int) {
            if !parts.isEmpty { body(Term(parts: parts)) }
            guard parts.count < Blame.axesMax else { return }
            for place in from..<max(from, telling.count) {
                extend(parts + [Int32(telling[place]) << 16 | cell[telling[place]]], from: place + 1)
            }
        }
        extend([], from: 0)
    }

    func place(_ term: Term) -> [Value.Member] {
        term.parts.map { Value.Member(axes[Int($0 >> 16)], values[Int($0 >> 16)][Int($0 & 0xFFFF)]) }
    }
}
