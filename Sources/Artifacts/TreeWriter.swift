import Glibc
import Locks
import Model

/// Unpacks a tree: takes its chunks in order and writes its files below a folder. What it has made is removed again
/// unless `finish` is reached: by `abandon`, or when nobody holds the writer any more.
package final class TreeWriter: Sendable {
    /// What to do where a file already stands.
    package enum Existing: Sendable {
        case refuse
        /// Files and links are replaced; a folder in the way is an error.
        case replace
    }

    /// Left free on the disk, for whoever else writes.
    package static let reserveBytes = 64 << 20

    private struct State: ~Copyable {
        var walk: FolderWalk
        /// The next chunk that must come.
        var chunk = 0
        /// The file that the next bytes belong to.
        var file = 0
        var open: OpenFile?
        /// Files before this index were made by us; and links before that one.
        var filesMade = 0
        var linksMade = 0
        var finished = false
    }

    private struct OpenFile: ~Copyable {
        let descriptor: Descriptor
        var left: Int
    }

    private let manifest: Manifest
    private let folder: Folder
    private let existing: Existing
    private let owner: Owner?
    private let state: Mutex<State>

    /// - Parameter owner: to whom the files shall belong; needs a privileged process.
    /// - Throws: `ArtifactError.diskFull` when the tree does not fit.
    package init(
        _ manifest: Manifest, into folder: Folder, existing: Existing = .refuse, owner: Owner? = nil
    ) throws(ArtifactError) {
        self.manifest = manifest
        self.folder = folder
        self.existing = existing
        self.owner = owner
        state = Mutex(State(walk: FolderWalk(below: folder, creating: true, owner: owner)))
        let free = try folder.freeBytes()
        guard free - Self.reserveBytes >= manifest.contentBytes else {
            throw .diskFull(doing: "unpacking \(ByteCount(Int64(manifest.contentBytes))) into \(folder.path)")
        }
    }

    deinit { abandon() }

    /// Removes what was made, unless the tree is complete.
    package func abandon() {
        state.withLock { state in
            guard !state.finished else { return }
            state.finished = true
            _ = state.open.take()
            let made = manifest.files.enumerated().filter { index, file in
                switch file.content {
                case .bytes: index < state.filesMade
                case .link: index < state.linksMade
                }
            }
            Self.remove(made.map(\.element.path), folders: state.walk.made, below: folder)
        }
    }

    /// Writes the next chunk.
    package func write(_ object: VerifiedObject) throws(ArtifactError) {
        try state.withLock { state throws(ArtifactError) in
            precondition(!state.finished, "the tree is complete or abandoned")
            guard state.chunk < manifest.chunks.count, manifest.chunks[state.chunk] == object.object else {
                preconditionFailure("chunks come in the manifest's order")
            }
            state.chunk += 1
            var written = 0
            while written < object.bytes.count {
                guard try prepare(&state), var open = state.open.take() else {
                    preconditionFailure("a manifest's chunks are as long as its files")
                }
                let count = min(open.left, object.bytes.count - written)
                let bytes = object.bytes.span.extracting(written..<written + count)
                try open.descriptor.write(bytes, path(state.file))
                written += count
                open.left -= count
                if open.left > 0 { state.open = consume open } else { state.file += 1 }
            }
        }
    }

    /// Makes what needs no more bytes: empty files, then links. The tree is complete afterwards.
    package func finish() throws(ArtifactError) {
        try state.withLock { state throws(ArtifactError) in
            precondition(state.chunk == manifest.chunks.count, "chunks are missing")
            let more = try prepare(&state)
            precondition(!more, "a file waits for bytes")
            // Links come last, so that no file is ever written through one.
            for (index, file) in manifest.files.enumerated() {
                guard case .link(let target) = file.content else { continue }
                try makeLink(file.path, to: target, &state.walk)
                state.linksMade = index + 1
            }
            state.finished = true
        }
    }

    /// Opens the next file that waits for bytes, and makes the empty ones before it.
    ///
    /// - Returns: false when no file waits.
    private func prepare(_ state: inout State) throws(ArtifactError) -> Bool {
        guard state.open == nil else { return true }
        while state.file < manifest.files.count {
            let file = manifest.files[state.file]
            if case .bytes(let count, let executable) = file.content {
                let descriptor = try make(file.path, executable: executable, &state)
                if count > 0 {
                    state.open = OpenFile(descriptor: descriptor, left: count)
                    return true
                }
            }
            state.file += 1
        }
        return false
    }

    private func make(
        _ path: TreePath, executable: Bool, _ state: inout State
    ) throws(ArtifactError) -> Descriptor {
        let (parent, name) = try state.walk.parent(of: path)
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
        let mode: mode_t = executable ? 0o777 : 0o666
        var made = Descriptor.open(name, at: parent.descriptor.raw, flags: flags, mode: mode)
        if made == nil, errno == EEXIST {
            try makeWay(for: name, in: parent)
            made = Descriptor.open(name, at: parent.descriptor.raw, flags: flags, mode: mode)
        }
        guard let made else { throw SystemCode.fault("making \(parent.below(name))") }
        state.filesMade = state.file + 1
        if let owner, fchown(made.raw, owner.user, owner.group) != 0 {
            throw SystemCode.fault("giving \(parent.below(name)) to its owner")
        }
        return made
    }

    private func makeLink(_ path: TreePath, to target: String, _ walk: inout FolderWalk) throws(ArtifactError) {
        let (parent, name) = try walk.parent(of: path)
        var made = unsafe symlinkat(target, parent.descriptor.raw, name) == 0
        if !made, errno == EEXIST {
            try makeWay(for: name, in: parent)
            made = unsafe symlinkat(target, parent.descriptor.raw, name) == 0
        }
        guard made else { throw SystemCode.fault("making the link \(parent.below(name))") }
        if let owner {
            let given = unsafe fchownat(
                parent.descriptor.raw, name, owner.user, owner.group, AT_SYMLINK_NOFOLLOW)
            guard given == 0 else { throw SystemCode.fault("giving \(parent.below(name)) to its owner") }
        }
    }

    private func makeWay(for name: String, in parent: Folder) throws(ArtifactError) {
        let full = parent.below(name)
        switch existing {
        case .refuse: throw .taken(path: full, problem: "it exists already")
        case .replace:
            if unsafe unlinkat(parent.descriptor.raw, name, 0) == 0 || errno == ENOENT { return }
            if errno == EISDIR || errno == EPERM { throw .taken(path: full, problem: "a folder stands there") }
            throw SystemCode.fault("replacing \(full)")
        }
    }

    private func path(_ file: Int) -> String { folder.below(manifest.files[file].path.text) }

    /// Removes a whole tree that was unpacked where nothing of it stood before, with the folders that it leaves empty.
    package static func remove(_ manifest: Manifest, below folder: Folder) {
        var folders: Set<ArraySlice<UInt8>> = []
        for file in manifest.files {
            var parent = file.path.parent
            while !parent.isEmpty, folders.insert(parent).inserted {
                parent = parent.prefix(parent.lastIndex(of: UInt8(ascii: "/")) ?? 0)
            }
        }
        // A folder's path is a beginning of those below it.
        let outermostFirst = folders.sorted { $0.lexicographicallyPrecedes($1) }
        remove(manifest.files.map(\.path), folders: outermostFirst.map { TreePath(trusted: Array($0)) }, below: folder)
    }

    /// Takes back what was made. What cannot be removed stays: the caller already reports why unpacking failed.
    private static func remove(_ files: [TreePath], folders: [TreePath], below folder: Folder) {
        var walk = FolderWalk(below: folder)
        for path in files {
            guard let (parent, name) = try? walk.parent(of: path) else { continue }
            _ = unsafe unlinkat(parent.descriptor.raw, name, 0)
        }
        for path in folders.reversed() {
            var walk = FolderWalk(below: folder)
            guard let (parent, name) = try? walk.parent(of: path) else { continue }
            _ = unsafe unlinkat(parent.descriptor.raw, name, AT_REMOVEDIR)
        }
    }
}

extension Manifest {
    /// Unpacks the tree on the calling thread.
    ///
    /// - Parameter fetch: gives a chunk's bytes.
    package func unpack(
        into folder: Folder, existing: TreeWriter.Existing = .refuse, owner: Owner? = nil,
        fetch: (ObjectRef) throws(ArtifactError) -> VerifiedObject
    ) throws(ArtifactError) {
        let writer = try TreeWriter(self, into: folder, existing: existing, owner: owner)
        defer { writer.abandon() }
        for chunk in chunks { try writer.write(fetch(chunk)) }
        try writer.finish()
    }
}
