package import Artifacts
import Glibc
package import Model
import Programs
import Transport

/// Packs the code that a run works on: what git tracks, and what it neither tracks nor ignores.
package struct CodePacking: Sendable {
    /// What is known about the code beside its bytes.
    package struct Origin: Equatable, Sendable {
        package var commit = ""
        package var branch = ""
        package var isDirty = false
        /// `owner/name`, from the remote `origin`.
        package var repository = ""
    }

    /// The folder whose files travel: the top of the repository, or the folder itself outside one.
    package let folder: String
    package let origin: Origin
    /// Whether git says what belongs to the code.
    package let isRepository: Bool
    private let selection: Selection
    /// The address of the remote `origin`; empty where there is none, or only a folder of a repository travels.
    private let remote: String
    /// Whether all of the repository travels, so that its history belongs to it.
    private let isWhole: Bool

    /// Looks at a folder.
    ///
    /// - Throws: `ClientError` when git fails in a repository: packing less than all would be a lie.
    ///
    /// - Parameter alone: the folder's own files travel, and not the repository around it.
    package init(_ folder: String, alone: Bool = false) async throws(ClientError) {
        guard let top = try await Self.git(["rev-parse", "--show-toplevel"], in: folder, mayFail: true) else {
            self.folder = folder
            origin = Origin()
            isRepository = false
            selection = CodeTree.everything
            (remote, isWhole) = ("", false)
            return
        }
        isRepository = true
        self.folder = alone ? folder : Self.line(top)
        isWhole = Self.real(self.folder) == Self.real(Self.line(top))
        var origin = Origin()
        let at = self.folder
        if let head = try await Self.git(["rev-parse", "HEAD"], in: at, mayFail: true) {
            origin.commit = Self.line(head)
        }
        if let branch = try await Self.git(["symbolic-ref", "--short", "-q", "HEAD"], in: at, mayFail: true) {
            origin.branch = Self.line(branch)
        }
        let changes =
            try await Self.git(
                ["status", "--porcelain", "-z", "--", ".", ":(exclude,glob)**/.sheaf/**"], in: at) ?? []
        origin.isDirty = !changes.isEmpty
        remote = Self.line(try await Self.git(["remote", "get-url", "origin"], in: at, mayFail: true) ?? [])
        origin.repository = Self.repository(remote)
        self.origin = origin
        let listing = try await Self.listing(of: at)
        do throws(ArtifactError) {
            selection = try CodeTree.selection(listing: listing)
        } catch {
            throw ClientError("the code cannot be packed: \(error)")
        }
    }

    /// Where a branch and the commit that is checked out part, and what came before.
    package struct History: Equatable, Sendable {
        package var branch: String
        /// Their merge base, then what the branch was before it: first parents, newest first. Commits that came with a merge were never
        /// what the branch was.
        package var commits: [String] = []
        /// Why there is none, or why the list ends before the history does.
        package var problem = ""
    }

    package static let historyMax = 1000

    /// - Parameter branch: as the remote `origin` has it where it does, else as it is here.
    package func history(against branch: String) async throws(ClientError) -> History {
        var history = History(branch: branch)
        guard !origin.commit.isEmpty else {
            history.problem = "the code lies in no git repository with a commit"
            return history
        }
        for ref in ["refs/remotes/origin/\(branch)", "refs/heads/\(branch)"]
        where try await Self.git(["rev-parse", "--verify", "-q", ref], in: folder, mayFail: true) != nil {
            guard let base = try await Self.git(["merge-base", "HEAD", ref], in: folder, mayFail: true) else {
                history.problem =
                    "the branch '\(branch)' and this commit have no ancestor in common here (a shallow clone?)"
                return history
            }
            let list = try await Self.git(
                ["rev-list", "--first-parent", "--max-count=\(Self.historyMax)", Self.line(base)], in: folder)
            history.commits = String(decoding: list ?? [], as: UTF8.self).split(separator: "\n").map(String.init)
            if history.commits.count < Self.historyMax,
                let shallow = try await Self.git(["rev-parse", "--is-shallow-repository"], in: folder, mayFail: true),
                Self.line(shallow) == "true"
            {
                history.problem =
                    "this clone is shallow, and its history ends after \(Spelling.counted(history.commits.count, "commit")): "
                    + "git fetch --unshallow, or fetch-depth: 0 of actions/checkout"
            }
            return history
        }
        history.problem = "there is no branch '\(branch)' here, nor at 'origin'"
        return history
    }

    /// Git leaves out a farm's own folder, which says so itself; elsewhere only its name can tell.
    ///
    /// - Throws: `ClientError` for a state within the code that would travel with it.
    func refuse(state: String?) throws(ClientError) {
        guard !isRepository, let state = state.flatMap(Self.real), let code = Self.real(folder) else { return }
        let top = code == "/" ? code : code + "/"
        guard state.hasPrefix(top), !state.dropFirst(top.count).split(separator: "/").contains(".sheaf") else { return }
        throw ClientError(
            "the state in \(state) lies within the code, whose files all travel to the agents",
            help: "give --state a folder elsewhere, or one below .sheaf", isRefusal: true)
    }

    private static func real(_ path: String) -> String? {
        guard let found = unsafe realpath(path, nil) else { return nil }
        defer { unsafe free(found) }
        return unsafe String(cString: found)
    }

    /// How deep submodules are looked for within submodules, and how many of them there may be in all.
    private static let submodulesDeepMax = 10
    private static let submodulesMax = 1000

    /// What git lists of a repository and of the submodules in it that are checked out; one that is not is left out.
    private static func listing(of top: String) async throws(ClientError) -> [UInt8] {
        var listing: [UInt8] = []
        var rest = [(start: "", depth: 0)]
        var seen = 0
        while let (start, depth) = rest.popLast() {
            let folder = start.isEmpty ? top : "\(top)/\(start)"
            let stages = try await git(["ls-files", "-z", "--stage"], in: folder) ?? []
            var submodules: Set<ArraySlice<UInt8>> = []
            // `160000 DIGEST 0\tlibs/x` is a commit of another repository.
            for entry in stages.split(separator: 0) where entry.starts(with: Array("160000 ".utf8)) {
                guard let tab = entry.firstIndex(of: UInt8(ascii: "\t")) else { continue }
                submodules.insert(entry[(tab + 1)...])
            }
            for entry in try await git(CodeTree.gitArguments, in: folder)?.split(separator: 0) ?? [] {
                guard submodules.contains(entry) else {
                    listing += Array(start.utf8) + (start.isEmpty ? [] : [UInt8(ascii: "/")]) + entry + [0]
                    continue
                }
                let name = String(decoding: entry, as: UTF8.self)
                guard access("\(folder)/\(name)/.git", F_OK) == 0 else { continue }
                seen += 1
                guard depth < submodulesDeepMax, seen <= submodulesMax else {
                    throw ClientError(
                        "the code cannot be packed: more than \(submodulesMax) submodules, or more than "
                            + "\(submodulesDeepMax) inside each other")
                }
                rest.append((start.isEmpty ? name : "\(start)/\(name)", depth + 1))
            }
        }
        return listing
    }

    /// Gives the other side what it lacks of the code.
    ///
    /// - Parameter history: travels as a `.git` of its own, where the code is a repository with a commit.
    /// - Returns: the manifest's name, and how much travelled.
    package func upload<Channel: ObjectChannel>(
        over channel: Channel, history: HistoryWanted? = nil
    ) async throws(ClientError) -> Transfer<Channel>.Uploaded {
        do {
            let wanted = isWhole && !origin.commit.isEmpty ? history : nil
            let made: Result<String?, ClientError> = await DiskThreads.shared.run { [folder, origin, remote] in
                Result { () throws(ClientError) in
                    guard let wanted else { return nil }
                    return try CodeHistory.make(wanted, of: folder, origin, remote: remote)
                }
            }
            let place = try made.get()
            defer { if let place { CodeHistory.remove(place) } }
            let plan = try await DiskThreads.shared.run { [folder, selection] () throws(ArtifactError) in
                var scan = try TreeScan(of: Folder(at: folder), selection)
                if let place {
                    let name = CodeHistory.folderName
                    scan = try scan.adding(Folder(at: "\(place)/\(name)"), as: name)
                }
                return TreePlan(scan)
            }
            return try await Transfer(channel).upload(plan)
        } catch let error as ClientError {
            throw error
        } catch LinkError.status(let status) {
            throw ClientError("the farm does not take the code: \(status.text)", isRefusal: !status.mayPass)
        } catch let error as ArtifactError {
            throw ClientError("the code in \(folder) cannot be packed: \(error)", isRefusal: error.blame == .user)
        } catch {
            throw ClientError("the code in \(folder) cannot be sent: \(error)")
        }
    }

    /// `owner/name` of `git@host:owner/name.git`, `group/sub/name` of `https://host/group/sub/name`; of a folder of this machine the
    /// last two parts.
    package static func repository(_ remote: String) -> String {
        var text = remote[...]
        while text.hasSuffix("/") { text = text.dropLast() }
        if text.hasSuffix(".git") { text = text.dropLast(4) }
        var parts = text.split(separator: "/")
        if let scheme = text.firstRange(of: "://") {
            guard text[..<scheme.lowerBound] != "file" else { return parts.suffix(2).joined(separator: "/") }
            // The host, with its port.
            parts = Array(text[scheme.upperBound...].split(separator: "/").dropFirst())
        } else if let colon = text.firstIndex(of: ":"), !text[..<colon].contains("/") {
            // As scp(1) writes it.
            parts = text[text.index(after: colon)...].split(separator: "/")
        } else {
            parts = parts.suffix(2)
        }
        return parts.count >= 2 ? parts.joined(separator: "/") : ""
    }

    private static func line(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    /// - Returns: what git wrote; `nil` when it failed and may.
    private static func git(
        _ arguments: [String], in folder: String, mayFail: Bool = false
    ) async throws(ClientError) -> [UInt8]? {
        let result = await DiskThreads.shared.run { Program.output("git", ["-C", folder] + arguments) }
        switch result {
        case .success(let bytes): return bytes
        case .failure(let failure):
            if mayFail { return nil }
            throw ClientError("git \(arguments[0]) failed in \(folder): \(failure.problem)")
        }
    }
}
