/// How a script becomes a command line, by GitHub's rules.
struct Shell: Equatable {
    /// Words of the command; `{0}` stands for the script's path.
    var command: [String]
    /// What the script's file ends with.
    var suffix: String
    /// What stands before the author's text.
    var preamble: String = ""

    /// Used when a step names no shell. Without bash on `PATH`, sh takes its place.
    static func standard(hasBash: Bool) -> Shell {
        Shell(command: hasBash ? ["bash", "-e", "{0}"] : ["sh", "-e", "{0}"], suffix: ".sh")
    }

    /// - Parameter text: the value of `shell:`.
    /// - Throws: `AgentError.user` for shells that Sheaf does not run, and templates without `{0}`.
    init(_ text: String) throws(AgentError) {
        switch text {
        case "bash": self.init(command: ["bash", "--noprofile", "--norc", "-eo", "pipefail", "{0}"], suffix: ".sh")
        case "sh": self.init(command: ["sh", "-e", "{0}"], suffix: ".sh")
        case "python": self.init(command: ["python", "{0}"], suffix: ".py")
        case "pwsh", "powershell", "cmd":
            throw .user("shell '\(text)' is not supported: use bash, sh, python, or a command with {0}")
        default:
            let words = Self.words(text)
            guard words.contains(where: { $0.contains("{0}") }) else {
                throw .user(
                    "shell '\(text)' names no {0}, which stands for the script: write for example '\(text) {0}'")
            }
            self.init(command: words, suffix: words[0].lastPathPart.hasPrefix("python") ? ".py" : ".sh")
        }
    }

    /// As GitHub's runner, a .NET program, hands a command line on: words stand between spaces, double quotes keep
    /// spaces in one, `\"` is a quote.
    private static func words(_ text: String) -> [String] {
        var words: [String] = []
        var word: String?
        var isQuoted = false
        var backslashes = 0
        func flush(_ count: Int) { if count > 0 { word = (word ?? "") + String(repeating: "\\", count: count) } }
        for character in text {
            if character == "\\" {
                backslashes += 1
                continue
            }
            if character == "\"" {
                flush(backslashes / 2)
                if backslashes % 2 == 1 {
                    word = (word ?? "") + "\""
                } else {
                    (isQuoted, word) = (!isQuoted, word ?? "")
                }
            } else {
                flush(backslashes)
                if character == " " || character == "\t", !isQuoted {
                    if let whole = word { words.append(whole) }
                    word = nil
                } else {
                    word = (word ?? "") + String(character)
                }
            }
            backslashes = 0
        }
        flush(backslashes)
        return words + (word.map { [$0] } ?? [])
    }

    private init(command: [String], suffix: String, preamble: String = "") {
        self.command = command
        self.suffix = suffix
        self.preamble = preamble
    }

    /// The shell `python`, where a job has not chosen a Python: Debian has only `python3`.
    ///
    /// - Parameter isThere: whether a program is on the step's `PATH`.
    /// - Throws: `AgentError.user` where there is neither.
    func withPython(_ isThere: (String) -> Bool) throws(AgentError) -> Shell {
        guard !isThere("python") else { return self }
        guard isThere("python3") else {
            throw .user(
                "shell 'python': neither python nor python3 is on PATH; use actions/setup-python before, or name one: "
                    + "shell: /opt/python/bin/python3 {0}")
        }
        return Shell(command: ["python3", "{0}"], suffix: suffix, preamble: preamble)
    }

    /// The program and its arguments for a script.
    func arguments(script: String) -> [String] { command.map { $0.replacing("{0}", with: script) } }
}
