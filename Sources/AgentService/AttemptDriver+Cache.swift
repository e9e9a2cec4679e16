import Artifacts
import Glibc
import Model
import Transport
import Wire

/// What a step wants to have kept, and under which key.
struct CacheWish: Sendable {
    var key: String
    var paths: CachePaths
}

/// The paths of `actions/cache`, below the attempt's folder: `work/…` for the workspace, `home/…` for `~`. So they mean
/// the same in every attempt.
struct CachePaths: Equatable, Sendable {
    var patterns: [String]

    /// Patterns that match nothing: with them what is packed always counts from the attempt's folder.
    private static let anchors = ["work/.sheaf-anchor", "home/.sheaf-anchor"]

    /// - Throws: `AgentError.user` for a path that lies elsewhere.
    init(_ lines: String, workspace: String, home: String) throws(AgentError) {
        patterns = []
        for line in lines.split(whereSeparator: \.isNewline) {
            var text = String(line).trimmed
            guard !text.isEmpty, !text.hasPrefix("#") else { continue }
            let excludes = text.hasPrefix("!")
            if excludes { text.removeFirst() }
            if text == "~" || text.hasPrefix("~/") { text = home + text.dropFirst() }
            let path = text.resolved(from: workspace).standardizedPath
            let below: String
            if path.isInside(workspace) {
                below = "work" + path.dropFirst(workspace.count)
            } else if path.isInside(home) {
                below = "home" + path.dropFirst(home.count)
            } else {
                throw .user("a cache keeps files below the workspace or ~, and '\(line)' is elsewhere")
            }
            patterns.append((excludes ? "!" : "") + below)
        }
        guard patterns.contains(where: { !$0.hasPrefix("!") }) else { throw .user("the cache names no path to keep") }
    }

    /// Of what is kept: other paths are another cache.
    var digest: Digest { Digest(hashing: Array(patterns.joined(separator: "\n").utf8)) }

    func selection() throws(ArtifactError) -> Selection {
        .patterns(
            try PathPatterns((patterns + Self.anchors).joined(separator: "\n"), workspace: nil), hidden: true)
    }

    /// Whether a kept tree holds nothing but such paths.
    static func areIn(_ manifest: Manifest) -> Bool {
        manifest.files.allSatisfy { $0.path.text.hasPrefix("work/") || $0.path.text.hasPrefix("home/") }
    }
}

extension AttemptDriver {
    /// `actions/cache`, its halves included.
    ///
    /// - Returns: its outputs.
    func cache(_ action: String, _ with: [String: String]) async throws -> [CommandFile.Entry] {
        guard let place else { throw AgentError.cancelled }
        guard let key = with["key"]?.trimmed, !key.isEmpty else { throw AgentError.user("the cache's 'key' is empty") }
        guard key.utf8.count <= 512, !key.contains(",") else {
            throw AgentError.user("the cache's key '\(key.prefix(60))…' has a comma, or more than 512 bytes")
        }
        let named = "\(key)\n\(with["restore-keys"] ?? "")"
        guard output.masked(named) == named else {
            throw AgentError.user("the cache's key holds a masked value; keys are shown to everybody")
        }
        let paths = try CachePaths(with["path"] ?? "", workspace: place.folder.workspace, home: place.folder.home)
        let wish = CacheWish(key: key, paths: paths)
        if action == "actions/cache/save" {
            try await save(wish)
            return []
        }
        let others = (with["restore-keys"] ?? "").split(whereSeparator: \.isNewline).map { String($0).trimmed }
        let found = try await restore(
            wish, others.filter { !$0.isEmpty }, onlyLook: with["lookup-only"]?.lowercased() == "true")
        if found == nil, with["fail-on-cache-miss"]?.lowercased() == "true" {
            throw AgentError.user("nothing is kept under '\(key)', and fail-on-cache-miss says that this fails")
        }
        if action == "actions/cache", found != key { saveAtEnd(wish, "Post Run actions/cache") }
        return [
            .init(name: "cache-hit", value: found.map { $0 == key ? "true" : "false" } ?? ""),
            .init(name: "cache-primary-key", value: key), .init(name: "cache-matched-key", value: found ?? ""),
        ]
    }

    /// setup-python's `cache`: what pip has fetched, by the files that say what it needs.
    ///
    /// - Returns: its output `cache-hit`.
    func pipCache(_ with: [String: String], _ interpreter: Interpreter) async throws -> String {
        guard let place, let kind = with["cache"], !kind.isEmpty else { return "false" }
        guard kind == "pip" else { throw AgentError.user("setup-python keeps caches of pip, not of '\(kind)'") }
        let named = with["cache-dependency-path"].map { [$0] }.flatMap { $0 == [""] ? nil : $0 }
        let hash =
            (named ?? ["**/requirements.txt"]).lazy.compactMap { FileHash.hash([$0], in: place.folder.workspace) }.first
            ?? (named == nil ? FileHash.hash(["**/pyproject.toml"], in: place.folder.workspace) : nil)
        guard let hash else {
            throw AgentError.user(
                "setup-python's cache: no file matches \(named?.first ?? "**/requirements.txt or **/pyproject.toml"); "
                    + "check the code out before it")
        }
        let start = "setup-python-Linux-\(Discovery.architecture)-python-\(interpreter.version)-pip-"
        let wish = CacheWish(
            key: start + hash,
            paths: try CachePaths("~/.cache/pip", workspace: place.folder.workspace, home: place.folder.home))
        let found = try await restore(wish, [start], onlyLook: false)
        if found != wish.key { saveAtEnd(wish, "Post Run actions/setup-python") }
        return found == wish.key ? "true" : "false"
    }

    private func saveAtEnd(_ wish: CacheWish, _ name: String) {
        posts.append(Post(name: name, condition: "success()", contexts: contexts, work: .saveCache(wish)))
    }

    /// Takes what was kept under the key, or under one that begins as others do.
    ///
    /// - Returns: the key under which it was found.
    private func restore(_ wish: CacheWish, _ others: [String], onlyLook: Bool) async throws -> String? {
        guard let place else { throw AgentError.cancelled }
        let objects = host.objects
        let request = Proto.FindCacheRequest.with {
            $0.attempt = Proto.AttemptRef(assignment.id)
            $0.key = wish.key
            $0.restoreKeys = Array(others.prefix(10))
            $0.paths = wish.paths.digest.bytes
        }
        let answer = try await farm { try await objects.call(Proto.Agents.FindCache.self, request) }
        guard !answer.key.isEmpty, let object = answer.manifest.flatMap(ObjectRef.init) else {
            output.say("cache miss: nothing is kept under '\(wish.key)'")
            return nil
        }
        let word = answer.key == wish.key ? "cache hit" : "cache hit by its beginning"
        guard !onlyLook else {
            output.say("\(word): '\(answer.key)'")
            return answer.key
        }
        let transfer = transfer
        let owner = place.account.map { Owner(user: $0.user, group: $0.group) }
        let root = try Folder(at: place.folder.path)
        let manifest = try await farm { try await transfer.manifest(object) }
        guard CachePaths.areIn(manifest) else {
            throw AgentError.farm("what is kept under '\(answer.key)' would be written outside of workspace and ~")
        }
        _ = try await farm { try await transfer.download(object, into: root, existing: .replace, owner: owner) }
        let branch = answer.branch.isEmpty ? "" : " of \(answer.branch)"
        output.say("\(word): '\(answer.key)'\(branch), \(ByteCount(Int64(manifest.contentBytes)))")
        return answer.key
    }

    /// Keeps files under a key, unless something is kept there already.
    func save(_ wish: CacheWish) async throws {
        guard let place else { throw AgentError.cancelled }
        let scan = try TreeScan(of: Folder(at: place.folder.path), wish.paths.selection())
        guard !scan.isEmpty else {
            output.note("warning", "the cache's paths name no file: nothing is kept under '\(wish.key)'")
            return
        }
        if let file = try await fileWithSecret(in: scan) {
            output.note("warning", "nothing is kept under '\(wish.key)': it would give away a secret, in '\(file)'")
            return
        }
        let transfer = transfer
        let uploaded = try await farm { try await transfer.upload(TreePlan(scan)) }
        let objects = host.objects
        let request = Proto.SaveCacheRequest.with {
            $0.attempt = Proto.AttemptRef(assignment.id)
            $0.key = wish.key
            $0.paths = wish.paths.digest.bytes
            $0.manifest = uploaded.manifest.message
            $0.contentBytes = UInt64(clamping: uploaded.contentBytes)
        }
        let answer = try await farm { try await objects.call(Proto.Agents.SaveCache.self, request) }
        output.say(
            answer.saved
                ? "kept under '\(wish.key)': \(uploaded.files) files, \(ByteCount(Int64(uploaded.contentBytes)))"
                : "'\(wish.key)' was kept by another attempt meanwhile")
    }
}
