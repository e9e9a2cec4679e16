import Artifacts
import Model
import Storage
import Transport
import Wire

/// What `actions/cache` keeps: found and saved by attempts, by key. A run sees what its own branch has saved, then what
/// the branch has that it will be merged into, then the default branch. What untrusted runs save no other run ever sees.
struct CacheShelf: Sendable {
    static let keyBytesMax = 512
    static let restoreKeysMax = 10
    /// What one repository keeps at most, before compression; what was not used for longest goes first. Strangers' code has
    /// a room of its own: it pushes nobody else's out.
    static let contentBytesMax = 10 << 30

    let coordinator: Coordinator
    let keeper: StoreKeeper
    let objects: ObjectsService
    let clock: FarmClock
    /// For how long a cache is kept that no attempt asks for.
    let unusedMax: Duration

    /// Where a run looks.
    struct Scope: Equatable, Sendable {
        var repository: String
        /// The first is its own: what it saves is saved there.
        var branches: [String]
    }

    /// No ref begins like this: strangers' code saves where nobody looks but strangers'.
    private static let untrusted = "untrusted "

    /// Where a run looks, its own place first.
    ///
    /// - Parameter github: the run's context of that name.
    static func branches(_ github: Value?, isUntrusted: Bool) -> [String] {
        let base = github?["base_ref"]?.string ?? ""
        let main = github?["event"]?["repository"]?["default_branch"]?.string ?? "main"
        let own = github?["ref"]?.string ?? ""
        var branches = [isUntrusted ? untrusted + own : own]
        for branch in [base, main] where !branch.isEmpty && !branches.contains("refs/heads/\(branch)") {
            branches.append("refs/heads/\(branch)")
        }
        return branches
    }

    func find(_ request: Proto.FindCacheRequest, _ peer: Principal) async throws(LinkStatus) -> Proto.FindCacheResponse
    {
        let (attempt, scope, paths) = try await asked(request.attempt, request.key, request.paths, peer)
        guard request.restoreKeys.count <= Self.restoreKeysMax,
            request.restoreKeys.allSatisfy({ Self.isKey($0) })
        else { throw LinkStatus(.invalid, "at most \(Self.restoreKeysMax) restore-keys of \(Self.keyBytesMax) bytes") }
        let all = try await records(of: scope.repository).filter { $0.name.paths == paths }
        guard let found = Self.find(request.key, request.restoreKeys, in: scope.branches, among: all) else {
            return Proto.FindCacheResponse()
        }
        let store = objects.store
        let isWhole = await DiskThreads.shared.run {
            guard let manifest = try? Manifest(decoding: store.read(found.manifest).bytes) else { return false }
            return store.missing(of: manifest.chunks.map(\.digest)).isEmpty
        }
        // What the disk has lost was never kept.
        guard isWhole else {
            await coordinator.store([.cachesDropped([found.name])])
            return Proto.FindCacheResponse()
        }
        await coordinator.allow(found.manifest, for: attempt)
        await coordinator.store([.cacheUsed(found.name, at: clock.now)])
        return .with {
            $0.key = found.name.key
            $0.manifest = Proto.ObjectRef(found.manifest, size: UInt64(found.manifestBytes))
            $0.branch = found.name.branch
        }
    }

    /// The key itself, else the newest that begins with it, else the same for each restore key; branch by branch.
    ///
    /// - Parameter all: newest first.
    static func find(
        _ key: String, _ restoreKeys: [String], in branches: [String], among all: [CacheRecord]
    ) -> CacheRecord? {
        for branch in branches {
            let own = all.filter { $0.name.branch == branch }
            if let exact = own.first(where: { $0.name.key == key }) { return exact }
            for start in [key] + restoreKeys {
                if let found = own.first(where: { $0.name.key.hasPrefix(start) }) { return found }
            }
        }
        return nil
    }

    func save(_ request: Proto.SaveCacheRequest, _ peer: Principal) async throws(LinkStatus) -> Proto.SaveCacheResponse
    {
        let (_, scope, paths) = try await asked(request.attempt, request.key, request.paths, peer)
        guard let manifest = request.manifest.flatMap(ObjectRef.init), let branch = scope.branches.first else {
            throw LinkStatus(.invalid, "a cache names its manifest")
        }
        let absent = try await objects.absent([manifest.digest], in: ObjectsService.scope(of: peer))
        guard absent.isEmpty else {
            throw LinkStatus(.conflict, "the cache names \(manifest.digest.short), which the agent has not put")
        }
        let name = CacheRecord.Name(repository: scope.repository, branch: branch, key: request.key, paths: paths)
        let all = try await records(of: scope.repository)
        guard !all.contains(where: { $0.name == name }) else { return .with { $0.saved = false } }
        let record = CacheRecord(
            name: name, manifest: manifest.digest, manifestBytes: manifest.sizeBytes,
            contentBytes: Int(clamping: request.contentBytes), savedAt: clock.now, usedAt: clock.now)
        await coordinator.store(
            [.cacheSaved(record)] + Self.dropping(all + [record], unusedFor: unusedMax, at: clock.now))
        await coordinator.committed()
        return .with { $0.saved = true }
    }

    /// What goes so that the rest is not too much: what nobody used for so long, then what was not used for longest.
    static func dropping(_ all: [CacheRecord], unusedFor unusedMax: Duration, at now: Instant) -> [Change] {
        let oldest = now.advanced(by: .zero - unusedMax)
        var dropped = all.filter { $0.usedAt < oldest }.map(\.name)
        let rooms = Dictionary(grouping: all.filter { $0.usedAt >= oldest }) {
            "\($0.name.branch.hasPrefix(untrusted)) \($0.name.repository)"
        }
        for own in rooms.values {
            var room = contentBytesMax
            for record in own.sorted(by: { ($0.usedAt, $0.savedAt) > ($1.usedAt, $1.savedAt) }) {
                room -= record.contentBytes
                if room < 0 { dropped.append(record.name) }
            }
        }
        return dropped.isEmpty ? [] : [.cachesDropped(dropped)]
    }

    private func asked(
        _ named: Proto.AttemptRef?, _ key: String, _ paths: [UInt8], _ peer: Principal
    ) async throws(LinkStatus) -> (AttemptID, Scope, Digest) {
        let attempt: AttemptID
        do throws(MeaningError) {
            guard let meaning = try named?.meaning() else { throw MeaningError("attempt", "is missing") }
            attempt = meaning
        } catch {
            throw LinkStatus(.invalid, "\(error)")
        }
        guard let scope = await coordinator.cacheScope(of: attempt, AgentID(peer.name)) else {
            throw LinkStatus(.denied, "\(peer.title) does not hold \(attempt)")
        }
        guard Self.isKey(key), let paths = Digest(paths) else {
            throw LinkStatus(.invalid, "a key has 1 to \(Self.keyBytesMax) bytes and no comma")
        }
        return (attempt, scope, paths)
    }

    private static func isKey(_ key: String) -> Bool {
        !key.isEmpty && key.utf8.count <= keyBytesMax && !key.contains(",") && !key.contains(where: \.isNewline)
    }

    private func records(of repository: String) async throws(LinkStatus) -> [CacheRecord] {
        do throws(CoordinatorError) {
            return try await keeper.read { storage throws(StorageError) in try storage.caches(of: repository) }
        } catch {
            throw LinkStatus(.unavailable, "\(error)")
        }
    }
}

extension Coordinator {
    /// Where an attempt's run looks for caches; `nil` when the agent does not hold the attempt.
    func cacheScope(of attempt: AttemptID, _ agent: AgentID) -> CacheShelf.Scope? {
        guard holds(attempt, agent), let run = runs[attempt.run] else { return nil }
        let github = run.contexts.first { $0.key == "github" }?.value
        return CacheShelf.Scope(
            repository: run.household,
            branches: CacheShelf.branches(github, isUntrusted: run.plan.untrusted != nil))
    }

    /// Whether a tree is a cache that the attempt's agent can find: told before a restart, or by another coordinator, it is
    /// not told again.
    func mayFind(_ manifest: Digest, _ attempt: AttemptID, _ agent: AgentID) async throws(LinkStatus) -> Bool {
        guard let scope = cacheScope(of: attempt, agent) else { return false }
        do throws(CoordinatorError) {
            let isFound = try await keeper.read { storage throws(StorageError) in
                try storage.caches(of: scope.repository).contains { cache in
                    cache.manifest == manifest && scope.branches.contains(cache.name.branch)
                }
            }
            // Not to be asked for again with each chunk.
            if isFound, holds(attempt, agent) { allow(manifest, for: attempt) }
            return isFound
        } catch {
            throw LinkStatus(.unavailable, "\(error)")
        }
    }

    /// Lets an attempt's agent read a tree.
    func allow(_ manifest: Digest, for attempt: AttemptID) { cachesFound[attempt, default: []].insert(manifest) }
}
