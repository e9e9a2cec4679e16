import Model

// `sheaf.v1.Manifest` in its canonical encoding: fields by number, each integer as short as possible, nothing that means
// the same when absent. Read and written here rather than through the generated messages, because only one encoding of a
// tree may be accepted (else one tree had many names), and because a million files should not be built twice.

extension Manifest {
    package func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(files.count * 40 + chunks.count * 44)
        for file in files {
            var entry: [UInt8] = []
            entry.append(field: 1, file.path.bytes)
            switch file.content {
            case .bytes(let count, let executable):
                entry.append(field: 2, UInt64(count))
                entry.append(field: 3, executable ? 1 : 0)
            case .link(let target):
                entry.append(field: 4, Array(target.utf8))
            }
            bytes.append(field: 1, entry)
        }
        for chunk in chunks {
            var reference: [UInt8] = []
            reference.append(field: 1, chunk.digest.bytes)
            reference.append(field: 2, UInt64(chunk.sizeBytes))
            bytes.append(field: 2, reference)
        }
        return bytes
    }

    /// The manifest as an object: its digest names the tree.
    package func object() throws(ArtifactError) -> VerifiedObject {
        let bytes = encoded()
        guard bytes.count <= TreeLimits.manifestBytesMax else {
            throw .tooMuch(limit: "bytes in a manifest", most: TreeLimits.manifestBytesMax)
        }
        return VerifiedObject(naming: bytes)
    }

    /// Reads what a stranger sent.
    ///
    /// - Throws: `ArtifactError.badManifest`.
    package init(decoding bytes: [UInt8]) throws(ArtifactError) {
        guard bytes.count <= TreeLimits.manifestBytesMax else {
            throw .badManifest(problem: "it has more than \(TreeLimits.manifestBytesMax) bytes")
        }
        var reader = CanonicalReader(bytes[...])
        var files: [File] = []
        while let entry = try reader.bytes(field: 1) {
            guard files.count < Limits.treeFilesMax else {
                throw .badManifest(problem: "it has more than \(Limits.treeFilesMax) files")
            }
            files.append(try File(decoding: entry))
        }
        var chunks: [ObjectRef] = []
        while let reference = try reader.bytes(field: 2) {
            var reader = CanonicalReader(reference)
            let digest = try reader.bytes(field: 1).flatMap { Digest($0) }
            let size = try reader.integer(field: 2)
            guard let digest, let size = Int(exactly: size) else {
                throw .badManifest(problem: "a chunk has no SHA-256 digest")
            }
            try reader.end()
            chunks.append(ObjectRef(digest: digest, sizeBytes: size))
        }
        try reader.end()
        try self.init(files: files, chunks: chunks)
    }
}

extension Manifest.File {
    fileprivate init(decoding entry: ArraySlice<UInt8>) throws(ArtifactError) {
        var reader = CanonicalReader(entry)
        let raw = Array(try reader.bytes(field: 1) ?? [])
        let size = try reader.integer(field: 2)
        let executable = try reader.integer(field: 3)
        let target = try reader.bytes(field: 4)
        try reader.end()
        do {
            path = try TreePath(raw)
        } catch {
            throw .badManifest(problem: "\(error)")
        }
        switch (target, Int(exactly: size), executable) {
        case (nil, let size?, 0...1):
            content = .bytes(count: size, executable: executable == 1)
        case (let target?, 0, 0):
            guard let text = String(validating: target, as: UTF8.self) else {
                throw .badManifest(problem: "the link \(path) has a target that is not UTF-8")
            }
            content = .link(to: text)
        case (nil, _, _), (.some, _, _):
            throw .badManifest(problem: "\(path) is neither a file nor a link")
        }
    }
}

/// Reads protobuf that must be canonical; anything else is an error, not another spelling.
private struct CanonicalReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// The next field when it is this one and holds bytes; never empty.
    mutating func bytes(field: UInt8) throws(ArtifactError) -> ArraySlice<UInt8>? {
        guard rest.first == field << 3 | 2 else { return nil }
        rest.removeFirst()
        let count = try varint()
        guard count > 0, count <= UInt64(rest.count) else { throw Self.broken }
        defer { rest = rest.dropFirst(Int(count)) }
        return rest.prefix(Int(count))
    }

    /// The next field when it is this one and holds an integer, or 0 when it is another.
    mutating func integer(field: UInt8) throws(ArtifactError) -> UInt64 {
        guard rest.first == field << 3 else { return 0 }
        rest.removeFirst()
        let value = try varint()
        guard value > 0 else { throw Self.broken }
        return value
    }

    func end() throws(ArtifactError) {
        guard rest.isEmpty else { throw Self.broken }
    }

    private mutating func varint() throws(ArtifactError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard let byte = rest.popFirst() else { throw Self.broken }
            let bits = UInt64(byte & 0x7F)
            guard shift < 63 || bits <= 1 else { throw Self.broken }
            value |= bits << shift
            if byte & 0x80 == 0 {
                guard bits != 0 || shift == 0 else { throw Self.broken }
                return value
            }
        }
        throw Self.broken
    }

    private static let broken = ArtifactError.badManifest(problem: "its encoding is broken or not canonical")
}

extension [UInt8] {
    fileprivate mutating func append(varint value: UInt64) {
        var value = value
        while value >= 0x80 {
            append(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        append(UInt8(value))
    }

    fileprivate mutating func append(field: UInt8, _ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        append(field << 3 | 2)
        append(varint: UInt64(bytes.count))
        append(contentsOf: bytes)
    }

    fileprivate mutating func append(field: UInt8, _ value: UInt64) {
        guard value > 0 else { return }
        append(field << 3)
        append(varint: value)
    }
}
