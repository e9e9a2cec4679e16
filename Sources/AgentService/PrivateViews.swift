import Glibc
import Model

/// Plans each attempt's own view of the file system, where the agent may mount: `/tmp`, `/var/tmp` and `/dev/shm` of its
/// own, so that nothing left there meets the next attempt, and the interpreters that lie below a closed folder (root's
/// pyenv) opened without opening the folder.
struct PrivateViews: Sendable {
    /// Folders to show though one above them is closed; the closed one is covered with an empty folder.
    var exposed: [(closed: String, folder: String)] = []
    /// Paths that attempts must go on to see: nothing is mounted over a folder above one.
    var kept: [String]

    init(kept: [String]) { self.kept = kept }

    /// Shows the installation that an interpreter belongs to, when the user may not reach it otherwise.
    mutating func expose(interpreter path: String) {
        let real = Files.resolved(path) ?? path
        for folder in Set([path, real].map { $0.parentPath.parentPath }) {
            guard let closed = Self.closedFolder(above: folder), !exposed.contains(where: { $0.folder == folder })
            else {
                continue
            }
            exposed.append((closed, folder))
        }
    }

    /// The topmost folder above a path that strangers cannot pass; `nil` when none is closed. Only folders of root's
    /// that are of no other use to steps: home directories.
    static func closedFolder(above path: String) -> String? {
        var folder = ""
        for part in path.split(separator: "/").dropLast() {
            folder += "/" + part
            guard let facts = Files.facts(folder) else { return nil }
            if facts.mode & 0o001 == 0 { return folder }
        }
        return nil
    }

    /// - Parameter temporary: the attempt's own folder for temporary files.
    func mounts(temporary: String) -> [MountNamespace.Mount] {
        var mounts: [MountNamespace.Mount] = []
        for closed in Set(exposed.map(\.closed)).sorted() where !isNeeded(closed) {
            mounts.append(.temporary(target: closed, options: "mode=0755,size=1m"))
            for (_, folder) in exposed.filter({ $0.closed == closed }).sorted(by: { $0.folder < $1.folder }) {
                var made = closed
                for part in folder.dropFirst(closed.count).split(separator: "/") {
                    made += "/" + part
                    mounts.append(.folder(target: made))
                }
                mounts.append(.bind(source: folder, target: folder))
            }
        }
        for folder in ["/tmp", "/var/tmp"] where Files.isFolder(folder) && !isNeeded(folder) {
            mounts.append(.bind(source: temporary, target: folder))
        }
        if Files.isFolder("/dev/shm"), !isNeeded("/dev/shm") {
            mounts.append(.temporary(target: "/dev/shm", options: "mode=1777"))
        }
        return mounts
    }

    private func isNeeded(_ folder: String) -> Bool { kept.contains { $0.isInside(folder) } }
}
