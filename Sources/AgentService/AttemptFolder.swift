import CLinux
import Glibc
import Model

/// The folders of one attempt: made fresh, and gone when it ends.
///
/// Each belongs to the attempt's user and is closed to everybody else; the one above belongs to the agent, so nothing can
/// be put beside them.
struct AttemptFolder: Sendable {
    let path: String
    let account: Account?
    /// Closed to everybody on the machine as a whole, and open to whoever is in the container that sees parts of it.
    let isContained: Bool

    var workspace: String { path + "/work" }
    var home: String { path + "/home" }
    var temporary: String { path + "/tmp" }
    /// Scripts, command files, items.
    var files: String { path + "/files" }
    /// Other repositories, whose actions steps use.
    var actions: String { path + "/actions" }
    /// The private view of an environment.
    var environment: String { path + "/env" }
    /// The code tree that `setup` sees.
    var setupTree: String { path + "/setup" }

    /// What the attempt's own view of the file system shows as `/tmp` and `/var/tmp`.
    var view: String { path + "/view" }
    var viewTemporary: String { view + "/tmp" }
    var viewVariableTemporary: String { view + "/var-tmp" }

    /// - Parameter path: what stands there from an earlier life is removed first.
    /// - Parameter isContained: a container's users work in it, whoever they are; nobody of the machine's does.
    /// - Parameter hasView: with folders for the attempt's own `/tmp` and `/var/tmp`.
    init(
        at path: String, for account: Account?, isContained: Bool = false, hasView: Bool = false
    ) throws(AgentError) {
        self.path = path
        self.account = account
        self.isContained = isContained
        let leftovers = Files.removeTree(path)
        guard leftovers.isEmpty else {
            throw .system("remove what an earlier attempt left at \(leftovers[0])", EBUSY)
        }
        do throws(AgentError) {
            try Files.makeFolder(path, mode: isContained ? 0o700 : 0o711)
            for folder in own + (isContained ? [actions] : []) { try makeOwn(folder) }
            if hasView { try makeView() }
        } catch {
            // On a full disk above all: nobody else knows of what was made of it.
            remove()
            throw error
        }
    }

    /// What a folder is like that the agent has just made.
    struct Nature: Sendable {
        private var sizeBytes: Int
        /// What `chattr` sets, its project, and extended attributes with their values.
        private var marks: [UInt8]

        private static let marksBytesMax = 8 << 10
        private static let blockBytes = 4096

        /// Whether a folder that is empty again is still like this one. It may not have grown: where a folder's size is that of the
        /// most names it ever had, the next attempt would pay for them. Where it is that of the names in it, what is mounted on
        /// counts too, within a block.
        func isStill(_ other: Nature?) -> Bool {
            guard let other else { return false }
            return other.marks == marks && other.sizeBytes <= max(sizeBytes, Self.blockBytes)
        }

        /// - Parameter folder: open.
        /// - Returns: `nil` when it bears more marks than anybody compares.
        init?(_ folder: CInt, _ facts: stat) {
            sizeBytes = Int(facts.st_size)
            var count = 0
            marks = unsafe [UInt8](unsafeUninitializedCapacity: Self.marksBytesMax) { buffer, filled in
                count = unsafe clinux_marks(folder, buffer.baseAddress, buffer.count)
                filled = max(0, count)
            }
            guard count >= 0 else { return nil }
        }

        init?(of path: String) {
            let folder = unsafe open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard folder >= 0 else { return nil }
            defer { close(folder) }
            var facts = stat()
            guard unsafe fstat(folder, &facts) == 0 else { return nil }
            self.init(folder, facts)
        }
    }

    private var own: [String] { [workspace, home, temporary, files] }
    private var shown: [(folder: String, target: String)] {
        Files.isFolder(view) ? [(viewTemporary, "/tmp"), (viewVariableTemporary, "/var/tmp")] : []
    }

    /// As each of its folders is when it is new, by path; `nil` when that cannot be told of all.
    func natures() -> [String: Nature]? {
        var natures: [String: Nature] = [:]
        for folder in own + shown.map(\.folder) {
            guard let nature = Nature(of: folder) else { return nil }
            natures[folder] = nature
        }
        return natures
    }

    /// Removes what the attempt has made, and leaves what was made for it, as it was.
    ///
    /// - Parameter natures: of its folders when they were new.
    /// - Parameter view: what the attempt saw: what it is mounted on may lie in the folder's own `/tmp`, and stays.
    /// - Returns: whether the folder may serve another attempt.
    func clear(_ natures: [String: Nature], _ view: [Chamber.Mount]) -> Bool {
        let root = unsafe open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard root >= 0 else { return false }
        defer { close(root) }
        let shown = shown
        let kept = own.map(\.lastPathPart) + (shown.isEmpty ? [] : [self.view.lastPathPart])
        guard Files.empty(root, at: path, keeping: kept).isEmpty else { return false }
        let user = account?.user ?? geteuid()
        return own.allSatisfy { Self.clear($0, user, 0o700, natures[$0]) }
            && shown.allSatisfy { folder, target in
                // The agent's, like all that leads to something mounted: no step can have changed them.
                let made = view.compactMap { mount -> String? in
                    guard case .folder(let path) = mount, path.isInside(target), path != target else { return nil }
                    return path.dropFirst(target.count + 1).split(separator: "/").first.map(String.init)
                }
                return Self.clear(folder, geteuid(), 0o1777, natures[folder], keeping: made)
            }
    }

    private static func clear(
        _ path: String, _ user: uid_t, _ mode: mode_t, _ nature: Nature?, keeping kept: [String] = []
    ) -> Bool {
        let folder = unsafe open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard folder >= 0 else { return false }
        defer { close(folder) }
        var facts = stat()
        guard Files.empty(folder, at: path, keeping: kept).isEmpty, unsafe fstat(folder, &facts) == 0,
            facts.st_uid == user, facts.st_mode & 0o7777 == mode, let nature
        else { return false }
        return nature.isStill(Nature(folder, facts))
    }

    /// The same folder, for another attempt: what the last one's user had is this one's.
    func given(to account: Account?) throws(AgentError) -> AttemptFolder {
        let folder = AttemptFolder(path: path, account: account, isContained: isContained)
        if account?.user != self.account?.user {
            for own in own { try folder.give(own) }
        }
        return folder
    }

    private init(path: String, account: Account?, isContained: Bool) {
        self.path = path
        self.account = account
        self.isContained = isContained
    }

    /// Makes the folders of the attempt's own view. They stay the agent's, like `/tmp` itself: an attempt that could put
    /// a link where something is mounted later could have it mounted anywhere.
    private func makeView() throws(AgentError) {
        try Files.makeFolder(view, mode: 0o700)
        for folder in [viewTemporary, viewVariableTemporary] { try Files.makeFolder(folder, mode: 0o1777) }
    }

    /// Makes a folder that belongs to the attempt's user alone.
    func makeOwn(_ folder: String) throws(AgentError) {
        try Files.makeFolder(folder, mode: mode(0o700))
        try give(folder)
    }

    /// In a container nobody knows who will read and write: the folder around all of it is closed.
    private func mode(_ own: mode_t) -> mode_t { isContained ? own | own >> 3 | own >> 6 : own }

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
        let owner = account.map { ($0.user, $0.group) }
        do throws(AgentError) {
            try Files.writeNew(bytes, to: path, mode: self.mode(mode), owner: owner)
        } catch {
            guard case .system(_, EEXIST) = error else { throw error }
            Files.removeTree(path)
            try Files.writeNew(bytes, to: path, mode: self.mode(mode), owner: owner)
        }
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
    @discardableResult func remove() -> [String] { Files.removeTree(path) }
}

extension AttemptID {
    /// `r7-0-3-2-1`: the attempt as one name of a file, a cgroup, a mark.
    var fileName: String {
        "\(run)-\(shard.cell.job)-\(shard.cell.cell)-\(shard.isListing ? "listing" : String(shard.shard))-\(number)"
    }

    /// The attempt that a name means; `nil` when it means none.
    init?(fileName: some StringProtocol) {
        let parts = fileName.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0].hasPrefix("r"), let run = UInt64(parts[0].dropFirst()),
            let job = Int(parts[1]), let cell = Int(parts[2]),
            let shard = parts[3] == "listing" ? ShardID.listing : Int(parts[3]), let number = Int(parts[4])
        else { return nil }
        self.init(shard: ShardID(run: RunID(run), job: job, cell: cell, shard: shard), number: number)
        guard self.fileName == fileName else { return nil }
    }
}
