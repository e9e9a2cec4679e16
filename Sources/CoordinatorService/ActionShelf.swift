import Artifacts
import Glibc
import Locks
import Model
import Programs
import Transport

/// The repositories of actions, each at a commit: fetched once, packed, and kept among the farm's objects.
///
/// A small file says which tree a commit is. It is a cache: where it or the objects are gone, the commit is fetched again,
/// and gives the same tree.
actor ActionShelf {
    enum Outcome: Sendable {
        case tree(Digest)
        case failed(GitFetch.Problem)
    }

    nonisolated let rules: ActionRules
    private let fetch: GitFetch
    private let folder: String
    private let store: ObjectStore
    /// Several runs that ask for one commit at the same time wait for one fetch.
    private var underWay: [String: Task<Outcome, Never>] = [:]
    private var running = 0
    private var waiting: [CheckedContinuation<Void, Never>] = []

    /// Fetches at one time.
    static let fetchesMax = 2

    init(rules: ActionRules, folder: String, store: ObjectStore, bounds: GitFetch.Bounds = .init()) {
        self.rules = rules
        // Git works in it from another folder.
        let here = folder.hasPrefix("/") ? nil : getcwd(nil, 0)
        self.folder = here.map { String(cString: $0) + "/" + folder } ?? folder
        free(here)
        self.store = store
        fetch = GitFetch(rules: rules, bounds: bounds)
    }

    /// The tree of a repository at a commit, which the rules allow.
    func tree(of repository: String, at commit: String) async -> Outcome {
        let name = "\(repository.lowercased())@\(commit)"
        if let task = underWay[name] { return await task.value }
        // Waited for here and by whoever asks for the same; it ends with the fetch, which has its own bounds.
        let task = Task { await self.found(repository, commit, name) }
        underWay[name] = task
        let outcome = await task.value
        underWay[name] = nil
        return outcome
    }

    private func found(_ repository: String, _ commit: String, _ name: String) async -> Outcome {
        if let known = await known(name) { return .tree(known) }
        await enter()
        defer { leave() }
        let scratch = "\(folder)/fetching-\(UInt64.random(in: 0...UInt64.max))"
        let outcome = await fetched(repository, commit, name, in: scratch)
        await remove(scratch)
        return outcome
    }

    private func fetched(
        _ repository: String, _ commit: String, _ name: String, in scratch: String
    ) async -> Outcome {
        do throws(GitFetch.Problem) {
            try await thread { [fetch] () throws(GitFetch.Problem) in
                try fetch.fetch(repository, at: commit, into: scratch)
            }
        } catch {
            return .failed(error)
        }
        do {
            let scan = try await DiskThreads.shared.run { () throws(ArtifactError) in
                try TreeScan(of: Folder(at: scratch), .everything(except: [".git"]))
            }
            let tree = try await Transfer(LocalChannel(store)).upload(TreePlan(scan)).manifest.digest
            await DiskThreads.shared.run { [folder] in Self.note(tree, as: name, in: folder) }
            return .tree(tree)
        } catch let error as ArtifactError {
            return .failed(
                GitFetch.Problem(
                    text: "\(repository)@\(commit.prefix(12)) cannot be kept: \(error)", mayPass: error.blame != .user))
        } catch {
            return .failed(GitFetch.Problem(text: "\(repository)@\(commit.prefix(12)): \(error)", mayPass: true))
        }
    }

    // MARK: What is known

    /// The tree that a commit was found to be, where all of it is still there. Asking keeps it from the next sweep.
    private func known(_ name: String) async -> Digest? {
        await DiskThreads.shared.run { [folder, store] in
            guard let digest = Self.noted(name, in: folder), store.missing(of: [digest]).isEmpty,
                // What is damaged or gone is fetched anew.
                (try? SubmittedTree(digest, in: store)) != nil
            else { return nil }
            return digest
        }
    }

    private static func file(_ name: String, in folder: String) -> String {
        folder + "/" + name.replacing("/", with: "+")
    }

    private static func noted(_ name: String, in folder: String) -> Digest? {
        // What cannot be read is fetched anew.
        (try? PrivateFile.read(file(name, in: folder), keptPrivate: true)).flatMap { Digest(hex: $0) }
    }

    private static func note(_ tree: Digest, as name: String, in folder: String) {
        // A note that is lost is a fetch more.
        try? PrivateFile.write(tree.hex, to: file(name, in: folder))
    }

    // MARK: Room

    private func enter() async {
        while running >= Self.fetchesMax { await withCheckedContinuation { waiting.append($0) } }
        running += 1
    }

    private func leave() {
        running -= 1
        if !waiting.isEmpty { waiting.removeFirst().resume() }
    }

    /// On a thread of its own: a server may be slow, and the disk's threads have other work.
    private func thread(
        _ work: @escaping @Sendable () throws(GitFetch.Problem) -> Void
    ) async throws(GitFetch.Problem) {
        let outcome = Mutex<Result<Void, GitFetch.Problem>>(.success(()))
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            do throws(SystemError) {
                try startDeviceThread(named: "sheaf-fetch") {
                    do throws(GitFetch.Problem) { try work() } catch { outcome.withLock { $0 = .failure(error) } }
                    continuation.resume()
                }
            } catch {
                outcome.withLock { $0 = .failure(GitFetch.Problem(text: "\(error)", mayPass: true)) }
                continuation.resume()
            }
        }
        try outcome.withLock { $0 }.get()
    }

    // MARK: Folders

    /// Makes the shelf's folder, and removes what an earlier life was fetching. Blocks on the disk.
    nonisolated func open() throws(CertificateError) {
        try PrivateFile.makeFolder(folder)
        // What cannot be removed now goes the next time.
        _ = Program.run(Program.Order("/bin/sh", ["-c", "rm -rf -- \"$1\"/fetching-*", "sh", folder]))
    }

    private nonisolated func remove(_ path: String) async {
        // The same.
        await DiskThreads.shared.run { _ = Program.run(Program.Order("/bin/rm", ["-rf", "--", path])) }
    }
}
