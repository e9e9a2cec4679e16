import Artifacts
import Model

/// The folder in which attempts live, one agent's alone for as long as it runs.
///
/// What lies there at its start was left by an earlier life that was killed: nobody works in it, and checkouts and checkpoints
/// of others must neither fill the disk nor be there for the next attempt to read.
final class AttemptsFolder: Sendable {
    let path: String
    private let lock: FolderLock

    /// - Throws: `configuration` when another agent works there.
    init(below work: String) throws(AgentError) {
        path = Self.path(below: work)
        try Files.makeFolder(path, mode: 0o711)
        let lock: FolderLock?
        do throws(ArtifactError) { lock = try FolderLock(path) } catch {
            throw .configuration("\(error)", help: "give --work a folder that only this agent uses")
        }
        guard let lock else {
            throw .configuration("another agent works in \(work)", help: "give each agent a --work of its own")
        }
        self.lock = lock
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
