import Artifacts
import Foundation
import Model
import Testing

@testable import CoordinatorService

/// A server of repositories: bare ones in a folder, which git reads as it reads one over the network.
final class RepositoryServer {
    let folder: String

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-git-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    var address: String { "file://" + folder }

    @discardableResult
    func git(_ arguments: String..., in place: String) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/git")
        process.arguments = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"] + arguments
        process.currentDirectoryURL = URL(filePath: place)
        process.environment = ["PATH": "/usr/bin:/bin", "HOME": folder, "GIT_CONFIG_NOSYSTEM": "1"]
        let out = Pipe()
        process.standardOutput = out
        process.standardError = FileHandle.nullDevice
        try process.run()
        let bytes = try out.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "git \(arguments)")
        return String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Commits files into a new repository.
    ///
    /// - Parameter change: what else is done in the work tree before the commit.
    /// - Returns: the commit.
    func commit(
        _ name: String, _ files: [String: String], change: (String) throws -> Void = { _ in }
    ) throws -> String {
        let work = folder + "/work-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: work, withIntermediateDirectories: true)
        try git("init", "--quiet", in: work)
        for (path, text) in files {
            let url = URL(filePath: work + "/" + path)
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: url)
        }
        try change(work)
        try git("add", "--all", "--force", in: work)
        try git("commit", "--quiet", "--allow-empty", "-m", "x", in: work)
        let commit = try git("rev-parse", "HEAD", in: work)
        try FileManager.default.createDirectory(
            atPath: folder + "/" + name, withIntermediateDirectories: true)
        try FileManager.default.removeItem(atPath: folder + "/" + name)
        try git("clone", "--quiet", "--bare", work, folder + "/" + name, in: folder)
        try FileManager.default.removeItem(atPath: work)
        return commit
    }
}

@Suite struct `A shelf of actions` {
    private final class Bench {
        let server: RepositoryServer
        let folder: String
        let store: ObjectStore

        init() throws {
            server = try RepositoryServer()
            folder = server.folder + "/coordinator"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            store = try ObjectStore(at: folder + "/objects", durable: false)
        }

        func shelf(_ bounds: GitFetch.Bounds = .init()) throws -> ActionShelf {
            let shelf = ActionShelf(
                rules: try ActionRules(server: server.address, allowed: ["acme/*"]), folder: folder + "/actions",
                store: store, bounds: bounds)
            try shelf.open()
            return shelf
        }

        var leftovers: [String] {
            (try? FileManager.default.contentsOfDirectory(atPath: folder + "/actions"))?
                .filter { $0.hasPrefix("fetching-") } ?? []
        }
    }

    private static func tree(_ outcome: ActionShelf.Outcome) throws -> Digest {
        switch outcome {
        case .tree(let digest): return digest
        case .failed(let problem): throw problem
        }
    }

    private static func problem(_ outcome: ActionShelf.Outcome) throws -> GitFetch.Problem {
        switch outcome {
        case .tree(let digest): throw GitFetch.Problem(text: "there is a tree: \(digest)", mayPass: false)
        case .failed(let problem): return problem
        }
    }

    @Test func `fetches a commit once, and then needs no server`() async throws {
        let bench = try Bench()
        let commit = try bench.server.commit("acme/greet", ["action.yml": "one", "sub/x.sh": "echo"]) {
            chmod($0 + "/sub/x.sh", 0o755)
        }
        let shelf = try bench.shelf()
        async let first = shelf.tree(of: "acme/greet", at: commit)
        async let second = shelf.tree(of: "acme/greet", at: commit)
        let tree = try Self.tree(await first)
        #expect(try Self.tree(await second) == tree)
        #expect(try SubmittedTree(tree, in: bench.store).bytes(ofFile: "action.yml", most: 10) == Array("one".utf8))
        let manifest = try Manifest(decoding: bench.store.read(tree).bytes)
        #expect(manifest.files.map { "\($0.path)" } == ["action.yml", "sub/x.sh"])
        #expect(bench.leftovers.isEmpty)
        try FileManager.default.removeItem(atPath: bench.server.folder + "/acme")
        // Of this life, and of the next.
        #expect(try Self.tree(await shelf.tree(of: "ACME/greet", at: commit)) == tree)
        #expect(try Self.tree(await bench.shelf().tree(of: "acme/greet", at: commit)) == tree)
        // What the farm has lost is fetched again, where it still can.
        _ = try bench.store.remove(manifest.chunks[0].digest)
        let problem = try Self.problem(await bench.shelf().tree(of: "acme/greet", at: commit))
        #expect(!problem.mayPass && problem.text.contains("cannot be fetched"), "\(problem)")
    }

    @Test func `says what is not there, and that asking again is no use`() async throws {
        let bench = try Bench()
        _ = try bench.server.commit("acme/greet", ["action.yml": "one"])
        let shelf = try bench.shelf()
        for (name, commit) in [
            ("acme/greet", String(repeating: "1", count: 40)), ("acme/gone", String(repeating: "a", count: 40)),
        ] {
            let problem = try Self.problem(await shelf.tree(of: name, at: commit))
            #expect(!problem.mayPass, "\(problem)")
            #expect(problem.text.hasPrefix("\(name)@\(commit.prefix(12)) cannot be fetched from"), "\(problem)")
        }
        #expect(bench.leftovers.isEmpty)
    }

    @Test func `takes a tag's or a tree's digits for no commit`() async throws {
        let bench = try Bench()
        _ = try bench.server.commit("acme/greet", ["action.yml": "one"])
        let place = bench.server.folder + "/acme/greet"
        let tree = try bench.server.git("rev-parse", "main^{tree}", in: place)
        let problem = try Self.problem(await bench.shelf().tree(of: "acme/greet", at: tree))
        #expect(!problem.mayPass, "\(problem)")
    }

    @Test func `runs nothing of what a repository brings, and follows nothing out of it`() async throws {
        let bench = try Bench()
        let mark = bench.server.folder + "/owned"
        let commit = try bench.server.commit(
            "acme/evil",
            [
                "action.yml": "one", ".gitattributes": "* filter=evil diff=evil\n",
                ".gitmodules": "[submodule \"x\"]\n\tpath = x\n\turl = ext::sh -c touch% \(mark)\n",
                ".git-hooks/post-checkout": "#!/bin/sh\ntouch \(mark)\n",
            ])
        // The repository's own configuration is the server's business, never ours.
        let place = bench.server.folder + "/acme/evil"
        try bench.server.git("config", "filter.evil.smudge", "touch \(mark)", in: place)
        try bench.server.git("config", "core.fsmonitor", "touch \(mark)", in: place)
        try Data("#!/bin/sh\ntouch \(mark)\n".utf8).write(to: URL(filePath: place + "/hooks/post-checkout"))
        let tree = try Self.tree(await bench.shelf().tree(of: "acme/evil", at: commit))
        #expect(!FileManager.default.fileExists(atPath: mark))
        #expect(try SubmittedTree(tree, in: bench.store).bytes(ofFile: "action.yml", most: 10) == Array("one".utf8))
        let links = try bench.server.commit("acme/links", ["action.yml": "one"]) {
            try FileManager.default.createSymbolicLink(atPath: $0 + "/out", withDestinationPath: "/etc")
        }
        let problem = try Self.problem(await bench.shelf().tree(of: "acme/links", at: links))
        #expect(!problem.mayPass && problem.text.contains("cannot be kept"), "\(problem)")
    }

    @Test func `refuses what is too large, in files, bytes and packs, before it is unpacked`() async throws {
        let bench = try Bench()
        var random = SplitMix64(seed: 7)
        // What no compression makes smaller than half.
        let text = String((0..<100_000).map { _ in "0123456789abcdef".randomElement(using: &random) ?? "0" })
        let commit = try bench.server.commit(
            "acme/large", ["a": text, "b": "2", "c": "3"])
        func problem(_ change: (inout GitFetch.Bounds) -> Void) async throws -> GitFetch.Problem {
            var bounds = GitFetch.Bounds()
            change(&bounds)
            return try Self.problem(await bench.shelf(bounds).tree(of: "acme/large", at: commit))
        }
        for found in [
            try await problem { $0.filesMax = 2 }, try await problem { $0.contentBytesMax = 100_001 },
            try await problem { $0.packBytesMax = 20_000 },
        ] {
            #expect(!found.mayPass && found.text.contains("too large"), "\(found)")
        }
        let late = try await problem { $0.time = .zero }
        #expect(late.mayPass && late.text.contains("within 0 s"), "\(late)")
        #expect(bench.leftovers.isEmpty)
        // At the limit.
        var bounds = GitFetch.Bounds()
        (bounds.filesMax, bounds.contentBytesMax) = (3, 100_002)
        _ = try Self.tree(await bench.shelf(bounds).tree(of: "acme/large", at: commit))
    }
}

@Suite struct `Rules for actions` {
    @Test(arguments: [
        ("acme/greet", true), ("ACME/Greet", true), ("acme/other", false), ("team/any", true), ("teams/any", false),
        ("team", false),
    ])
    func `allow what the owner names, and nothing else`(repository: String, isAllowed: Bool) throws {
        let rules = try ActionRules(server: nil, allowed: ["Acme/greet", "team/*"])
        #expect(rules.allows(repository) == isAllowed)
        #expect((rules.refusal(of: repository) == nil) == isAllowed)
        #expect(rules.address(of: "acme/greet") == "https://github.com/acme/greet")
        #expect(!ActionRules().allows(repository))
    }

    @Test(
        arguments: [
            (nil, ["*"]), (nil, ["*/*"]), (nil, ["acme"]), (nil, ["acme/../x"]), (nil, ["-x/*"]), ("github.com", []),
            ("ext::sh -c x", []), ("https://a b", []), ("--upload-pack=x", []),
        ] as [(String?, [String])])
    func `name owners, repositories and a server, and say what is none`(server: String?, allowed: [String]) {
        #expect(throws: CoordinatorError.self) { try ActionRules(server: server, allowed: allowed) }
    }
}
