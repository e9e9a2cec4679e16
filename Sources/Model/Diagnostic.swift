/// A place in a text that a person wrote. Lines and columns count from 1; columns count characters (Unicode scalars).
package struct SourcePosition: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var file: String
    package var line: Int
    package var column: Int

    package init(file: String, line: Int, column: Int) {
        self.file = file
        self.line = line
        self.column = column
    }

    package var description: String { "\(file):\(line):\(column)" }
    package static func < (a: Self, b: Self) -> Bool { (a.file, a.line, a.column) < (b.file, b.line, b.column) }
}

/// A mistake in what a person wrote, printed as `nightly.yml:7:5: error: …`.
package struct Diagnostic: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Severity: String, Sendable {
        /// The file means nothing, or not what was meant: nothing runs.
        case error
        /// Correct at GitHub or in a later Sheaf, but not honoured here: `run` and `submit` refuse it.
        case unsupported
        /// Allowed, and probably not what was meant.
        case warning
    }

    package var severity: Severity
    package var position: SourcePosition
    package var problem: String
    /// What the person can do now, as an order. `nil` only when we truly do not know.
    package var suggestion: String?

    package init(_ severity: Severity = .error, at position: SourcePosition, _ problem: String, help: String? = nil) {
        self.severity = severity
        self.position = position
        self.problem = problem
        self.suggestion = help
    }

    package var description: String {
        "\(position): \(severity.rawValue): \(problem)" + (suggestion.map { "\n  help: \($0)" } ?? "")
    }
}
