import Artifacts
import Model
import Storage

/// The code tree of a submission, as far as the plan needs it: the manifests of `inputs` are files of it.
struct SubmittedTree: Sendable {
    private let manifest: Manifest
    private let store: ObjectStore

    /// Blocks on the disk.
    ///
    /// - Throws: `ArtifactError` when the tree is not whole.
    init(_ digest: Digest, in store: ObjectStore) throws(ArtifactError) {
        manifest = try Manifest(decoding: try store.read(digest).bytes)
        self.store = store
        if let lost = store.missing(of: manifest.chunks.map(\.digest)).first { throw .absent(lost) }
    }

    var chunks: [Digest] { manifest.chunks.map(\.digest) }

    /// The digest of a file's bytes; `nil` when the tree has no such file, or it cannot be read. Blocks on the disk.
    func digest(ofFile path: String) -> Digest? {
        let wanted = path.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
        var start = 0
        for file in manifest.files {
            if "\(file.path)" == wanted {
                guard case .bytes = file.content else { return nil }
                return digest(from: start, count: file.sizeBytes)
            }
            start += file.sizeBytes
        }
        return nil
    }

    /// The digest of a range of the contents, which lie joined in the chunks.
    private func digest(from start: Int, count: Int) -> Digest? {
        var hash = SHA256()
        var position = 0
        for chunk in manifest.chunks where count > 0 {
            let end = position + chunk.sizeBytes
            defer { position = end }
            guard end > start, position < start + count else { continue }
            // A chunk that cannot be read makes the file one that is not there; the error names the file.
            guard let object = try? store.read(chunk.digest) else { return nil }
            let lower = max(start, position) - position
            let upper = min(start + count, end) - position
            hash.update(object.bytes[lower..<upper].span)
        }
        return hash.finish()
    }
}
