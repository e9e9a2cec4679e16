import Model

/// The words of one call, held against what its command takes.
struct Arguments: Sendable {
    private(set) var operands: [String] = []
    private var values: [String: [String]] = [:]
    private var flags: Set<String> = []
    private var known: Set<String> = []

    /// - Throws: `UsageError` for an unknown option (with the nearest known one), a missing or surplus word or value.
    init(_ words: [String], for command: Command) throws {
        known = Set(command.options.map(\.name))
        var rest = words[...]
        var onlyOperands = false
        while let word = rest.popFirst() {
            if onlyOperands || !word.hasPrefix("-") || word == "-" {
                operands.append(word)
            } else if word == "--" {
                onlyOperands = true
            } else {
                let (option, inline) = try Self.option(word, of: command)
                guard let value = option.value else {
                    guard inline == nil else { throw UsageError("--\(option.name) takes no value") }
                    flags.insert(option.name)
                    continue
                }
                guard let given = inline ?? rest.popFirst() else {
                    throw UsageError("--\(option.name) needs a value: --\(option.name) \(value)")
                }
                guard option.repeats || values[option.name] == nil else {
                    throw UsageError("--\(option.name) is given twice", help: "give it once")
                }
                values[option.name, default: []].append(given)
            }
        }
        try checkOperands(of: command)
    }

    /// Whether the command takes the option at all.
    func knows(_ option: String) -> Bool { known.contains(option) }
    func has(_ flag: String) -> Bool { flags.contains(flag) }
    func value(_ option: String) -> String? { values[option]?.last }
    func all(_ option: String) -> [String] { values[option] ?? [] }
    func operand(_ index: Int) -> String? { index < operands.count ? operands[index] : nil }

    /// A value that must be given.
    func required(_ option: String) throws -> String {
        guard let value = value(option) else { throw UsageError("--\(option) is needed") }
        return value
    }

    /// A number within `range`; `nil` when the option is absent.
    func number(_ option: String, in range: ClosedRange<Int>) throws -> Int? {
        guard let text = value(option) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw UsageError(
                "--\(option) \(text): not a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// One of a few words; the first is the default.
    func choice(_ option: String, of words: [String]) throws -> String {
        let given = value(option) ?? words[0]
        guard words.contains(given) else {
            throw UsageError(
                "--\(option) \(given): unknown", help: "give one of \(words.joined(separator: ", "))")
        }
        return given
    }

    private static func option(_ word: String, of command: Command) throws -> (Command.Option, inline: String?) {
        if word.hasPrefix("--") {
            let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts.first ?? "")
            if let option = command.options.first(where: { $0.name == name }) {
                return (option, parts.count > 1 ? String(parts[1]) : nil)
            }
            let near = Spelling.nearest(to: name, among: command.options.map(\.name))
            throw UsageError(
                "sheaf \(command.name) has no option --\(name)",
                help: near.map { "did you mean --\($0)?" } ?? "see sheaf help \(command.name)")
        }
        let letters = word.dropFirst()
        guard let first = letters.first, let option = command.options.first(where: { $0.short == first }) else {
            throw UsageError("sheaf \(command.name) has no option \(word)", help: "see sheaf help \(command.name)")
        }
        let inline = letters.dropFirst()
        guard inline.isEmpty || option.value != nil else {
            throw UsageError("\(word): give each option by itself", help: "-\(first) -\(inline.first ?? "?")")
        }
        return (option, inline.isEmpty ? nil : String(inline))
    }

    private func checkOperands(of command: Command) throws {
        let needed = command.operands.filter { !$0.isOptional }
        if operands.count < needed.count {
            throw UsageError("\(needed[operands.count].name) is missing", help: "usage: \(command.usage)")
        }
        let most = command.operands.contains { $0.repeats } ? Int.max : command.operands.count
        if operands.count > most {
            throw UsageError("'\(operands[most])' is one word too many", help: "usage: \(command.usage)")
        }
    }
}
