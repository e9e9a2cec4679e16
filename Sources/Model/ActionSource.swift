/// A repository at one commit, whose actions steps use: fetched by the farm when a run is submitted, and kept as a tree.
package struct ActionSource: Hashable, Sendable {
    /// `owner/name`.
    package var repository: String
    /// 40 hexadecimal digits in lower case.
    package var commit: String
    /// Its files.
    package var tree: Digest

    package init(repository: String, commit: String, tree: Digest) {
        self.repository = repository
        self.commit = commit
        self.tree = tree
    }
}

/// What `uses` names outside of the repository: `owner/name@version`, `owner/name/folder@version`.
package struct ActionReference: Hashable, Sendable, CustomStringConvertible {
    /// `owner/name`.
    package var repository: String
    /// The action's folder in it; empty for the top.
    package var path: String
    /// A commit, a tag or a branch.
    package var version: String

    private static let namePartBytesMax = 100
    private static let pathBytesMax = 1024

    /// - Returns: `nil` for what names no folder of a repository.
    package init?(_ text: String) {
        let words = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        guard words.count == 2, !words[1].isEmpty, words[0].utf8.count <= Self.pathBytesMax else { return nil }
        let parts = words[0].split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count >= 2, parts.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }),
            Self.isRepository("\(parts[0])/\(parts[1])")
        else { return nil }
        repository = "\(parts[0])/\(parts[1])"
        path = parts.dropFirst(2).joined(separator: "/")
        version = String(words[1])
    }

    /// `owner/name`, of letters, digits, `-`, `_` and `.`: what can stand in an address and be the name of a folder.
    package static func isRepository(_ text: String) -> Bool {
        let parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        return parts.count == 2 && parts.allSatisfy(isNamePart)
    }

    package static func isNamePart(_ part: some Sequence<UInt8>) -> Bool {
        let bytes = Array(part)
        guard !bytes.isEmpty, bytes.count <= namePartBytesMax, bytes != Array(".".utf8), bytes != Array("..".utf8),
            bytes[0] != UInt8(ascii: "-")
        else { return false }
        return bytes.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                true
            default: false
            }
        }
    }

    /// The commit that the version is; `nil` for a tag, a branch, or the beginning of a commit, which may be others
    /// tomorrow.
    package var commit: String? { Self.commit(version) }

    /// 40 hexadecimal digits, in lower case; `nil` for anything else.
    package static func commit(_ text: String) -> String? {
        let digits = text.lowercased()
        let isDigit = { (byte: UInt8) in
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
        }
        return digits.utf8.count == 40 && digits.utf8.allSatisfy(isDigit) ? digits : nil
    }

    package var description: String { repository + (path.isEmpty ? "" : "/" + path) + "@" + version }
}
