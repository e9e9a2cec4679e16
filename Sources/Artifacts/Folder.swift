import Glibc
import Model

/// An open directory. Everything below it is reached through its descriptor, name by name and never through a symbolic
/// link, so nobody can move the ground while we walk.
package final class Folder: Sendable {
    let descriptor: Descriptor
    /// For messages only.
    package let path: String

    init(adopting descriptor: consuming Descriptor, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    /// Opens a directory whose path the caller trusts: here links are followed.
    package convenience init(at path: String) throws(ArtifactError) {
        guard let opened = Descriptor.open(path, at: AT_FDCWD, flags: O_RDONLY | O_DIRECTORY) else {
            if errno == ENOENT { throw .missing(path: path) }
            throw SystemCode.fault("opening the folder \(path)")
        }
        self.init(adopting: opened, path: path)
    }

    /// Opens a directory below this one, whose path nobody needs to trust.
    ///
    /// - Parameter relative: `a/b`, or empty for this directory.
    /// - Parameter creating: makes what is missing.
    /// - Parameter owner: to whom what is made shall belong.
    /// - Throws: `ArtifactError.missing`, `.throughLink`, `.taken`, `.unusablePath`.
    package func subfolder(
        _ relative: String, creating: Bool = false, owner: Owner? = nil
    ) throws(ArtifactError) -> Folder {
        guard !relative.isEmpty else { return self }
        return try subfolder(TreePath(relative), creating: creating, owner: owner)
    }

    func subfolder(_ relative: TreePath, creating: Bool, owner: Owner?) throws(ArtifactError) -> Folder {
        var folder = self
        for name in relative.parts { folder = try folder.child(name, creating: creating, owner: owner).folder }
        return folder
    }

    /// - Returns: the directory of that name, and whether it was made just now.
    func child(
        _ name: ArraySlice<UInt8>, creating: Bool, owner: Owner?
    ) throws(ArtifactError) -> (folder: Folder, made: Bool) {
        let text = String(decoding: name, as: UTF8.self)
        let full = below(text)
        var made = false
        if creating {
            made = unsafe mkdirat(descriptor.raw, text, 0o777) == 0
            guard made || errno == EEXIST else { throw SystemCode.fault("making the folder \(full)") }
        }
        guard let opened = Descriptor.open(text, at: descriptor.raw, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW) else {
            switch errno {
            case ENOENT: throw .missing(path: full)
            case ENOTDIR, ELOOP:
                let kind = facts(of: text)?.kind
                if kind == .link { throw .throughLink(path: full, link: full) }
                throw creating ? .taken(path: full, problem: "it is no folder") : .missing(path: full)
            default: throw SystemCode.fault("opening the folder \(full)")
            }
        }
        if made, let owner {
            guard fchown(opened.raw, owner.user, owner.group) == 0 else {
                throw SystemCode.fault("giving \(full) to its owner")
            }
        }
        return (Folder(adopting: opened, path: full), made)
    }

    /// The path of something here, for messages.
    func below(_ name: String) -> String { path.isEmpty ? name : "\(path)/\(name)" }

    /// What stands under a name, without following a link; `nil` when nothing does or the call fails (see `errno`).
    func facts(of name: String) -> FileFacts? {
        var raw = stat()
        guard unsafe fstatat(descriptor.raw, name, &raw, AT_SYMLINK_NOFOLLOW) == 0 else { return nil }
        return FileFacts(raw)
    }

    /// What this process may still write on the disk that holds this folder.
    package func freeBytes() throws(ArtifactError) -> Int {
        var facts = statvfs()
        guard unsafe fstatvfs(descriptor.raw, &facts) == 0 else { throw SystemCode.fault("asking for \(path)'s disk") }
        return Int(clamping: facts.f_bavail.multipliedReportingOverflow(by: facts.f_frsize).partialValue)
    }

    /// Whether a name is a folder once all links are followed.
    func leadsToFolder(_ name: String) -> Bool {
        var raw = stat()
        guard unsafe fstatat(descriptor.raw, name, &raw, 0) == 0 else { return false }
        return FileFacts(raw).kind == .directory
    }

    /// The bytes of a symbolic link.
    func target(of name: String) throws(ArtifactError) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: Limits.pathBytesMax + 1)
        let count = unsafe buffer.withUnsafeMutableBytes { bytes in
            guard let start = bytes.baseAddress else { return 0 }
            return unsafe readlinkat(
                descriptor.raw, name, start.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        guard count >= 0 else { throw SystemCode.fault("reading the link \(below(name))") }
        return Array(buffer.prefix(count))
    }

    /// The names here, as bytes, in byte order, without `.` and `..`.
    package func names() throws(ArtifactError) -> [[UInt8]] {
        // fdopendir takes its descriptor over, and its position is shared with duplicates: so open the folder anew.
        let raw = unsafe Glibc.openat(descriptor.raw, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard raw >= 0, let stream = unsafe fdopendir(raw) else {
            let fault = SystemCode.fault("listing \(path)")
            if raw >= 0 { close(raw) }
            throw fault
        }
        defer { unsafe closedir(stream) }
        var names: [[UInt8]] = []
        while true {
            errno = 0
            guard let entry = unsafe readdir(stream) else {
                guard errno == 0 else { throw SystemCode.fault("listing \(path)") }
                break
            }
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { unsafe Array($0.prefix { $0 != 0 }) }
            guard name != Array(".".utf8), name != Array("..".utf8) else { continue }
            names.append(name)
            guard names.count <= Limits.treeFilesMax else {
                throw .tooMuch(limit: "entries in the folder \(path)", most: Limits.treeFilesMax)
            }
        }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }
}

/// To whom unpacked files belong, when that is somebody else than this process.
package struct Owner: Hashable, Sendable {
    package var user: UInt32
    package var group: UInt32

    package init(user: UInt32, group: UInt32) {
        self.user = user
        self.group = group
    }
}

/// Opens the folders of paths that come in byte order, each at most once.
struct FolderWalk {
    private let root: Folder
    private let creating: Bool
    private let owner: Owner?
    /// A folder that stands for one of the root's, wherever it lies.
    private let aside: Aside?
    private var open: [(name: ArraySlice<UInt8>, folder: Folder)] = []
    /// The folders that were made, parents before children.
    private(set) var made: [TreePath] = []

    struct Aside: Sendable {
        var name: String
        var folder: Folder
    }

    init(below root: Folder, creating: Bool = false, owner: Owner? = nil, aside: Aside? = nil) {
        self.root = root
        self.aside = aside
        self.creating = creating
        self.owner = owner
    }

    /// - Returns: the folder that holds the path, and the path's last name.
    /// - Throws: `ArtifactError.throughLink` with names below the root, wherever that lies.
    mutating func parent(of path: TreePath) throws(ArtifactError) -> (folder: Folder, name: String) {
        let parts = path.parts
        let folders = parts.dropLast()
        var shared = 0
        while shared < min(open.count, folders.count), open[shared].name == folders[shared] { shared += 1 }
        open.removeLast(open.count - shared)
        for index in shared..<folders.count {
            if index == 0, let aside, folders[index].elementsEqual(aside.name.utf8) {
                open.append((folders[index], aside.folder))
                continue
            }
            let here = TreePath(trusted: Array(folders[...index].joined(separator: [UInt8(ascii: "/")])))
            do throws(ArtifactError) {
                let (folder, isNew) = try (open.last?.folder ?? root).child(
                    folders[index], creating: creating, owner: owner)
                open.append((folders[index], folder))
                if isNew { made.append(here) }
            } catch .throughLink {
                throw .throughLink(path: path.text, link: here.text)
            }
        }
        return (open.last?.folder ?? root, String(decoding: parts[parts.count - 1], as: UTF8.self))
    }
}
