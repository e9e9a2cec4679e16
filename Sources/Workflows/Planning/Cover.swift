package import Model

/// `cover`: run only some cells of a matrix, in which every tuple of values still occurs that can.
package struct CoverRule: Equatable, Sendable {
    /// 2 for pairs, 3 for triples.
    package var strength: Int
    /// Cells that match one of these filters are taken in any case.
    package var always: [Value]

    package init(strength: Int, always: [Value] = []) {
        self.strength = strength
        self.always = always
    }

    static let strengthMax = 6
}

/// What shows that a cover covers: every tuple of values, either with a cell that has it, or as one that no valid cell
/// has. Anybody can check it against the matrix.
package struct CoverCertificate: Equatable, Sendable {
    package struct Axis: Equatable, Sendable {
        package var name: String
        package var items: [Value]
    }

    /// Items of some axes; both lists hold positions.
    package struct Tuple: Hashable, Sendable {
        package var axes: [Int]
        package var items: [Int]
    }

    package struct Covered: Equatable, Sendable {
        package var tuple: Tuple
        /// The position of a chosen cell that has it.
        package var cell: Int
    }

    package var strength: Int
    package var axes: [Axis]
    /// Cells that the whole matrix has, after `exclude`, without those that only `include` makes.
    package var validCount: Int
    /// For each chosen cell the item of each axis.
    package var cells: [[Int]]
    package var covered: [Covered]
    package var infeasible: [Tuple]

    /// No cover of this matrix is smaller.
    package var lowerBound: Int

    /// A tuple by names: `{"python": "3.13", "backend": "jax"}`.
    package func value(of tuple: Tuple) -> Value {
        .object(zip(tuple.axes, tuple.items).map { .init(axes[$0].name, axes[$0].items[$1]) })
    }

    /// `covers all 203 pairs that 1254 valid cells have with 27 cells (at least 25 are needed); 19 pairs are impossible`
    package var summary: String {
        let word = strength == 1 ? "value" : strength == 2 ? "pair" : strength == 3 ? "triple" : "\(strength)-tuple"
        let are = { (count: Int) in count == 1 ? "is" : "are" }
        let without =
            infeasible.isEmpty
            ? "" : "; \(Spelling.counted(infeasible.count, word)) \(are(infeasible.count)) impossible"
        return
            "covers all \(Spelling.counted(covered.count, word)) that \(validCount) valid cells have with \(cells.count) of "
            + "them (at least \(lowerBound) \(are(lowerBound)) needed)\(without)"
    }

    /// For `sheaf plan --format json`.
    package var value: Value {
        [
            "strength": .number(Double(strength)), "valid": .number(Double(validCount)),
            "cells": .number(Double(cells.count)), "at-least": .number(Double(lowerBound)),
            "covered": .array(
                covered.map { ["tuple": value(of: $0.tuple), "cell": .number(Double($0.cell))] }),
            "missed": [], "infeasible": .array(infeasible.map { value(of: $0) }),
        ]
    }
}

extension Matrix {
    /// Places in each vector, of many points of the product, one after another.
    package struct Points: Sendable {
        var width: Int
        var places: [UInt32] = []

        package var count: Int { width == 0 ? 0 : places.count / width }

        subscript(_ point: Int) -> [Int] { places[(point * width)..<((point + 1) * width)].map { Int($0) } }
    }

    /// Few of the matrix's cells, and what shows that they cover; then the cells that only `include` makes.
    package func covering(
        _ rule: CoverRule, cellsMax: Int
    ) throws(Mistake) -> (cells: [Combination], certificate: CoverCertificate?) {
        let whole = try points(max: CoverSearch.pointsMax)
        guard whole.count > 0 else { return (try combinations(cellsMax: cellsMax), nil) }
        var always: [Int] = []
        for (index, filter) in rule.always.enumerated() {
            let matching = try matches(filter, in: whole, index)
            guard !matching.isEmpty else {
                throw Mistake(
                    problem: "Matrix cover: no valid cell matches this entry",
                    help: "name values that the vectors have and 'exclude' leaves, or remove the entry", key: "always",
                    index: index)
            }
            always += matching
        }
        guard var search = CoverSearch(sizes: axisSizes, points: whole, strength: rule.strength) else {
            throw Mistake(
                problem: "Matrix cover: more than \(CoverSearch.tuplesMax) tuples",
                help: "cover: pairs, or shorter vectors")
        }
        let chosen = search.chosen(always: Array(Set(always)).sorted())
        let (covered, infeasible) = search.evidence(for: chosen)
        let certificate = CoverCertificate(
            strength: min(rule.strength, axisSizes.count), axes: axes, validCount: whole.count,
            cells: chosen.map { whole[$0] },
            covered: covered.map { .init(tuple: .init(axes: $0.axes, items: $0.items), cell: $0.cell) },
            infeasible: infeasible.map { .init(axes: $0.axes, items: $0.items) }, lowerBound: search.lowerBound)
        return (try combinations(at: chosen, of: whole, cellsMax: cellsMax), certificate)
    }
}
