/// Braces of a pattern, as minimatch reads them: `{a,b}-{x,y}` is `a-x`, `a-y`, `b-x`, `b-y`.
enum Braces {
    static let textsMax = 1000

    /// - Throws: `AgentError.user` for more than `textsMax` texts, and for what minimatch knows and is not done here: `!(a)`,
    ///   `@(a|b)` and the like.
    static func expanded(_ pattern: String) throws(AgentError) -> [String] {
        for mark in ["!(", "?(", "+(", "*(", "@("] where pattern.contains(mark) {
            throw .user(
                "the pattern '\(pattern.prefix(200))': '\(mark)…)' is not supported; name what is wanted, as {a,b}")
        }
        var texts: [String] = []
        var rest = [pattern]
        while let next = rest.popLast() {
            guard let (before, choices, after) = first(in: next) else {
                texts.append(next)
                continue
            }
            rest += choices.reversed().map { before + $0 + after }
            guard texts.count + rest.count <= textsMax else {
                throw .user("the pattern '\(pattern.prefix(200))' stands for more than \(textsMax) names")
            }
        }
        return texts
    }

    /// The first braces that have a comma of their own, with the texts between them.
    private static func first(in text: String) -> (before: String, choices: [String], after: String)? {
        let characters = Array(text)
        for start in characters.indices where characters[start] == "{" {
            var depth = 0
            var choices = [""]
            for index in characters[start...].indices {
                let character = characters[index]
                if character == "{" { depth += 1 }
                if character == "}" { depth -= 1 }
                if depth == 0 {
                    guard choices.count > 1 else { break }
                    return (String(characters[..<start]), choices, String(characters[(index + 1)...]))
                }
                if character == ",", depth == 1 {
                    choices.append("")
                } else if index > start {
                    choices[choices.count - 1].append(character)
                }
            }
        }
        return nil
    }
}
