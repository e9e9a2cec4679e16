import Glibc

/// A lock on a folder between processes. The kernel lets go of it however its holder ends.
///
/// Whoever removes what a store names holds `STATE/objects` alone while it does; whoever copies the state shares it.
final class FolderLock: Sendable {
    private let descriptor: CInt

    /// - Parameter isShared: beside others that share it.
    /// - Parameter waits: until others let go of it.
    /// - Returns: `nil` when somebody else holds it and this does not wait.
    init?(_ path: String, isShared: Bool, waits: Bool) throws(CoordinatorError) {
        descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("open the folder \(path)", errno) }
        while flock(descriptor, (isShared ? LOCK_SH : LOCK_EX) | (waits ? 0 : LOCK_NB)) != 0 {
            switch errno {
            case EINTR: continue
            case EWOULDBLOCK: return nil
            case let code: throw .system("lock the folder \(path)", code)
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
