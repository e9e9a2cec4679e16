import Gates
package import Model

/// A job's matrix as rows and columns.
package struct Grid: Equatable, Sendable {
    package struct Row: Equatable, Sendable {
        /// One per row axis.
        package var labels: [String]
        /// Positions in the job's cells, one per column; `nil` where the matrix has no cell.
        package var cells: [Int?]
    }

    /// Axes with one value in every cell, which would only repeat themselves.
    package var constants: [Value.Member]
    package var rowAxes: [String]
    /// `nil` when the cells are a list.
    package var columnAxis: String?
    /// The column axis's values; one empty label for a list.
    package var columns: [String]
    package var rows: [Row]

    package static let columnsMax = 12

    /// - Parameter cells: each cell's matrix values, in the plan's order.
    package init(_ cells: [[Value.Member]]) {
        var axes: [String] = []
        var known: Set<String> = []
        for cell in cells { for member in cell where known.insert(member.key).inserted { axes.append(member.key) } }
        let values = cells.map {
            Dictionary($0.map { ($0.key, $0.value.shown) }, uniquingKeysWith: { first, _ in first })
        }
        let distinct = { (axis: String) in Self.distinct(values.map { $0[axis] ?? "" }) }

        constants = []
        var varying: [String] = []
        for axis in axes {
            if distinct(axis).count > 1 {
                varying.append(axis)
            } else if let member = cells.lazy.compactMap({ $0.first { $0.key == axis } }).first {
                constants.append(member)
            }
        }
        // What `include` added to some cells says nothing about where they stand, as long as they stay apart.
        for axis in varying.reversed() where values.contains(where: { $0[axis] == nil }) {
            let others = varying.filter { $0 != axis }
            let places = values.map { value in others.map { value[$0] ?? "" } }
            if Set(places).count == cells.count { varying = others }
        }

        let column = varying.count > 1 ? varying.last { distinct($0).count <= Self.columnsMax } : nil
        let table = column.flatMap { Self.table(values, rows: varying.filter { $0 != column }, column: $0) }
        let columnAxis = table == nil ? nil : column
        let labels = varying.filter { $0 != columnAxis }
        self.columnAxis = columnAxis
        rowAxes = labels
        columns = columnAxis.map(distinct) ?? [""]
        rows =
            table
            ?? values.enumerated().map { index, value in
                Row(labels: labels.map { value[$0] ?? "" }, cells: [index])
            }
    }

    /// `nil` where two cells would stand in one place.
    private static func table(_ values: [[String: String]], rows axes: [String], column: String) -> [Row]? {
        let columns = distinct(values.map { $0[column] ?? "" })
        let columnPlaces = Dictionary(uniqueKeysWithValues: columns.enumerated().map { ($1, $0) })
        var rowPlaces: [[String]: Int] = [:]
        var rows: [Row] = []
        for (index, value) in values.enumerated() {
            let labels = axes.map { value[$0] ?? "" }
            let row = rowPlaces[labels] ?? rows.count
            if row == rows.count {
                rowPlaces[labels] = row
                rows.append(Row(labels: labels, cells: Array(repeating: nil, count: columns.count)))
            }
            guard let place = columnPlaces[value[column] ?? ""], rows[row].cells[place] == nil else { return nil }
            rows[row].cells[place] = index
        }
        return rows
    }

    /// In the order of their first occurrence.
    private static func distinct(_ values: [String]) -> [String] {
        var seen: Set<String> = []
        return values.filter { seen.insert($0).inserted }
    }
}

extension JobReport {
    /// What a reader of the grid has to know, in words.
    ///
    /// - Parameter quoted: makes a name harmless where it is shown.
    func hints(_ quoted: (String) -> String) -> [String] {
        var hints = grid.constants.map { "\(quoted($0.key)) = \(quoted($0.value.shown))" }
        if let headline { hints.append("shown: the value that gate \(quoted(headline)) compares") }
        if grid.rows.contains(where: { $0.cells.contains(nil) }) {
            hints.append("blank: no such cell (exclude, cover)")
        }
        return hints
    }
}
