/// What a step says to its agent in its output: `::name key=value,…::text`.
struct WorkflowCommand: Equatable {
    var name: String
    var properties: [String: String]
    var text: String

    /// Reads a line; `nil` when it is no command. Commands may stand behind white space, as at GitHub.
    init?(_ line: some StringProtocol) {
        let line = line.drop { $0 == " " || $0 == "\t" }
        guard line.hasPrefix("::") else { return nil }
        let body = line.dropFirst(2)
        guard let end = body.firstRange(of: "::") else { return nil }
        let head = body[..<end.lowerBound]
        let words = head.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = words.first, !first.isEmpty,
            first.unicodeScalars.allSatisfy({
                $0.isASCII && ($0.properties.isAlphabetic || $0 == "-" || $0 == "_") || ("0"..."9").contains($0)
            })
        else { return nil }
        name = String(first).lowercased()
        properties = [:]
        if words.count == 2 {
            for pair in words[1].split(separator: ",") {
                guard let equals = pair.firstIndex(of: "=") else { continue }
                let key = String(pair[..<equals]).trimmed
                let value = String(pair[pair.index(after: equals)...])
                if !key.isEmpty { properties[key] = Self.unescape(value, inProperty: true) }
            }
        }
        text = Self.unescape(String(body[end.upperBound...]), inProperty: false)
    }

    /// GitHub's escapes, undone in one pass, so that `%250A` is the text `%0A`.
    private static func unescape(_ text: String, inProperty: Bool) -> String {
        guard text.contains("%") else { return text }
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count {
                let code = String(decoding: bytes[(index + 1)...(index + 2)], as: UTF8.self).uppercased()
                let meant: UInt8? =
                    switch code {
                    case "25": UInt8(ascii: "%")
                    case "0D": 0x0D
                    case "0A": 0x0A
                    case "3A" where inProperty: UInt8(ascii: ":")
                    case "2C" where inProperty: UInt8(ascii: ",")
                    default: nil
                    }
                if let meant {
                    result.append(meant)
                    index += 3
                    continue
                }
            }
            result.append(bytes[index])
            index += 1
        }
        return String(decoding: result, as: UTF8.self)
    }
}
