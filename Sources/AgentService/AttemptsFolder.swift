import Glibc
import Model

/// The folder in which attempts live, one agent's alone for as long as it runs.
///
/// What lies there at its start was left by an earlier life that was killed: nobody works in it, and checkouts and checkpoints
/// of others must neither fill the disk nor be there for the next attempt to read.
final class AttemptsFolder: Sendable {
    let path: String
    private let descriptor: CInt

    /// - Throws: `configuration` when another agent works there.
    init(below work: String) throws(AgentError) {
        path = Self.path(below: work)
        try Files.makeFolder(path, mode: 0o711)
        descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { throw .failed("open \(path)") }
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            switch errno {
            case EINTR: continue
            case EWOULDBLOCK:
                throw .configuration("another agent works in \(work)", help: "give each agent a --work of its own")
            case let code: throw .system("lock \(path)", code)
            }
        }
    }

    /// Let go of first: a child of this process may have a copy of the descriptor for as long as it has not begun its program.
    deinit {
        _ = flock(descriptor, LOCK_UN)
        close(descriptor)
    }

    static func path(below work: String) -> String { work + "/attempts" }

    /// Removes what an earlier life has left. Blocks on the disk.
    ///
    /// - Returns: how many folders there were, and at most ten paths that could not be removed.
    func clear() -> (found: Int, stuck: [String]) {
        let names = Files.names(in: path)
        let stuck = names.flatMap { Files.removeTree(path + "/" + $0) }
        return (names.count, Array(stuck.prefix(10)))
    }
}
