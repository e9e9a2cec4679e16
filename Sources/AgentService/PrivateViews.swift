import Glibc
import Model

/// Plans each attempt's own view of the file system: temporary folders of its own, nothing of the agent's and of other
/// attempts, and the Pythons that lie below a closed folder (root's pyenv) without the folder.
struct PrivateViews: Equatable, Sendable {
    /// Attempts' folders: each attempt sees its own alone.
    var attempts: String
    /// The agent's, covered with an empty folder.
    var hidden: [String] = []
    /// What attempts go on to see where it stood, whatever is covered above it.
    var shown: [String] = []
    /// Who looks: what this user cannot pass anyway is opened on the way to what is shown.
    var account: Account

    /// Shows the installation that an interpreter belongs to.
    mutating func show(interpreter path: String) {
        for folder in Self.installations(of: path) where !shown.contains(folder) { shown.append(folder) }
    }

    /// The folders without which an interpreter does not run, given that something above them is closed to the user.
    func closedInstallations(of path: String) -> [String] {
        Self.installations(of: path).filter { Self.closedFolder(above: $0, to: account) != nil }
    }

    private static func installations(of path: String) -> [String] {
        let real = Files.resolved(path) ?? path
        return Set([path, real].map { $0.parentPath.parentPath }).sorted()
    }

    /// The topmost folder above a path that a user cannot pass; `nil` when it can pass all of them.
    ///
    /// - Parameter account: `nil` for somebody whom no folder knows.
    static func closedFolder(above path: String, to account: Account?) -> String? {
        var folder = ""
        for part in path.split(separator: "/").dropLast() {
            folder += "/" + part
            guard let facts = Files.facts(folder) else { return nil }
            let right: mode_t =
                if let account, facts.user == account.user {
                    0o100
                } else if let account, ([account.group] + account.groups).contains(facts.group) { 0o010 } else { 0o001 }
            if facts.mode & right == 0 { return folder }
        }
        return nil
    }

    /// What stands where attempts are shown something of the machine's: a chamber goes on to show what stood there when it was
    /// founded, whatever has taken its place since.
    struct Sights: Equatable, Sendable {
        private struct Place: Equatable { var device, inode: UInt64 }
        private var places: [Place?]

        fileprivate init(_ paths: [String]) {
            places = paths.map { path in
                Files.facts(path).map { Place(device: $0.device, inode: $0.inode) }
            }
        }
    }

    /// As of now.
    var sights: Sights { Sights(shown) }

    /// What to mount, in order.
    ///
    /// - Parameter folder: the attempt's; without one, its temporary folders are in memory.
    func mounts(for folder: AttemptFolder?) -> [Chamber.Mount] {
        var covers: [String: Chamber.Mount] = [:]
        // What has gone since the agent started (an interpreter that was removed) is not shown, and stops nothing else.
        let kept = (shown + (folder.map { [$0.path] } ?? [])).filter(Files.exists)
        for path in kept {
            guard let closed = Self.closedFolder(above: path, to: account) else { continue }
            covers[closed] = .temporary(target: closed, options: "mode=0755,size=1m")
        }
        for path in [attempts] + hidden {
            covers[path] = .temporary(target: path, options: "mode=0711,size=1m")
        }
        for (path, own) in [("/tmp", folder?.viewTemporary), ("/var/tmp", folder?.viewVariableTemporary)] {
            covers[path] =
                if let own { .bind(source: own, target: path) } else {
                    .temporary(target: path, options: "mode=1777,size=64m")
                }
        }
        covers["/dev/shm"] = .temporary(target: "/dev/shm", options: Chamber.openToAll)
        // What stands for itself is not covered, and what lies below a covered folder is covered by that.
        let targets = covers.keys.filter { Files.isFolder($0) && !kept.contains($0) }.sorted()
        let topmost = targets.filter { path in !targets.contains { $0 != path && path.isInside($0) } }
        var mounts = topmost.compactMap { covers[$0] }
        var bound: [String] = []
        for path in Set(kept).sorted() {
            guard let cover = topmost.first(where: { path.isInside($0) }), !bound.contains(where: { path.isInside($0) })
            else { continue }
            var made = cover
            for part in path.dropFirst(cover.count).split(separator: "/") {
                made += "/" + part
                mounts.append(.folder(target: made))
            }
            mounts.append(.bind(source: nil, target: path))
            bound.append(path)
        }
        return mounts
    }
}
