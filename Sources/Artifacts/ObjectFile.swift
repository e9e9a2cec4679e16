import Glibc
import Locks
import Model

/// A file that is sent as one object: read once for its name, and again, compressed on the way, to be sent.
final class ObjectFile: Sendable {
    private struct State: ~Copyable {
        var press: ZstdPress?
        var scratch = [UInt8](repeating: 0, count: 1 << 20)
        var left: Int
    }

    let object: ObjectRef
    let encoding: ObjectEncoding
    private let path: TreePath
    private let facts: FileFacts
    private let descriptor: Descriptor
    private let state: Mutex<State>

    init(_ path: TreePath, below folder: Folder, bytesMax: Int) throws(ArtifactError) {
        let file = try folder.openRegular(path, bytesMax: bytesMax)
        let facts = try file.facts(path.text)
        var state = State(left: facts.sizeBytes)
        var hash = SHA256()
        var pays = false
        while let count = try Self.read(file, &state, path) {
            if state.left + count == facts.sizeBytes {
                pays = Zstd.compressed(Array(state.scratch[..<min(count, Zstd.probeBytes)])) != nil
            }
            hash.update(state.scratch.span.extracting(first: count))
        }
        object = ObjectRef(digest: hash.finish(), sizeBytes: facts.sizeBytes)
        guard lseek(file.raw, 0, SEEK_SET) == 0 else { throw SystemCode.fault("reading \(path) again") }
        encoding = pays ? .zstd : .identity
        state.press = pays ? ZstdPress(sizeBytes: facts.sizeBytes) : nil
        state.left = facts.sizeBytes
        self.path = path
        self.facts = facts
        descriptor = file
        self.state = Mutex(state)
    }

    /// - Returns: how many bytes were read; `nil` when all were.
    private static func read(
        _ file: borrowing Descriptor, _ state: inout State, _ path: TreePath
    ) throws(ArtifactError) -> Int? {
        guard state.left > 0 else { return nil }
        let count = min(state.left, state.scratch.count)
        guard try file.read(into: &state.scratch, from: 0, count: count, path.text) == count else {
            throw .changed(path: path.text)
        }
        state.left -= count
        return count
    }

    /// The next encoded bytes; `nil` after the last.
    ///
    /// - Throws: `ArtifactError.changed` when the file is not what it was when it got its name.
    func next() throws(ArtifactError) -> [UInt8]? {
        try state.withLock { state throws(ArtifactError) in
            // The frame may keep back what it is given: go on until something comes out.
            while let count = try Self.read(descriptor, &state, path) {
                let bytes = Array(state.scratch[..<count])
                if state.left == 0 {
                    let now = try descriptor.facts(path.text)
                    guard now.describesSameContent(as: facts) else { throw .changed(path: path.text) }
                }
                guard var press = state.press.take() else { return bytes }
                guard let frame = press.advance(bytes.span, last: state.left == 0) else {
                    throw .changed(path: path.text)
                }
                state.press = consume press
                if !frame.isEmpty { return frame }
            }
            return nil
        }
    }
}
