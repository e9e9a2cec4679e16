import CLinux
import Glibc

extension Files {
    /// Folders inside folders that are walked by recursion; deeper ones are moved up first.
    private static let depthMax = 100

    /// Removes a folder with everything in it, whatever a step left there: folders without rights, names that are no
    /// text, links, immutable files, nesting beyond any path's length. Links are removed, never followed.
    ///
    /// - Returns: the paths that could not be removed (mount points, someone else's files), at most ten.
    @discardableResult
    static func removeTree(_ path: String) -> [String] {
        var leftovers: [String] = []
        guard let facts = facts(path, followingLinks: false) else { return [] }
        guard facts.kind == .folder else {
            if unsafe unlink(path) != 0 { leftovers.append(path) }
            return leftovers
        }
        let parent = unsafe open(path.parentPath, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard parent >= 0 else { return [path] }
        defer { close(parent) }
        let name = Array(path.lastPathPart.utf8CString)
        remove(name, in: parent, device: facts.device, depth: 0, top: parent, path, &leftovers)
        return leftovers
    }

    /// Removes what is in an open folder, and leaves the folder.
    ///
    /// - Parameter kept: names that stay.
    /// - Returns: the paths that could not be removed, at most ten.
    static func empty(_ folder: CInt, at path: String, keeping kept: [String] = []) -> [String] {
        var leftovers: [String] = []
        var facts = stat()
        guard unsafe fstat(folder, &facts) == 0 else { return [path] }
        for entry in rawNames(in: folder) {
            let text = String(decoding: entry.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
            if kept.contains(text) { continue }
            remove(
                entry, in: folder, device: UInt64(facts.st_dev), depth: 0, top: folder, path + "/" + text, &leftovers)
        }
        return leftovers
    }

    /// - Parameter top: where too deep folders are moved, to be removed from there.
    private static func remove(
        _ name: [CChar], in parent: CInt, device: UInt64, depth: Int, top: CInt, _ path: String,
        _ leftovers: inout [String]
    ) {
        if unsafe unlinkat(parent, name, 0) == 0 || errno == ENOENT { return }
        if unsafe unlinkat(parent, name, AT_REMOVEDIR) == 0 { return }
        if errno == EPERM || errno == EACCES { clearMarks(name, in: parent) }
        let folder = openFolder(name, in: parent)
        guard folder >= 0 else {
            if unsafe unlinkat(parent, name, 0) != 0 { note(path, &leftovers) }
            return
        }
        // A folder's marks and rights guard what is in it.
        _ = clinux_clear_marks(folder)
        _ = fchmod(folder, 0o700)
        var facts = stat()
        // Never into another file system: something is mounted there that is not ours to empty.
        guard unsafe fstat(folder, &facts) == 0, UInt64(facts.st_dev) == device else {
            close(folder)
            return note(path, &leftovers)
        }
        if depth >= depthMax {
            close(folder)
            // As deep as this, descriptors and stack would run out: continue from the top, under a new name.
            let moved = Array(".deep-\(facts.st_ino)".utf8CString)
            if unsafe renameat(parent, name, top, moved) == 0 {
                return remove(moved, in: top, device: device, depth: 0, top: top, path, &leftovers)
            }
            return note(path, &leftovers)
        }
        for entry in rawNames(in: folder) {
            let text = String(decoding: entry.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
            remove(entry, in: folder, device: device, depth: depth + 1, top: top, path + "/" + text, &leftovers)
        }
        close(folder)
        if unsafe unlinkat(parent, name, AT_REMOVEDIR) != 0, errno != ENOENT { note(path, &leftovers) }
    }

    private static func note(_ path: String, _ leftovers: inout [String]) {
        if leftovers.count < 10 { leftovers.append(path) }
    }

    private static func openFolder(_ name: [CChar], in parent: CInt) -> CInt {
        let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW
        let raw = unsafe openat(parent, name, flags)
        guard raw < 0, errno == EACCES else { return raw }
        // A folder of ours without rights. The name cannot be a link: those have no rights to lack.
        guard unsafe fchmodat(parent, name, 0o700, 0) == 0 else { return -1 }
        return unsafe openat(parent, name, flags)
    }

    private static func clearMarks(_ name: [CChar], in parent: CInt) {
        _ = clinux_clear_marks(parent)
        let raw = unsafe openat(parent, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard raw >= 0 else { return }
        _ = clinux_clear_marks(raw)
        close(raw)
    }

    /// Names with the zero byte at their end, `.` and `..` left out.
    static func rawNames(in folder: CInt) -> [[CChar]] {
        let raw = unsafe openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard raw >= 0, let stream = unsafe fdopendir(raw) else {
            if raw >= 0 { close(raw) }
            return []
        }
        defer { unsafe closedir(stream) }
        var names: [[CChar]] = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe Array(bytes.prefix { $0 != 0 }).map(CChar.init(bitPattern:)) + [0]
            }
            if name != [46, 0], name != [46, 46, 0] { names.append(name) }
        }
        return names
    }
}
