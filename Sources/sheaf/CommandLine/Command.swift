/// One word of the command line: what it takes, what it says about itself, and what it does.
struct Command: Sendable {
    /// `submit`, `artifacts get`.
    var name: String
    /// One line, for the list of commands.
    var summary: String
    /// What `sheaf help NAME` says beyond the options: sentences and examples.
    var discussion: String = ""
    var operands: [Operand] = []
    var options: [Option] = []
    var run: @Sendable (Arguments) async throws -> ExitCode

    struct Operand: Sendable {
        var name: String
        var help: String
        var isOptional = false
        var repeats = false
    }

    struct Option: Sendable {
        /// Without its dashes: `follow`.
        var name: String
        /// One letter; `-f` is `--follow`.
        var short: Character?
        /// What stands for the value in help; `nil` makes it a flag.
        var value: String?
        var repeats = false
        var help: String

        static func flag(_ name: String, short: Character? = nil, _ help: String) -> Self {
            Self(name: name, short: short, value: nil, help: help)
        }

        static func value(
            _ name: String, short: Character? = nil, _ value: String, repeats: Bool = false, _ help: String
        ) -> Self {
            Self(name: name, short: short, value: value, repeats: repeats, help: help)
        }
    }

    /// `sheaf submit FILE [--wait] [options]`
    var usage: String {
        let words = operands.map { operand in
            let dots = operand.repeats ? "…" : ""
            return operand.isOptional ? "[\(operand.name)\(dots)]" : "\(operand.name)\(dots)"
        }
        return (["sheaf", name] + words + (options.isEmpty ? [] : ["[options]"])).joined(separator: " ")
    }
}

/// What the process answers to its caller; docs/cli.md lists them.
enum ExitCode: Int32, Sendable {
    /// Passed, or waived.
    case passed = 0
    /// Did not pass.
    case failed = 1
    /// The user's mistake: workflow or usage.
    case usage = 2
    /// The farm's fault; also an incomplete run whose only reasons are infrastructure causes.
    case farm = 3
    /// Ended by Ctrl-C, as shells count it.
    case interrupted = 130
}

/// A mistake on the command line: what, and what to do. Ends the program with exit code 2.
struct UsageError: Error, CustomStringConvertible {
    var problem: String
    var help: String?

    init(_ problem: String, help: String? = nil) {
        self.problem = problem
        self.help = help
    }

    var description: String { "error: \(problem)" + (help.map { "\n  help: \($0)" } ?? "") }
}

/// Something that went wrong beyond the command line; says which exit code it means.
struct CommandFailure: Error, CustomStringConvertible {
    /// The file that it is about.
    var file: String?
    var problem: String
    var help: String?
    var exitCode: ExitCode

    init(_ problem: String, in file: String? = nil, help: String? = nil, exitCode: ExitCode = .farm) {
        self.file = file
        self.problem = problem
        self.help = help
        self.exitCode = exitCode
    }

    /// What is wrong, and with which file.
    var fact: String { file.map { "\($0): \(problem)" } ?? problem }

    var description: String { "error: \(fact)\(help.map { "\n  help: \($0)" } ?? "")" }
}
