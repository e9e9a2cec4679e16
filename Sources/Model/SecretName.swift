/// What a secret may be called, and the label by which an agent says that it holds one. Values never leave agents.
package enum SecretName {
    /// Of the labels of secrets: an owner gives none that begins so.
    package static let labelStart = "secret:"
    /// Also `github.token`.
    package static let token = "GITHUB_TOKEN"
    private static let bytesMax = 100

    /// Case does not tell names apart.
    package static func label(of name: String) -> String { labelStart + name.lowercased() }

    /// The name in a label, in capitals; `nil` for other labels.
    package static func name(in label: String) -> String? {
        label.hasPrefix(labelStart) ? label.dropFirst(labelStart.count).uppercased() : nil
    }

    /// Letters, digits and `_`, no digit first; GitHub keeps what begins with `GITHUB_` for itself.
    package static func isLegal(_ name: String) -> Bool {
        let isDigit = { (byte: UInt8) in (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
        let isWord = { (byte: UInt8) in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || byte == UInt8(ascii: "_") || isDigit(byte)
        }
        guard let first = name.utf8.first, name.utf8.count <= bytesMax, !isDigit(first), name.utf8.allSatisfy(isWord)
        else { return false }
        let capitals = name.uppercased()
        return capitals == token || !capitals.hasPrefix("GITHUB_")
    }
}
