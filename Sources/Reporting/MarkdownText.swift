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
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\\", "`", "*", "_", "[", "]", "~", "|", "!", "{", "}": result += "\\\(scalar)"
            // GitHub turns @name, #12, http:// and www. into links where the characters stand together; `$` begins
            // mathematics. A space of no width between them keeps them text.
            case "@": result += "@&#8203;"
            case "#": result += "\\#&#8203;"
            case "$": result += "<span>$</span>"
            case ":" where scalars.dropFirst(index + 1).starts(with: "//".unicodeScalars): result += ":&#8203;"
            case "." where scalars[..<index].suffix(3).elementsEqual("www".unicodeScalars): result += "&#8203;."
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
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"", "'": result += "&#\(scalar.value);"
            // As above: what GitHub would make links or mathematics of.
            case "@", "#": result += "\(scalar)&#8203;"
            case "$": result += "&#36;"
            case ":" where scalars.dropFirst(index + 1).starts(with: "//".unicodeScalars): result += ":&#8203;"
            case "." where scalars[..<index].suffix(3).elementsEqual("www".unicodeScalars): result += "&#8203;."
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
