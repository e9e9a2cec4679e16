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

    /// Which check speaks: a name that stays, for tools that sort or silence.
    package enum Rule: String, Sendable, CaseIterable {
        /// The text is no workflow: broken YAML, an unknown key, a value of the wrong kind.
        case workflow
        /// Correct elsewhere, not honoured here.
        case unsupported
        /// Correct, and without any effect here.
        case idle
        /// An expression that always fails, or always gives the same.
        case expression
        /// A member that no context has at this place.
        case member
        /// A variable that nothing sets.
        case unset
        /// A list or an object where a text belongs.
        case text
        /// A condition that never changes.
        case condition
        case timeout
        /// An unquoted version that YAML reads as a number.
        case version
        case cache
        case metric
        case secret
        /// A threshold that a shell or a script compares.
        case threshold
        /// A gate that no first run can pass.
        case baseline
        /// A version that names whatever is newest.
        case latest
        /// A file that nothing in the job fetches or makes.
        case unfetched
        /// A text that strangers write, in a script.
        case injection
        case matrix
        /// A concurrency group that holds, or ends, what it is to order.
        case concurrency
        case labels
        case environment
        case deprecated
        case event
        case step
    }

    package var severity: Severity
    package var rule: Rule
    package var position: SourcePosition
    package var problem: String
    /// What the person can do now, as an order; `nil` only in what another version of this program has sent.
    package var suggestion: String?

    package init(
        _ severity: Severity = .error, at position: SourcePosition, _ problem: String, help: String,
        rule: Rule = .workflow
    ) {
        self.severity = severity
        self.rule = rule
        self.position = position
        self.problem = problem
        self.suggestion = help.isEmpty ? nil : help
    }

    /// On one line, where the help would not be read on a line of its own: in a report, as a reason.
    package var sentence: String {
        "\(position): \(severity.rawValue): \(problem)" + (suggestion.map { " (\($0))" } ?? "")
    }

    package var description: String {
        "\(position): \(severity.rawValue): \(problem)" + (suggestion.map { "\n  help: \($0)" } ?? "")
    }
}
