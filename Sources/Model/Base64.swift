/// Bytes as letters, six bits each: RFC 4648.
package enum Base64: Sendable {
    /// Section 4: with `+` and `/`, filled up with `=` to groups of four.
    case standard
    /// Section 5: with `-` and `_`, not filled up.
    case url

    /// The letter of each six bits.
    package var letters: [UInt8] {
        switch self {
        case .standard: Self.standardLetters
        case .url: Self.urlLetters
        }
    }

    private static let standardLetters = alphabet("+/")
    private static let urlLetters = alphabet("-_")

    private static func alphabet(_ last: String) -> [UInt8] {
        Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789\(last)".utf8)
    }

    package func text(of bytes: [UInt8]) -> String {
        let letters = letters
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            text += (0...group.count).map { letters[bits >> (18 - 6 * $0) & 63] }
            if self == .standard { text += Array(repeating: UInt8(ascii: "="), count: 3 - group.count) }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
