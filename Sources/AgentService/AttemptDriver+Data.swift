import Artifacts
import Glibc
import JSON
import Locks
import Model
import Wire

extension AttemptDriver {
    // MARK: Items

    /// Writes the items of this shard, one per line, to `$SHEAF_ITEMS`.
    func fetchItems() async throws {
        guard let slice = assignment.items, let place, let path = itemsPath else { return }
        let transfer = transfer
        let listing = try await farm {
            try await transfer.fetch(slice.listing, of: slice.listing.digest, bytesMax: Limits.itemsFileBytesMax)
        }
        var text: [UInt8] = []
        var number = 0
        for line in listing.bytes.split(separator: UInt8(ascii: "\n")) {
            if number >= slice.first + slice.count { break }
            if number >= slice.first {
                text += line
                text.append(UInt8(ascii: "\n"))
            }
            number += 1
        }
        guard number == slice.first + slice.count else {
            throw AgentError.farm(
                "the listing has \(number) items, and this shard was given \(slice.first + slice.count)")
        }
        try place.folder.write(text, to: path, mode: 0o644)
    }

    /// Lists a cell's items: from a file of the code tree, what a command writes, or what a collector finds.
    func list() async throws {
        guard let place, let source = assignment.itemSource else { throw AgentError.farm("a listing without a source") }
        try await unpackTree(into: place.folder.workspace, existing: .replace)
        let items: [String]
        switch source {
        case .file(let named):
            let path = try contexts.text(of: named, "shards.items.file")
            // No step has run yet: the workspace holds the submitted tree and nothing else.
            do {
                let file = try TreePath(Array(path.utf8))
                let bytes = try Files.read(
                    place.folder.workspace + "/" + file.text, bytesMax: Limits.itemsFileBytesMax, followingLinks: false)
                items = try Self.items(bytes)
            } catch {
                throw AgentError.user("shards.items.file '\(path.prefix(200))': \(error)")
            }
        case .command(let text):
            items = try Self.items(try await written(by: try contexts.text(of: text, "shards.items.command"), place))
        case .collect(let collector):
            guard collector == "pytest" else { throw AgentError.user("there is no collector '\(collector)'") }
            items = try await collectedByPytest(place)
        }
        if let item = items.first(where: { output.masked($0) != $0 }) {
            throw AgentError.user("the listing would give away a secret, in the item '\(output.masked(item))'")
        }
        report.listing = try results.keep(Array(items.joined(separator: "\n").utf8)).message
        report.listingCount = UInt32(clamping: items.count)
        output.say("listed \(items.count) items")
    }

    /// The lines of a listing as items: no empty ones, each once.
    private static func items(_ bytes: [UInt8]) throws(AgentError) -> [String] {
        var items: [String] = []
        var number = 0
        for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            guard let text = String(validating: line, as: UTF8.self) else {
                throw .user("line \(number) of the listing is not UTF-8")
            }
            items.append(text.trimmed)
        }
        return try checked(items)
    }

    /// Items as they were named, from line 1 on, without the empty ones.
    private static func checked(_ named: [String]) throws(AgentError) -> [String] {
        var items: [String] = []
        var seen: Set<String> = []
        for (index, item) in named.enumerated() where !item.isEmpty {
            let line = index + 1
            guard item.utf8.count <= Limits.itemIDBytesMax else {
                throw .user(
                    "the item in line \(line) of the listing has more than \(Limits.itemIDBytesMax) bytes: '\(item.prefix(60))…'"
                )
            }
            guard seen.insert(item).inserted else {
                throw .user("line \(line) of the listing names '\(item.prefix(100))' a second time")
            }
            items.append(item)
            guard items.count <= Limits.itemsPerCellMax else {
                throw .user("the listing has more than \(Limits.itemsPerCellMax) items")
            }
        }
        return items
    }

    /// Asks pytest itself, not its output: what it prints depends on options, plugins and versions.
    private static let pytestCollector = """
        import json, os, sys
        sys.path[0] = os.getcwd()
        import pytest
        class Collected:
            def pytest_collection_finish(self, session):
                with open(sys.argv[1], "w", encoding="utf-8") as out:
                    for item in session.items:
                        out.write(json.dumps(item.nodeid) + "\\n")
        code = pytest.main(["--collect-only", "-q"], plugins=[Collected()])
        sys.exit(0 if code == pytest.ExitCode.NO_TESTS_COLLECTED else code)

        """

    private func collectedByPytest(_ place: Place) async throws -> [String] {
        let script = place.folder.files + "/collect.py"
        let result = place.folder.files + "/collected.jsonl"
        try place.folder.write(Array(Self.pytestCollector.utf8), to: script)
        // Made by pytest; without it, collecting has not come to its end.
        Files.removeTree(result)
        try await runLister(["python", script, result], "python -m pytest --collect-only", place)
        let bytes: [UInt8]
        do {
            bytes = try Files.read(result, bytesMax: Limits.itemsFileBytesMax, followingLinks: false)
        } catch {
            throw AgentError.user("pytest has collected nothing: \(output.last.line)")
        }
        return try Self.checked(
            try bytes.split(separator: UInt8(ascii: "\n")).map { line in
                guard let value = try? JSONParser.value(String(decoding: line, as: UTF8.self)), let item = value.string
                else { throw AgentError.user("what pytest collected cannot be read: \(result)") }
                guard !item.contains(where: \.isNewline) else {
                    throw AgentError.user("the test '\(item.prefix(100))' has a line break in its id: no item may")
                }
                return item
            })
    }

    /// What a command writes on its standard output; what it complains of goes to the log.
    private func written(by script: String, _ place: Place) async throws -> [UInt8] {
        let path = self.environment(own: [], commandFiles: []).last { $0.hasPrefix("PATH=") }
        let shell = Shell.standard(
            hasBash: place.image == nil && find("bash", path: String(path?.dropFirst(5) ?? "")) != nil)
        let file = place.folder.files + "/list" + shell.suffix
        try place.folder.write(Array(script.utf8), to: file, mode: 0o700)
        let taken = TakenBytes(max: Limits.itemsFileBytesMax)
        try await runLister(shell.arguments(script: file), script, place, taken)
        guard !taken.isTooMuch else { throw AgentError.user("the command that lists items writes more than 1 GiB") }
        return taken.bytes
    }

    private func runLister(
        _ arguments: [String], _ name: String, _ place: Place, _ taken: TakenBytes? = nil
    ) async throws {
        let files = try CommandFiles(in: place.folder, number: 0)
        let environment = environment(own: [], commandFiles: files.variables)
        output.say("listing: \(name)")
        output.beginStep()
        let oomBefore = oomKills
        let (exit, _) = try await execute(
            arguments, environment: environment, directory: place.folder.workspace,
            output: { [output] stream, bytes in
                if let taken, stream == .out { taken.add(bytes) } else { output.take(stream, bytes) }
            })
        _ = output.endStep()
        if stopReason != nil { throw AgentError.cancelled }
        let subject = "the command that lists items"
        guard var cause = cause(of: exit, subject, isLate: nil, oomKilledBefore: oomBefore) else { return }
        // A listing that fails by itself fails the same way everywhere.
        if cause.kind == .userExit || cause.kind == .signal {
            cause = Cause(.userError, evidence: "\(cause.evidence): \(output.last.line)")
        }
        throw AgentError.ended(cause)
    }

    // MARK: The code tree

    /// Unpacks the run's code tree. It belongs to the attempt's user.
    @discardableResult
    func unpackTree(into folder: String, existing: TreeWriter.Existing = .refuse) async throws -> Manifest {
        guard let tree = assignment.tree else { throw AgentError.user("the run has no code tree to check out") }
        let transfer = transfer
        let owner = place?.account.map { Owner(user: $0.user, group: $0.group) }
        let root = try Folder(at: folder)
        return try await farm {
            let object = try await transfer.reference(to: tree, of: tree)
            return try await transfer.download(object, into: root, existing: existing, owner: owner)
        }
    }

    // MARK: Actions

    /// Does what an action of GitHub's does here.
    ///
    /// - Returns: its outputs.
    func use(_ action: String, _ with: [CommandFile.Entry]) async throws -> [CommandFile.Entry] {
        let with = Dictionary(with.map { ($0.name.lowercased(), $0.value) }) { $1 }
        switch action.lowercased() {
        case "actions/checkout": return try await checkout(with)
        case "actions/setup-python":
            let wanted = with["python-version"] ?? assignment.python ?? ""
            let interpreter = try interpreter(for: wanted)
            if view?.interpreter != interpreter { try await enter(interpreter, steps: []) }
            return [
                .init(name: "python-version", value: interpreter.version),
                .init(name: "python-path", value: (view?.bin ?? "") + "/python"),
                .init(name: "cache-hit", value: try await pipCache(with, interpreter)),
            ]
        case "actions/cache", "actions/cache/restore", "actions/cache/save":
            return try await cache(action.lowercased(), with)
        case "actions/upload-artifact": return try await upload(with)
        case "actions/download-artifact": return try await download(with)
        default: throw AgentError.user("the action '\(action)' is not supported")
        }
    }

    /// Makes a folder below one that belongs to the attempt's user, through no link.
    func subfolder(_ target: String, of folder: String) throws -> String {
        let below = String(target.dropFirst(folder.count + 1))
        let owner = place?.account.map { Owner(user: $0.user, group: $0.group) }
        _ = try Folder(at: folder).subfolder(below, creating: true, owner: owner)
        return target
    }

    private func upload(_ with: [String: String]) async throws -> [CommandFile.Entry] {
        guard let place else { throw AgentError.cancelled }
        let name = with["name"].flatMap { $0.isEmpty ? nil : $0 } ?? "artifact"
        guard let paths = with["path"], !paths.trimmed.isEmpty else {
            throw AgentError.user("upload-artifact needs 'path'")
        }
        guard Self.isArtifactName(name) else {
            throw AgentError.user(
                "'\(name.prefix(100))' is no name of an artifact: no \" : < > | * ? \\ / and no line breaks")
        }
        guard output.masked(name) == name else {
            throw AgentError.user("the artifact's name holds a masked value; names are shown to everybody")
        }
        guard !report.artifacts.contains(where: { $0.name == name }) || with["overwrite"] == "true" else {
            throw AgentError.user(
                "this attempt has uploaded an artifact '\(name)' already; give each upload a name of its own")
        }
        let policyText = with["if-no-files-found"] ?? "warn"
        guard let policy = NoFilesPolicy(rawValue: policyText) else {
            throw AgentError.user("if-no-files-found is warn, error or ignore, not '\(policyText)'")
        }
        let patterns = try PathPatterns(paths, workspace: place.folder.workspace)
        let scan = try TreeScan(
            of: Folder(at: place.folder.workspace), .patterns(patterns, hidden: with["include-hidden-files"] == "true"))
        for warning in try scan.warnings(policy, for: patterns) { output.note("warning", warning) }
        guard !scan.isEmpty else { return [] }
        if let file = try await fileWithSecret(in: scan) {
            throw AgentError.user(
                "the artifact '\(name)' would give away a secret, in '\(file)': nothing of it was uploaded; "
                    + "leave the file out, or keep the secret out of it")
        }
        let transfer = transfer
        let uploaded = try await farm { try await transfer.upload(TreePlan(scan)) }
        report.artifacts.removeAll { $0.name == name }
        report.artifacts.append(
            .with {
                $0.name = name
                $0.manifest = uploaded.manifest.message
                $0.contentBytes = UInt64(clamping: uploaded.contentBytes)
                $0.files = UInt32(clamping: uploaded.files)
                $0.retentionDays = with["retention-days"].flatMap { UInt32($0) } ?? 0
            })
        output.say(
            "artifact '\(name)': \(uploaded.files) file\(uploaded.files == 1 ? "" : "s"), \(ByteCount(Int64(uploaded.contentBytes))), \(ByteCount(Int64(uploaded.sentBytes))) sent"
        )
        return [
            .init(name: "artifact-digest", value: uploaded.manifest.digest.hex),
            .init(name: "artifact-id", value: uploaded.manifest.digest.short),
        ]
    }

    private static func isArtifactName(_ name: String) -> Bool {
        let forbidden: Set<Character> = ["\"", ":", "<", ">", "|", "*", "?", "\r", "\n", "\\", "/", "\0"]
        return !name.isEmpty && name.utf8.count <= 255 && !name.contains(where: forbidden.contains) && name != "."
            && name != ".."
    }

    private func download(_ with: [String: String]) async throws -> [CommandFile.Entry] {
        guard let place else { throw AgentError.cancelled }
        let target = (with["path"] ?? "").resolved(from: place.folder.workspace).standardizedPath
        guard target.isInside(place.folder.workspace) else {
            throw AgentError.user("download-artifact's path '\(with["path"] ?? "")' leads out of the workspace")
        }
        let name = with["name"].flatMap { $0.isEmpty ? nil : $0 }
        let pattern = try with["pattern"].flatMap { $0.isEmpty ? nil : $0 }.map {
            try PathPatterns(Braces.expanded($0).joined(separator: "\n"), workspace: nil)
        }
        let chosen = assignment.artifacts.filter { item in
            let own = item.artifact?.name ?? ""
            if let name { return own == name }
            guard let pattern else { return true }
            return pattern.match([Array(own.utf8)[...]], isFolder: false) == .matches
        }
        guard !chosen.isEmpty || name == nil else {
            let known = Set(assignment.artifacts.compactMap { $0.artifact?.name }).sorted().joined(separator: ", ")
            throw AgentError.user(
                "no job that this one needs has an artifact '\(name ?? "")'"
                    + (known.isEmpty ? "" : "; there are \(known)"))
        }
        if chosen.isEmpty {
            let which = with["pattern"].map { " that '\($0.prefix(200))' matches" } ?? ""
            output.note("warning", "download-artifact: the jobs that this one needs have no artifact\(which)")
        }
        let places = ArtifactPlaces(chosen)
        let merges = name != nil || with["merge-multiple"] == "true"
        let owner = place.account.map { Owner(user: $0.user, group: $0.group) }
        for item in chosen {
            guard let artifact = item.artifact, let object = artifact.manifest.flatMap(ObjectRef.init) else { continue }
            // One of several artifacts of a name lies in its cell's or shard's own folder, unless they are to be merged.
            var below = merges ? target : target + "/" + artifact.name
            let isOneOfMany = chosen.contains {
                $0.artifact?.name == artifact.name
                    && ($0.job != item.job || $0.cell != item.cell || $0.shard != item.shard)
            }
            if isOneOfMany, with["merge-multiple"] != "true" {
                below += "/" + places.within(item)
            }
            let folder = below == place.folder.workspace ? below : try subfolder(below, of: place.folder.workspace)
            let transfer = transfer
            let root = try Folder(at: folder)
            _ = try await farm { try await transfer.download(object, into: root, existing: .replace, owner: owner) }
        }
        return [.init(name: "download-path", value: target)]
    }
}

/// Bytes that a program writes, up to a limit.
final class TakenBytes: Sendable {
    private let most: Int
    private let state = Mutex((bytes: [UInt8](), isTooMuch: false))

    init(max: Int) { most = max }

    func add(_ bytes: ArraySlice<UInt8>) {
        state.withLock { state in
            if state.bytes.count + bytes.count > most { state.isTooMuch = true } else { state.bytes += bytes }
        }
    }

    var bytes: [UInt8] { state.withLock { $0.bytes } }
    var isTooMuch: Bool { state.withLock { $0.isTooMuch } }
}
