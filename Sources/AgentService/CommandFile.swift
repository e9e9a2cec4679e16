import Model

/// The files through which a step speaks to later ones: `GITHUB_ENV`, `GITHUB_OUTPUT`, `GITHUB_STATE`, `GITHUB_PATH`.
enum CommandFile {
    struct Entry: Equatable {
        var name: String
        var value: String
    }

    /// A mistake in such a file.
    struct Mistake: Error, Equatable {
        var line: Int
        var problem: String
    }

    /// Reads `NAME=value` and `NAME<<END`, lines, `END`. Later entries of a name win, in their own place.
    ///
    /// - Throws: `Mistake`, in GitHub's cases: a line that is neither, an empty name, an end mark that never comes.
    static func entries(_ bytes: [UInt8]) throws(Mistake) -> [Entry] {
        let lines = lines(bytes)
        var entries: [Entry] = []
        var index = 0
        while index < lines.count {
            let line = lines[index]
            let number = index + 1
            index += 1
            if line.isEmpty { continue }
            let equals = line.firstIndex(of: "=")
            let heredoc = line.firstRange(of: "<<")
            if let equals, heredoc.map({ equals < $0.lowerBound }) ?? true {
                let name = String(line[..<equals])
                guard !name.isEmpty else { throw Mistake(line: number, problem: "the name before = is empty") }
                entries.append(Entry(name: name, value: String(line[line.index(after: equals)...])))
            } else if let heredoc {
                let name = String(line[..<heredoc.lowerBound])
                let mark = String(line[heredoc.upperBound...])
                guard !name.isEmpty, !mark.isEmpty else {
                    throw Mistake(line: number, problem: "NAME<<MARK needs a name and a mark")
                }
                var value: [String] = []
                while true {
                    guard index < lines.count else {
                        throw Mistake(
                            line: number,
                            problem: "the mark '\(mark.prefix(40))' that ends the value of '\(name)' never comes")
                    }
                    let text = lines[index]
                    index += 1
                    if text == mark { break }
                    value.append(text)
                }
                entries.append(Entry(name: name, value: value.joined(separator: "\n")))
            } else {
                throw Mistake(line: number, problem: "'\(line.prefix(60))' is neither NAME=value nor NAME<<MARK")
            }
        }
        return entries
    }

    /// The lines of `GITHUB_PATH`, empty ones left out.
    static func paths(_ bytes: [UInt8]) -> [String] { lines(bytes).map(\.trimmed).filter { !$0.isEmpty } }

    /// Lines end with `\n` or `\r\n`; bytes that are no UTF-8 become U+FFFD; a byte order mark is dropped.
    private static func lines(_ bytes: [UInt8]) -> [String] {
        var bytes = bytes[...]
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes = bytes.dropFirst(3) }
        if bytes.last == UInt8(ascii: "\n") { bytes = bytes.dropLast() }
        guard !bytes.isEmpty else { return [] }
        return bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { line in
            String(decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line, as: UTF8.self)
        }
    }

    /// GitHub takes an assignment to these and gives every step its own values all the same.
    static func isRunners(_ name: String) -> Bool {
        let upper = name.uppercased()
        return upper.hasPrefix("GITHUB_") || upper.hasPrefix("RUNNER_")
    }

    /// Whether a step may set this variable for later ones. GitHub's rules, and ours for our own names.
    ///
    /// - Returns: why not, or `nil`.
    static func refusal(ofVariable name: String) -> String? {
        if name.isEmpty || name.contains("=") || name.contains("\0") { return "'\(name)' is no name of a variable" }
        let upper = name.uppercased()
        if upper == "NODE_OPTIONS" { return "NODE_OPTIONS cannot be set through GITHUB_ENV" }
        if upper.hasPrefix("SHEAF_") { return "\(name) belongs to Sheaf: names that start with SHEAF_ cannot be set" }
        return nil
    }
}
