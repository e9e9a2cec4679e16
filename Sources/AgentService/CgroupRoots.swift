import Artifacts
import Locks

/// The folders of one agent in the cgroup trees: held for as long as it lives, and gone with it.
///
/// They lie beside those of other agents of the machine, and an agent that is killed removes nothing. So each holds a lock on its
/// own, which the kernel lets go of however it ends, and whoever starts next removes what nobody holds. Thousands of empty
/// groups slow every machine down.
final class CgroupRoots: Sendable {
    /// No other program's groups begin so.
    static let prefix = "sheaf."

    private let locks = Mutex([String: FolderLock]())

    /// Makes a folder and holds it.
    ///
    /// - Returns: whether it is there and ours.
    func make(_ path: String) -> Bool {
        // One folder may have several controllers.
        if locks.withLock({ $0[path] != nil }) { return true }
        // Between its making and its lock somebody else may have taken it for what a dead agent left.
        for _ in 0..<10 {
            // Who may not list it cannot hold it in our place; attempts pass through it to read their limits.
            guard Cgroups.makeGroup(path, mode: 0o711) else { return false }
            // A folder that went in between is made again.
            guard let lock = try? FolderLock(path, waits: true), Files.isFolder(path) else { continue }
            locks.withLock { $0[path] = lock }
            return true
        }
        return false
    }

    /// Removes the groups beside a folder that no agent holds and nothing lives in.
    static func sweep(beside path: String) {
        let parent = path.parentPath
        for name in Files.names(in: parent) where name.hasPrefix(prefix) && name != path.lastPathPart {
            let group = parent + "/" + name
            // Not to be held: somebody's, or gone already.
            guard let lock = try? FolderLock(group) else { continue }
            if Groups.pids(below: group).isEmpty { Groups.remove(group) }
            withExtendedLifetime(lock) {}
        }
    }

    deinit { remove() }

    /// Removes them, when nothing lives in them any more.
    func remove() {
        for path in locks.withLock({ $0.keys.sorted() }) { Groups.remove(path) }
        locks.withLock { $0 = [:] }
    }
}
