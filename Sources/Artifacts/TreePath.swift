import Model

/// A file's place in a tree: relative, `/` between its parts, compared byte by byte (Swift's strings hold two spellings
/// of `é` for equal; a file system does not).
package struct TreePath: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let bytes: [UInt8]

    /// - Throws: `ArtifactError.unusablePath` for what no tree can hold.
    package init(_ bytes: [UInt8]) throws(ArtifactError) {
        if let problem = Self.problem(bytes) {
            throw .unusablePath(path: String(decoding: bytes.prefix(200), as: UTF8.self), problem: problem)
        }
        self.bytes = bytes
    }

    package init(_ text: String) throws(ArtifactError) { try self.init(Array(text.utf8)) }

    /// For bytes that were checked part by part.
    init(trusted bytes: [UInt8]) { self.bytes = bytes }

    package var text: String { String(decoding: bytes, as: UTF8.self) }
    package var description: String { text }

    /// The names from the root to the file; the last is the file's own.
    var parts: [ArraySlice<UInt8>] { bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) }

    /// The path of the folder that holds this; empty for the root.
    var parent: ArraySlice<UInt8> { bytes.prefix(bytes.lastIndex(of: UInt8(ascii: "/")) ?? 0) }

    package static func < (a: Self, b: Self) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }

    /// What is wrong with the bytes as a path, or `nil`.
    static func problem(_ bytes: [UInt8]) -> String? {
        guard !bytes.isEmpty else { return "the path is empty" }
        guard bytes.count <= Limits.pathBytesMax else {
            return "the path is longer than \(Limits.pathBytesMax) bytes"
        }
        guard String(validating: bytes, as: UTF8.self) != nil else { return "the path is not UTF-8" }
        guard !bytes.contains(0) else { return "the path contains a zero byte" }
        guard bytes[0] != UInt8(ascii: "/") else { return "the path is absolute" }
        let parts = bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count <= TreeLimits.depthMax else { return "the path has more than \(TreeLimits.depthMax) parts" }
        for part in parts {
            switch Array(part) {
            case []: return "the path has an empty part"
            case Array(".".utf8), Array("..".utf8): return "the path has a part `.` or `..`"
            case let name where name.count > TreeLimits.nameBytesMax:
                return "a part of the path is longer than \(TreeLimits.nameBytesMax) bytes"
            default: continue
            }
        }
        return nil
    }

    /// Whether a symbolic link at this path stays in its tree wherever the tree is unpacked.
    ///
    /// `..` may stand only at the start: then the kernel walks real folders of the tree upwards, and every link that
    /// it meets afterwards obeys the same rule.
    func allowsLink(to target: [UInt8]) -> Bool {
        guard let first = target.first, first != UInt8(ascii: "/"), target.count <= Limits.pathBytesMax,
            !target.contains(0), String(validating: target, as: UTF8.self) != nil
        else { return false }
        var upwards = 0
        var named = false
        for part in target.split(separator: UInt8(ascii: "/")) {
            switch Array(part) {
            case Array(".".utf8): continue
            case Array("..".utf8):
                guard !named else { return false }
                upwards += 1
            default: named = true
            }
        }
        return upwards <= parts.count - 1
    }

    /// Where a link at this path leads, as a path of the tree; empty for the root. Only for allowed links.
    func destination(of target: [UInt8]) -> [UInt8] {
        var parts = Array(parts.dropLast())
        for part in target.split(separator: UInt8(ascii: "/")) where Array(part) != Array(".".utf8) {
            if Array(part) == Array("..".utf8) { _ = parts.popLast() } else { parts.append(part) }
        }
        return Array(parts.joined(separator: [UInt8(ascii: "/")]))
    }
}

/// What one tree may hold at most, beside `Limits.treeFilesMax` and `Limits.pathBytesMax`.
package enum TreeLimits {
    /// Folders inside folders; each open level costs a descriptor.
    package static let depthMax = 200
    package static let nameBytesMax = 255
    /// All files together: a tebibyte.
    package static let contentBytesMax = 1 << 40
    /// A manifest, encoded.
    package static let manifestBytesMax = Limits.messageBytesMax
    /// Objects that are read or sent as one array: chunks, manifests, metrics files, listings.
    package static let wholeObjectBytesMax = Limits.messageBytesMax
    /// Objects that are streamed.
    package static let objectBytesMax = Limits.itemsFileBytesMax
}
