import Expressions
import Model

/// The axes that cells of some jobs have, and their values, as far as the file tells without evaluating anything.
struct MatrixAxes {
    struct Axis {
        var name: String
        /// In the file's order; `nil` where one of them is computed.
        var values: [Value]?
    }

    private(set) var all: [Axis] = []
    /// Whether there may be others: a matrix is computed, or a called workflow has one.
    private(set) var isOpen = false

    init(of jobs: [JobSource]) {
        for job in jobs {
            if job.call != nil { isOpen = true }
            add(job.matrix)
        }
    }

    subscript(name: String) -> Axis? { all.first { CaseFolding.equal($0.name, name) } }

    private mutating func add(_ matrix: YAMLNode?) {
        guard let matrix else { return }
        guard let entries = matrix.entries else {
            isOpen = true
            return
        }
        for entry in entries where entry.key != "include" && entry.key != "exclude" {
            add(entry.key, entry.value.items)
        }
        guard let include = matrix["include"] else { return }
        guard let items = include.items else {
            isOpen = true
            return
        }
        for item in items {
            guard let added = item.entries else {
                isOpen = true
                continue
            }
            for entry in added { add(entry.key, [entry.value]) }
        }
    }

    /// - Parameter nodes: its values; `nil` where they are computed.
    private mutating func add(_ name: String, _ nodes: [YAMLNode]?) {
        if TemplateText.hasExpression(name) { isOpen = true }
        let isKnown = nodes?.allSatisfy { !NodeExpressions.areIn($0) } ?? false
        let values = isKnown ? nodes?.map(\.value) : nil
        if let place = all.firstIndex(where: { CaseFolding.equal($0.name, name) }) {
            all[place].values = all[place].values.flatMap { known in
                values.map { new in known + new.filter { !known.contains($0) } }
            }
        } else {
            all.append(Axis(name: name, values: values))
        }
    }
}
