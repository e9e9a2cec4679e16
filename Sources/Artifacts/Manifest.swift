import Model

/// What an artifact or a code tree is: files in path order, their contents joined and cut into chunks. The digest of its
/// encoding names the tree.
///
/// Every manifest obeys the rules of `init`: where one exists, nobody has to ask again whether a path leads out.
package struct Manifest: Equatable, Sendable {
    package enum Content: Equatable, Sendable {
        case bytes(count: Int, executable: Bool)
        /// A symbolic link: relative, and inside the tree.
        case link(to: String)
    }

    package struct File: Equatable, Sendable {
        package var path: TreePath
        package var content: Content

        package init(path: TreePath, content: Content) {
            self.path = path
            self.content = content
        }

        package var sizeBytes: Int {
            if case .bytes(let count, _) = content { count } else { 0 }
        }
    }

    package let files: [File]
    package let chunks: [ObjectRef]
    /// Bytes of all files together.
    package let contentBytes: Int

    /// - Throws: `ArtifactError.badManifest` when a rule is broken: paths in strictly rising byte order, nothing below
    ///   what is no folder, links that stay inside, chunks of 1 byte to 4 MiB that together are the files' bytes.
    package init(files: [File], chunks: [ObjectRef]) throws(ArtifactError) {
        guard files.count <= Limits.treeFilesMax else {
            throw .badManifest(problem: "it has more than \(Limits.treeFilesMax) files")
        }
        var total = 0
        for (index, file) in files.enumerated() {
            if index > 0, files[index - 1].path >= file.path {
                throw .badManifest(problem: "\(file.path) is there twice or out of order")
            }
            switch file.content {
            case .bytes(let count, _):
                guard count >= 0, count <= TreeLimits.contentBytesMax - total else {
                    throw .badManifest(problem: "its files have more than \(TreeLimits.contentBytesMax) bytes")
                }
                total += count
            case .link(let target):
                guard file.path.allowsLink(to: Array(target.utf8)) else {
                    throw .badManifest(problem: "the link \(file.path) may lead out of the tree")
                }
            }
        }
        if let path = Self.fileUsedAsFolder(files) {
            throw .badManifest(problem: "\(path) lies below something that is no folder")
        }
        var chunked = 0
        for chunk in chunks {
            guard chunk.sizeBytes > 0, chunk.sizeBytes <= Cutter.bytesMax else {
                throw .badManifest(problem: "a chunk has \(chunk.sizeBytes) bytes")
            }
            chunked += chunk.sizeBytes
            guard chunked <= total else { break }
        }
        guard chunked == total else {
            throw .badManifest(problem: "its chunks are not as long as its files (\(total) bytes)")
        }
        self.files = files
        self.chunks = chunks
        contentBytes = total
    }

    /// The first path that has a file as its parent, or `nil`.
    private static func fileUsedAsFolder(_ files: [File]) -> TreePath? {
        let all = Set(files.map { $0.path.bytes[...] })
        var verified: ArraySlice<UInt8> = []
        for file in files {
            var parent = file.path.parent
            // Neighbours in byte order mostly share a folder.
            guard parent != verified else { continue }
            verified = parent
            while !parent.isEmpty {
                if all.contains(parent) { return file.path }
                parent = parent.prefix(parent.lastIndex(of: UInt8(ascii: "/")) ?? 0)
            }
        }
        return nil
    }
}
