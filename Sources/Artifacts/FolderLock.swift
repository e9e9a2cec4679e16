import Glibc

/// A lock on a folder between processes. The kernel lets go of it however its holder ends.
///
/// Whoever removes what a store names holds `STATE/objects` alone while it does; whoever copies the state shares it. An agent
/// holds the folder in which its attempts live.
package final class FolderLock: Sendable {
    private let descriptor: CInt

    /// - Parameter isShared: beside others that share it.
    /// - Parameter waits: until others let go of it.
    /// - Returns: `nil` when somebody else holds it and this does not wait.
    /// - Throws: `system`.
    package init?(_ path: String, isShared: Bool = false, waits: Bool = false) throws(ArtifactError) {
        descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemCode.fault("opening the folder \(path)") }
        while flock(descriptor, (isShared ? LOCK_SH : LOCK_EX) | (waits ? 0 : LOCK_NB)) != 0 {
            switch errno {
            case EINTR: continue
            case EWOULDBLOCK: return nil
            default: throw SystemCode.fault("locking the folder \(path)")
            }
        }
    }

    /// Also of one that did not come about. Let go of first: a child of this process may have a copy of the descriptor for as
    /// long as it has not begun its program.
    deinit {
        _ = flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}
