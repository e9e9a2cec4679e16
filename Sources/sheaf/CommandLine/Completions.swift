/// Scripts by which shells complete commands and options: made from the one table of commands.
enum Completions {
    static let shells = ["bash", "zsh", "fish"]

    static func script(for shell: String, _ groups: [CommandGroup]) -> String {
        let commands = groups.flatMap(\.commands)
        return switch shell {
        case "zsh": zsh(commands)
        case "fish": fish(commands)
        default: bash(commands)
        }
    }

    /// A first word, and what stands behind it: itself alone, words of a family, or both (`agents`, `agents drain`).
    private struct Family {
        var word: String
        var summary: String
        var alone: Command?
        var seconds: [(word: String, command: Command)] = []
    }

    private static func families(_ commands: [Command]) -> [Family] {
        var found: [Family] = []
        for command in commands {
            let words = command.name.split(separator: " ").map(String.init)
            let place: Int
            if let known = found.firstIndex(where: { $0.word == words[0] }) {
                place = known
            } else {
                found.append(Family(word: words[0], summary: command.summary))
                place = found.count - 1
            }
            if words.count > 1 {
                found[place].seconds.append((words[1], command))
            } else {
                found[place].alone = command
                found[place].summary = command.summary
            }
        }
        return found + [Family(word: "help", summary: "what a command does, and its options")]
    }

    private static func words(of command: Command) -> [(word: String, help: String)] {
        command.options.flatMap { option in
            [("--\(option.name)", option.help)] + (option.short.map { [("-\($0)", option.help)] } ?? [])
        }
    }

    /// Within single quotes, in any of these shells but fish.
    private static func quoted(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }

    // MARK: bash

    private static func bash(_ commands: [Command]) -> String {
        let families = families(commands)
        let firsts = families.map(\.word).sorted().joined(separator: " ")
        let pairs = families.filter { !$0.seconds.isEmpty }
        let seconds = pairs.map { family in
            "    \(quoted(family.word))) seconds='\(family.seconds.map(\.word).joined(separator: " "))' ;;"
        }
        let options = commands.map { command in
            "    \(quoted(command.name))) options='\(words(of: command).map(\.word).joined(separator: " "))' ;;"
        }
        return """
            _sheaf() {
              local word=${COMP_WORDS[COMP_CWORD]} name=${COMP_WORDS[1]} seconds= options=
              if [ "$COMP_CWORD" = 1 ]; then COMPREPLY=($(compgen -W '\(firsts)' -- "$word")); return; fi
              if [ "$name" = help ]; then COMPREPLY=($(compgen -W '\(firsts)' -- "$word")); return; fi
              case "$name" in
            \(seconds.joined(separator: "\n"))
              esac
              case " $seconds " in *" ${COMP_WORDS[2]} "*) name="$name ${COMP_WORDS[2]}" ;; esac
              case "$name" in
            \(options.joined(separator: "\n"))
              esac
              case "$word" in
                -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
                *)
                  COMPREPLY=($(compgen -f -- "$word"))
                  if [ "$COMP_CWORD" = 2 ]; then COMPREPLY+=($(compgen -W "$seconds" -- "$word")); fi ;;
              esac
            }
            complete -o filenames -F _sheaf sheaf

            """
    }

    // MARK: zsh

    private static func zsh(_ commands: [Command]) -> String {
        let families = families(commands)
        let described = { (word: String, help: String) in
            // A colon ends the word.
            quoted("\(word.replacing(":", with: "\\:")):\(help)")
        }
        let firsts = families.map { "    " + described($0.word, $0.summary) }
        let seconds = families.filter { !$0.seconds.isEmpty }.map { family in
            let words = family.seconds.map { described($0.word, $0.command.summary) }.joined(separator: " ")
            return "    \(quoted(family.word))) seconds=(\(words)) ;;"
        }
        let options = commands.map { command in
            let words = words(of: command).map { described($0.word, $0.help) }.joined(separator: " ")
            return "    \(quoted(command.name))) options=(\(words)) ;;"
        }
        return """
            #compdef sheaf
            _sheaf() {
              local name=$words[2]
              local -a commands seconds options
              commands=(
            \(firsts.joined(separator: "\n"))
              )
              if (( CURRENT == 2 )) || [[ $name == help ]]; then _describe command commands; return; fi
              case $name in
            \(seconds.joined(separator: "\n"))
              esac
              if [[ -n $words[3] && -n ${(M)seconds:#$words[3]:*} ]]; then name="$name $words[3]"; fi
              case $name in
            \(options.joined(separator: "\n"))
              esac
              if [[ $words[CURRENT] == -* ]]; then
                _describe -o option options
              else
                if (( CURRENT == 3 && $#seconds )); then _describe command seconds; fi
                _files
              fi
            }
            if [[ $funcstack[1] == _sheaf ]]; then _sheaf "$@"; else compdef _sheaf sheaf; fi

            """
    }

    // MARK: fish

    private static func fish(_ commands: [Command]) -> String {
        let told = { (text: String) in
            "'" + text.replacing("\\", with: "\\\\").replacing("'", with: "\\'") + "'"
        }
        var lines = [
            "function __sheaf_at",
            "    set -l words (commandline -opc)",
            "    test (count $words) -ge (math (count $argv) + 1); and test \"$words[2..(math (count $argv) + 1)]\" = \"$argv\"",
            "end",
        ]
        for family in families(commands) {
            lines.append(
                "complete -c sheaf -n 'test (count (commandline -opc)) -eq 1' -f -a \(family.word) -d \(told(family.summary))"
            )
            let alone = family.seconds.map(\.word).joined(separator: " ")
            for (word, command) in family.seconds {
                lines.append(
                    "complete -c sheaf -n '__sheaf_at \(family.word); and test (count (commandline -opc)) -eq 2' "
                        + "-a \(word) -d \(told(command.summary))")
                lines += options(of: command, when: "__sheaf_at \(family.word) \(word)", told)
            }
            guard let command = family.alone else { continue }
            let others = alone.isEmpty ? "" : "; and not __fish_seen_subcommand_from \(alone)"
            lines += options(of: command, when: "__sheaf_at \(family.word)\(others)", told)
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func options(of command: Command, when: String, _ told: (String) -> String) -> [String] {
        command.options.map { option in
            "complete -c sheaf -n \(told(when)) -l \(option.name)" + (option.short.map { " -s \($0)" } ?? "")
                + (option.value == nil ? "" : " -r") + " -d \(told(option.help))"
        }
    }
}

extension Commands {
    static let completions = Command(
        name: "completions", summary: "print the script by which a shell completes commands and options",
        discussion: """
              sheaf completions bash > ~/.local/share/bash-completion/completions/sheaf
              sheaf completions zsh > ~/.zfunc/_sheaf                              (a folder of $fpath)
              sheaf completions fish > ~/.config/fish/completions/sheaf.fish
            """,
        operands: [.init(name: "SHELL", help: "bash, zsh or fish; bash by default", isOptional: true)],
        run: { arguments in
            let shell = arguments.operand(0) ?? "bash"
            guard Completions.shells.contains(shell) else {
                throw UsageError(
                    "there are no completions for \(shell)",
                    help: "give one of \(Completions.shells.joined(separator: ", "))")
            }
            Terminal.print(Completions.script(for: shell, groups))
            return .passed
        })
}
