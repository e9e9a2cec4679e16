import Glibc
import Model

/// The folders of one attempt: made fresh, and gone when it ends.
///
/// Each belongs to the attempt's user and is closed to everybody else; the one above belongs to the agent, so nothing can
/// be put beside them.
struct AttemptFolder: Sendable {
    let path: String
    let account: Account?

    var workspace: String { path + "/work" }
    var home: String { path + "/home" }
    var temporary: String { path + "/tmp" }
    /// Scripts, command files, items.
    var files: String { path + "/files" }
    /// The private view of an environment.
    var environment: String { path + "/env" }
    /// The code tree that `setup` sees.
    var setupTree: String { path + "/setup" }

    /// - Parameter path: what stands there from an earlier life is removed first.
    init(at path: String, for account: Account?) throws(AgentError) {
        self.path = path
        self.account = account
        let leftovers = Files.removeTree(path)
        guard leftovers.isEmpty else {
            throw .system("remove what an earlier attempt left at \(leftovers[0])", EBUSY)
        }
        try Files.makeFolder(path, mode: 0o711)
        for folder in [workspace, home, temporary, files] { try makeOwn(folder) }
    }

    /// Makes a folder that belongs to the attempt's user alone.
    func makeOwn(_ folder: String) throws(AgentError) {
        try Files.makeFolder(folder, mode: 0o700)
        try give(folder)
    }

    /// Gives a path to the attempt's user.
    func give(_ path: String) throws(AgentError) {
        guard let account else { return }
        try Files.setOwner(path, account.user, account.group)
    }

    /// Writes a new file that belongs to the attempt's user.
    ///
    /// The folder may belong to that user, who may have put anything under this name: a FIFO on which writing would wait
    /// for ever, a link, a folder. It goes, and what is written is a file that was not there before.
    func write(_ bytes: [UInt8], to path: String, mode: mode_t = 0o600) throws(AgentError) {
        Files.removeTree(path)
        try Files.writeNew(bytes, to: path, mode: mode, owner: account.map { ($0.user, $0.group) })
    }

    /// Gives a folder of the agent's with everything in it to the attempt's user; the folder last, so that nobody gets at
    /// what is in it before all is theirs.
    func giveTree(_ path: String) throws(AgentError) {
        guard account != nil else { return }
        if Files.facts(path, followingLinks: false)?.kind == .folder {
            for name in Files.names(in: path) { try giveTree(path + "/" + name) }
        }
        try give(path)
    }

    /// - Returns: what could not be removed.
    func remove() -> [String] { Files.removeTree(path) }
}

extension AttemptID {
    /// `r7-0-3-2-1`: the attempt as one name of a file, a cgroup, a mark.
    var fileName: String {
        "\(run)-\(shard.cell.job)-\(shard.cell.cell)-\(shard.isListing ? "listing" : String(shard.shard))-\(number)"
    }
}
