import Artifacts
import Locks
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
        var hash = SHA256()
        guard let range = place(of: path), read(range, { hash.update($0.span) }) else { return nil }
        return hash.finish()
    }

    /// A file's bytes; `nil` when the tree has no such file, it has more bytes than `most`, or cannot be read. Blocks on
    /// the disk.
    func bytes(ofFile path: String, most: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        guard let range = place(of: path), range.count <= most, read(range, { bytes += $0 }) else { return nil }
        return bytes
    }

    /// Where a file's bytes stand among those of all files.
    private func place(of path: String) -> Range<Int>? {
        let wanted = path.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
        var start = 0
        for file in manifest.files {
            if "\(file.path)" == wanted {
                guard case .bytes = file.content else { return nil }
                return start..<start + file.sizeBytes
            }
            start += file.sizeBytes
        }
        return nil
    }

    /// Goes over a range of the contents, which lie joined in the chunks.
    ///
    /// - Returns: whether all of it could be read. A chunk that cannot makes the file one that is not there; the error
    ///   names the file.
    private func read(_ range: Range<Int>, _ body: (ArraySlice<UInt8>) -> Void) -> Bool {
        var position = 0
        for chunk in manifest.chunks where !range.isEmpty {
            let end = position + chunk.sizeBytes
            defer { position = end }
            guard end > range.lowerBound, position < range.upperBound else { continue }
            guard let object = try? store.read(chunk.digest) else { return false }
            let lower = max(range.lowerBound, position) - position
            let upper = min(range.upperBound, end) - position
            body(object.bytes[lower..<upper])
        }
        return true
    }
}

/// The code tree of a stored run, read only where something asks for it: most workflows name none of its files.
final class KeptTree: Sendable {
    private let digest: Digest?
    private let store: ObjectStore
    private let state = Mutex<Result<SubmittedTree?, ArtifactError>?>(nil)

    init(_ digest: Digest?, in store: ObjectStore) {
        self.digest = digest
        self.store = store
    }

    /// Blocks on the disk the first time.
    var tree: SubmittedTree? { try? opened.get() }

    /// Why the tree that was asked for cannot be read.
    var problem: ArtifactError? {
        guard case .failure(let error)? = state.withLock({ $0 }) else { return nil }
        return error
    }

    private var opened: Result<SubmittedTree?, ArtifactError> {
        state.withLock { state in
            if let state { return state }
            let opened: Result<SubmittedTree?, ArtifactError>
            do throws(ArtifactError) {
                opened = .success(
                    try digest.map { digest throws(ArtifactError) in try SubmittedTree(digest, in: store) })
            } catch {
                opened = .failure(error)
            }
            state = opened
            return opened
        }
    }
}
