/// A `run` script as far as advice needs it: commands with their places. No shell is understood in full here.
struct ShellScript {
    struct Line {
        /// Without comments; lines that `\` continues are one.
        var text: String
        /// UTF-16 units from the script's beginning.
        var offset: Int
        /// Split at white space, quotation marks removed.
        var words: [String]
        var command: String { words.first { !$0.contains("=") && $0 != "sudo" && $0 != "if" && $0 != "then" } ?? "" }
    }

    let lines: [Line]

    init(_ script: String) {
        var lines: [Line] = []
        var offset = 0
        var open: (text: String, offset: Int)?
        for part in script.split(separator: "\n", omittingEmptySubsequences: false) {
            defer { offset += part.utf16.count + 1 }
            var text = Self.withoutComment(part)
            let continues = text.last == "\\"
            if continues { text.removeLast() }
            if let begun = open {
                open = (begun.text + " " + text, begun.offset)
            } else {
                open = (text, offset + part.prefix { $0 == " " || $0 == "\t" }.utf16.count)
            }
            guard !continues, let whole = open else { continue }
            open = nil
            let words = Self.words(whole.text)
            if !words.isEmpty { lines.append(Line(text: whole.text, offset: whole.offset, words: words)) }
        }
        if let rest = open { lines.append(Line(text: rest.text, offset: rest.offset, words: Self.words(rest.text))) }
        self.lines = lines
    }

    private static func withoutComment(_ line: Substring) -> String {
        var quote: Character?
        var previous: Character = " "
        var kept = ""
        for character in line {
            if character == "#", quote == nil, previous == " " || previous == "\t" { break }
            if character == quote { quote = nil } else if quote == nil, "'\"".contains(character) { quote = character }
            kept.append(character)
            previous = character
        }
        while kept.last == " " || kept.last == "\t" || kept.last == "\r" { kept.removeLast() }
        return kept
    }

    private static func words(_ text: String) -> [String] {
        text.split { $0 == " " || $0 == "\t" }.map { word in
            String(word.filter { $0 != "'" && $0 != "\"" })
        }.filter { !$0.isEmpty }
    }

    /// Names that the script writes to `$GITHUB_ENV`; `isOpen` when it writes what cannot be read off.
    var variablesWritten: (names: [String], isOpen: Bool) {
        var names: [String] = []
        var isOpen = false
        for line in lines where line.text.contains("GITHUB_ENV") {
            guard ["echo", "printf"].contains(line.command),
                let word = line.words.dropFirst().first(where: { $0.contains("=") || $0.contains("<<") })
            else {
                isOpen = true
                continue
            }
            let name = word.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
            if name.isEmpty { isOpen = true } else { names.append(String(name)) }
        }
        return (names, isOpen)
    }

    /// Whether a command may bring or make files that advice cannot see: anything but installing and talking.
    static func mayFetch(_ line: Line) -> Bool {
        switch line.command {
        case "echo", "printf", "cd", "export", "set", "ls", "cat", "pwd", "env", "tar", "zip", "true", "exit", "fi",
            "else",
            "pip", "pip3", "apt", "apt-get", "black", "flake8", "ruff", "mypy", "git", "mkdir", "chmod":
            line.text.contains("git lfs") || line.text.contains("&&") && !line.text.contains("pip")
        case "python", "python3": !line.text.contains("-m pip") && !line.text.contains("-m venv")
        default: true
        }
    }
}
