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

    /// A completion script for bash: commands, then the options of the command on the line.
    static func bashCompletion(_ groups: [CommandGroup]) -> String {
        let commands = groups.flatMap(\.commands)
        let cases = commands.map { command in
            let options = command.options.map { "--\($0.name)" }.joined(separator: " ")
            return "    '\(command.name)') words='\(options)' ;;"
        }
        let firsts = Set(commands.map { String($0.name.prefix { $0 != " " }) }).sorted().joined(separator: " ")
        return """
            _sheaf() {
              local word=${COMP_WORDS[COMP_CWORD]} name=${COMP_WORDS[1]} words=
              case "$name ${COMP_WORDS[2]}" in 'artifacts '*|'agents '*|'token '*|'baseline '*) name="$name ${COMP_WORDS[2]}" ;; esac
              if [ "$COMP_CWORD" = 1 ]; then COMPREPLY=($(compgen -W '\(firsts) help' -- "$word")); return; fi
              case "$name" in
            \(cases.joined(separator: "\n"))
              esac
              case "$word" in -*) COMPREPLY=($(compgen -W "$words" -- "$word")) ;; *) COMPREPLY=($(compgen -f -- "$word")) ;; esac
            }
            complete -o filenames -F _sheaf sheaf

            """
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}

struct CommandGroup: Sendable {
    var title: String
    var commands: [Command]
}
