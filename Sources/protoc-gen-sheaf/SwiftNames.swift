/// How names of a `.proto` file read in Swift.
enum SwiftNames {
    private static let keywords: Set<String> = [
        "as", "break", "case", "catch", "class", "continue", "default", "defer", "do", "else", "enum", "extension",
        "false", "for", "func", "guard", "if", "import", "in", "init", "internal", "is", "let", "nil", "operator",
        "package", "private", "protocol", "public", "repeat", "return", "self", "static", "struct", "switch", "throw",
        "throws", "true", "try", "typealias", "var", "where", "while",
    ]

    /// `gpu_uuids` → `gpuUuids`; keywords in back-ticks.
    static func member(_ name: String) -> String {
        let parts = name.split(separator: "_")
        let joined = parts.enumerated().map { $0.offset == 0 ? String($0.element) : capitalized(String($0.element)) }
            .joined()
        return keywords.contains(joined) ? "`\(joined)`" : joined
    }

    /// `go_away` → `GoAway`.
    static func type(_ name: String) -> String { name.split(separator: "_").map { capitalized(String($0)) }.joined() }

    /// `URGENCY_CONTROL` of `Urgency` → `control`.
    static func value(_ name: String, of type: String) -> String {
        let prefix = snake(type) + "_"
        let bare = name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : name
        return member(bare.lowercased())
    }

    /// `.sheaf.v1.Assignment` → `Proto.Assignment`.
    static func qualified(_ name: String, package: String) -> String {
        let prefix = ".\(package)."
        return "Proto." + (name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : String(name.dropFirst()))
    }

    private static func snake(_ name: String) -> String {
        var text = ""
        for character in name {
            if character.isUppercase, !text.isEmpty { text += "_" }
            text += character.uppercased()
        }
        return text
    }

    private static func capitalized(_ word: String) -> String { word.prefix(1).uppercased() + word.dropFirst() }
}
