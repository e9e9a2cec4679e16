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

    /// Works on bytes: what matters here is ASCII, and large workflows are mostly scripts.
    init(_ script: String) {
        let bytes = Array(script.utf8)
        var lines: [Line] = []
        var offset = 0
        var open: (text: [UInt8], offset: Int)?
        func add(_ text: [UInt8], at offset: Int) {
            let words = Self.words(text[...])
            if !words.isEmpty {
                lines.append(Line(text: String(decoding: text, as: UTF8.self), offset: offset, words: words))
            }
        }
        for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            defer { offset += Self.units(line) + 1 }
            var text = Self.withoutComment(line)
            let continues = text.last == UInt8(ascii: "\\")
            if continues { text.removeLast() }
            if let begun = open {
                open = (begun.text + [UInt8(ascii: " ")] + text, begun.offset)
            } else if continues {
                open = (Array(text), offset + Self.indentation(line))
            } else {
                add(Array(text), at: offset + Self.indentation(line))
            }
            guard !continues, let whole = open else { continue }
            open = nil
            add(whole.text, at: whole.offset)
        }
        if let rest = open { add(rest.text, at: rest.offset) }
        self.lines = lines
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    private static func indentation(_ line: ArraySlice<UInt8>) -> Int { line.prefix(while: isBlank).count }

    /// How many UTF-16 units a text has.
    private static func units(_ text: ArraySlice<UInt8>) -> Int {
        text.reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : $1 >= 0xF0 ? 2 : 1) }
    }

    private static func withoutComment(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var quote: UInt8?
        var previous = UInt8(ascii: " ")
        var end = line.startIndex
        for byte in line {
            if byte == UInt8(ascii: "#"), quote == nil, isBlank(previous) { break }
            if byte == quote {
                quote = nil
            } else if quote == nil, byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
                quote = byte
            }
            end += 1
            previous = byte
        }
        while end > line.startIndex, isBlank(line[end - 1]) || line[end - 1] == UInt8(ascii: "\r") { end -= 1 }
        return line[..<end]
    }

    private static func words(_ text: ArraySlice<UInt8>) -> [String] {
        text.split(whereSeparator: isBlank).compactMap { word in
            let plain =
                word.contains { $0 == UInt8(ascii: "'") || $0 == UInt8(ascii: "\"") }
                ? word.filter { $0 != UInt8(ascii: "'") && $0 != UInt8(ascii: "\"") }[...] : word
            return plain.isEmpty ? nil : String(decoding: plain, as: UTF8.self)
        }
    }

    /// The outputs that the script gives its step, by its own text; `nil` where something may write others: a program that is
    /// not known, a name that is made up as it runs.
    var outputsWritten: [String]? {
        var names: [String] = []
        for line in lines {
            guard !line.text.contains("set-output"), Self.isQuiet(line) else { return nil }
            guard line.text.contains("GITHUB_OUTPUT") else { continue }
            guard ["echo", "printf"].contains(line.command), line.text.contains(">>"),
                let word = line.words.dropFirst().first(where: { $0.contains("=") || $0.contains("<<") }),
                !line.text.contains(";"), !line.text.contains("&&"), !line.text.contains("||")
            else { return nil }
            let name = word.prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" }
            guard !name.isEmpty, word.dropFirst(name.count).first == "=" else { return nil }
            names.append(String(name))
        }
        return names
    }

    /// Commands of which nobody would think that they write a step's outputs.
    private static let quiet: Set = [
        "echo", "printf", "cd", "set", "test", "[", "[[", "true", "false", "exit", "fi", "else", "ls", "cat", "pwd",
        "mkdir",
        "git", "date", "head", "tail", "cut", "tr", "wc", "basename", "dirname", "nproc", "uname", "jq", "sort", "grep",
    ]

    /// Whether the command, and those that stand in it by `$(…)`, are such.
    private static func isQuiet(_ line: Line) -> Bool {
        guard quiet.contains(line.command), !line.text.contains("`") else { return false }
        let inner = line.text.split(separator: "$(").dropFirst() + line.text.split(separator: "|").dropFirst()
        return inner.allSatisfy { text in
            let word = text.drop { $0 == " " || $0 == "|" }.prefix { !$0.isWhitespace && $0 != ")" }
            return quiet.contains(String(word))
        }
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
