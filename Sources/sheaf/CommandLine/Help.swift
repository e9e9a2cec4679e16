/// What the binary says about itself.
enum Help {
    static let version = "sheaf 0.1.0"

    /// The list of commands, by what people do with them.
    static func overview(_ groups: [CommandGroup]) -> String {
        var text = """
            Sheaf runs evaluation matrices on your own machines and answers: may this change pass?

            usage: sheaf COMMAND …

            """
        for group in groups {
            text += "\n\(group.title)\n"
            text += list(group.commands)
        }
        text +=
            "\nsheaf help COMMAND tells more. Exit codes: 0 passed, 1 did not pass, 2 your mistake, 3 the farm's fault.\n"
        return text
    }

    /// Commands with what each does, a line each.
    static func list(_ commands: [Command]) -> String {
        commands.map { "  \(pad($0.name, 18)) \($0.summary)\n" }.joined()
    }

    static func page(_ command: Command) -> String {
        var text = "\(command.summary)\n\nusage: \(command.usage)\n"
        if !command.operands.isEmpty {
            text += "\n"
            for operand in command.operands { text += "  \(pad(operand.name, 24)) \(operand.help)\n" }
        }
        if !command.options.isEmpty {
            text += "\noptions\n"
            for option in command.options {
                let short = option.short.map { "-\($0), " } ?? ""
                let value = option.value.map { " \($0)" } ?? ""
                text += "  \(pad("\(short)--\(option.name)\(value)", 24)) \(option.help)\n"
            }
        }
        if !command.discussion.isEmpty { text += "\n\(command.discussion)\n" }
        return text
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}

struct CommandGroup: Sendable {
    var title: String
    var commands: [Command]
}
