/// Text for GitHub-flavoured Markdown.
enum MarkdownText {
    /// The text so that Markdown and GitHub show it as it is: no formatting, no HTML, no mention, no link, one line.
    ///
    /// - Parameter most: how many characters (scalars) are kept.
    /// - Parameter beginsLine: whether a list or a heading could begin with it.
    static func escaped(_ text: some StringProtocol, most: Int = .max, beginsLine: Bool = false) -> String {
        let scalars = Array(PlainText.line(text, most: most).unicodeScalars)
        var result = ""
        for (index, scalar) in scalars.enumerated() {
            if let apart = apart(index, of: scalars) {
                result += apart
                continue
            }
            switch scalar {
            case "\\", "`", "*", "_", "[", "]", "~", "|", "!", "{", "}": result += "\\\(scalar)"
            case "#": result += "\\#" + pause
            case "$": result += "<span>$</span>"
            // Where a line may begin they would make lists, and numbers do before `.` and `)`.
            case "-", "+", "=":
                result += beginsLine && index == 0 ? "\\\(scalar)" : "\(scalar)"
            case "." where beginsLine && index > 0 && scalars[..<index].allSatisfy(\.properties.isDigit):
                result += "\\."
            case ")" where beginsLine && index > 0 && scalars[..<index].allSatisfy(\.properties.isDigit):
                result += "\\)"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// The text as code within a line. A `|` is escaped for tables only: elsewhere the backslash would show.
    static func code(_ text: some StringProtocol, inTable: Bool = false, most: Int = .max) -> String {
        var plain = PlainText.line(text, most: most)
        guard !plain.isEmpty else { return "" }
        if inTable { plain = plain.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|") }
        let fence = String(repeating: "`", count: longestRun(of: "`", in: plain) + 1)
        let pad = plain.hasPrefix("`") || plain.hasSuffix("`") || plain.hasPrefix(" ") ? " " : ""
        return fence + pad + plain + pad + fence
    }

    /// Lines as a block of code.
    static func block(_ lines: [String], indent: String = "") -> [String] {
        let plain = lines.map { PlainText.line($0, most: 500) }
        let fence = String(repeating: "`", count: max(3, (plain.map { longestRun(of: "`", in: $0) }.max() ?? 0) + 1))
        return ([fence + "text"] + plain + [fence]).map { indent + $0 }
    }

    /// A space of no width.
    private static let pause = "&#8203;"

    /// What has to be written otherwise wherever GitHub shows it: the letters of HTML, and what it would turn into a
    /// mention or a link (@name, http://, www., GH-12) where its characters stand together; #12 is left to the callers, as `$`
    /// is, which begins mathematics.
    private static func apart(_ index: Int, of scalars: [Unicode.Scalar]) -> String? {
        switch scalars[index] {
        case "&": "&amp;"
        case "<": "&lt;"
        case ">": "&gt;"
        case "@": "@" + pause
        case ":" where scalars.dropFirst(index + 1).starts(with: "//".unicodeScalars): ":" + pause
        case "." where scalars[..<index].suffix(3).elementsEqual("www".unicodeScalars): pause + "."
        // GH-12 is #12.
        case "-"
        where ["gh", "GH", "Gh", "gH"].contains { scalars[..<index].suffix(2).elementsEqual($0.unicodeScalars) }:
            pause + "-"
        default: nil
        }
    }

    private static func longestRun(of letter: Character, in text: String) -> Int {
        var (longest, current) = (0, 0)
        for character in text {
            current = character == letter ? current + 1 : 0
            longest = max(longest, current)
        }
        return longest
    }
}

extension Unicode.Scalar.Properties {
    fileprivate var isDigit: Bool { numericType == .decimal }
}

extension MarkdownText {
    /// Text within an HTML element.
    static func html(_ text: some StringProtocol, most: Int = .max) -> String {
        let scalars = Array(PlainText.line(text, most: most).unicodeScalars)
        var result = ""
        for (index, scalar) in scalars.enumerated() {
            if let apart = apart(index, of: scalars) {
                result += apart
                continue
            }
            switch scalar {
            case "\"", "'": result += "&#\(scalar.value);"
            case "#": result += "#" + pause
            case "$": result += "&#36;"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
