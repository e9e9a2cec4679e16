/// Files of a job in which metrics stand as some tool writes them.
package struct MetricSource: Hashable, Sendable {
    /// What the files look like. docs/gates.md says what each comes to.
    package enum Format: String, CaseIterable, Sendable {
        /// One object from names to numbers or typed metrics: Sheaf's own.
        case sheaf
        /// Any JSON object; names of nested members are joined by dots, as DVC shows them.
        case json
        /// One JSON object a line.
        case jsonl
        case csv
        case junit
        case pytestBenchmark = "pytest-benchmark"
        /// Results and per-sample logs of lm-evaluation-harness.
        case lmEval = "lm-eval"
        /// MLflow's store of files: one metric a file, one value a line.
        case mlflow
    }

    /// Which of many lines count, where no line is an item.
    package enum Taking: String, CaseIterable, Sendable {
        /// A name's last value.
        case last
        /// All values of a name, as samples.
        case samples
    }

    /// A template; comes to a path below the workspace, or to a pattern as of `upload-artifact`.
    package var path: String
    package var format: Format
    /// The member or column that names an item: each line or row is one then. For `jsonl` and `csv`.
    package var id: String?
    package var taking: Taking
    /// Whether the records that the format has (tests, benchmarks, documents, lines with an id) are items. A cell's items
    /// are one set: of several sources, one can have them.
    package var withItems: Bool

    package init(path: String, format: Format, id: String? = nil, taking: Taking = .last, withItems: Bool = true) {
        self.path = path
        self.format = format
        self.id = id
        self.taking = taking
        self.withItems = withItems
    }

    /// How many sources a job may name.
    package static let countMax = 32
    /// How many files the sources of one attempt may come to.
    package static let filesMax = 1000

    /// Whether the cell's items come from it.
    package var givesItems: Bool {
        guard withItems else { return false }
        return switch format {
        case .sheaf, .json, .mlflow: false
        case .jsonl, .csv: id != nil
        case .junit, .pytestBenchmark, .lmEval: true
        }
    }

    /// How large one file may be: more where it may hold a record for each item.
    package var bytesMax: Int {
        switch format {
        case .sheaf, .json, .mlflow, .pytestBenchmark: Limits.metricsFileBytesMax
        case .jsonl, .csv: id == nil ? Limits.metricsFileBytesMax : Self.itemsBytesMax
        case .junit, .lmEval: Self.itemsBytesMax
        }
    }

    private static let itemsBytesMax = 256 << 20
}
