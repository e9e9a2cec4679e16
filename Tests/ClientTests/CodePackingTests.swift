import Artifacts
import Foundation
import Model
import Testing
import Transport
import Wire

@testable import Client

@Suite struct `Packing code` {
    private static func git(_ arguments: String..., in folder: String) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments =
            [
                "git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@example.org", "-c",
                "commit.gpgsign=false",
            ] + arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "git \(arguments)")
    }

    /// Packs, unpacks elsewhere, and lists what came.
    private static func travel(
        _ folder: String, _ scratch: String, alone: Bool = false
    ) async throws -> (code: CodePacking, files: [String]) {
        let code = try await CodePacking(folder, alone: alone)
        let channel = LocalChannel(try ObjectStore(at: scratch + "/objects", durable: false))
        let uploaded = try await code.upload(over: channel)
        let place = scratch + "/unpacked"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        let manifest = try await Transfer(channel).download(uploaded.manifest, into: Folder(at: place))
        return (code, manifest.files.map(\.path.text))
    }

    @Test func `leaves out a farm's own folders, whatever they are called and wherever they lie`() async throws {
        try await withFolder { scratch in
            let folder = scratch + "/code"
            try write("1", to: folder + "/sub/eval.py")
            try Self.git("init", "-q", "-b", "main", in: folder)
            try Self.git("add", ".", in: folder)
            try Self.git("commit", "-q", "-m", "one", in: folder)
            try write("key", to: folder + "/sub/.sheaf/state/farm/authority.pem")
            try PrivateFile.makeStateFolder(folder + "/farm")
            try write("key", to: folder + "/farm/authority.pem")
            let (code, files) = try await Self.travel(folder + "/sub", scratch)
            #expect(files == ["sub/eval.py"] && !code.origin.isDirty && code.isRepository)
        }
    }

    private static func told(_ arguments: String..., in folder: String) throws -> String {
        let (process, out) = (Process(), Pipe())
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["git", "-C", folder, "-c", "safe.directory=*"] + arguments
        process.standardOutput = out
        process.standardError = FileHandle.nullDevice
        try process.run()
        let bytes = try out.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Five commits on `main`, a tag on the third, one more on a branch of the remote, one that nobody was given.
    private static func repository(_ folder: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try git("init", "-q", "-b", "main", in: folder)
        for number in 1...5 {
            try write("\(number)", to: folder + "/a.txt")
            try git("add", ".", in: folder)
            try git("commit", "-q", "-m", "commit \(number)", in: folder)
            if number == 3 { try git("tag", "v1.0", in: folder) }
        }
        try git("update-ref", "refs/remotes/origin/main", "HEAD", in: folder)
        for (branch, ref) in [("theirs", "refs/remotes/origin/theirs"), ("mine", "refs/heads/mine")] {
            try git("checkout", "-q", "-b", "tmp", in: folder)
            try write(branch, to: folder + "/b.txt")
            try git("add", ".", in: folder)
            try git("commit", "-q", "-m", branch, in: folder)
            try git("update-ref", ref, "HEAD", in: folder)
            try git("checkout", "-q", "main", in: folder)
            try git("branch", "-q", "-D", "tmp", in: folder)
        }
        try git("remote", "add", "origin", "https://me:secret@example.org/team/eval.git", in: folder)
        try git("config", "user.signingkey", "mine alone", in: folder)
        try write("local change", to: folder + "/a.txt")
    }

    private static func unpacked(
        _ folder: String, _ scratch: String, _ history: HistoryWanted?, alone: Bool = false
    ) async throws -> String {
        let place = scratch + "/unpacked-\(UUID().uuidString)"
        // A store of its own: whoever still ends what he did with the one before has it open.
        let channel = LocalChannel(try ObjectStore(at: place + ".objects", durable: false))
        let uploaded = try await CodePacking(folder, alone: alone).upload(over: channel, history: history)
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        _ = try await Transfer(channel).download(uploaded.manifest, into: Folder(at: place))
        return place
    }

    @Test func `brings all of git's history where it is asked for, and nothing that is private`() async throws {
        try await withFolder { scratch in
            try Self.repository(scratch + "/code")
            let place = try await Self.unpacked(scratch + "/code", scratch, HistoryWanted(depth: nil, tags: true))
            #expect(try Self.told("rev-list", "--count", "HEAD", in: place) == "5")
            #expect(try Self.told("symbolic-ref", "--short", "HEAD", in: place) == "main")
            #expect(try Self.told("describe", "--tags", in: place).hasPrefix("v1.0-2-g"))
            #expect(try Self.told("log", "-1", "--format=%s", "origin/theirs", in: place) == "theirs")
            #expect(try Self.told("log", "--all", "--format=%s", in: place).contains("mine") == false)
            // What differs from the commit is what was changed before it was submitted.
            #expect(try Self.told("status", "--porcelain", in: place) == "M a.txt")
            #expect(try Self.told("remote", "get-url", "origin", in: place) == "https://example.org/team/eval.git")
            #expect(try Self.told("config", "--local", "user.signingkey", in: place).isEmpty)
            #expect(!FileManager.default.fileExists(atPath: place + "/.git/hooks"))
            #expect(try Self.told("fsck", "--full", in: place).isEmpty)
        }
    }

    @Test func `brings so much of it as is asked for, also from a work tree and a shallow clone`() async throws {
        try await withFolder { scratch in
            let code = scratch + "/code"
            try Self.repository(code)
            let two = try await Self.unpacked(code, scratch, HistoryWanted(depth: 2, tags: false))
            #expect(try Self.told("rev-list", "--count", "HEAD", in: two) == "2")
            #expect(try Self.told("tag", in: two).isEmpty)
            // It would hold the time of packing, and whoever packed.
            #expect(!FileManager.default.fileExists(atPath: two + "/.git/logs"))
            let tagged = try await Self.unpacked(code, scratch, HistoryWanted(depth: 1, tags: true))
            #expect(try Self.told("tag", in: tagged) == "v1.0")
            try Self.git("worktree", "add", "-q", "--detach", scratch + "/tree", "v1.0", in: code)
            let tree = try await Self.unpacked(scratch + "/tree", scratch, HistoryWanted(depth: nil, tags: true))
            #expect(try Self.told("rev-list", "--count", "HEAD", in: tree) == "3")
            #expect(try Self.told("rev-parse", "--abbrev-ref", "HEAD", in: tree) == "HEAD")
            #expect(try Self.told("status", "--porcelain", in: tree).isEmpty)
            try Self.git("clone", "-q", "--depth=2", "file://" + code, scratch + "/shallow", in: scratch)
            let shallow = try await Self.unpacked(scratch + "/shallow", scratch, HistoryWanted(depth: nil, tags: true))
            #expect(try Self.told("rev-list", "--count", "HEAD", in: shallow) == "2")
        }
    }

    @Test func `brings none of it unasked, nor to a folder that is a part, nor where there is none`() async throws {
        try await withFolder { scratch in
            let wanted = HistoryWanted(depth: nil, tags: true)
            try Self.repository(scratch + "/code")
            try write("1", to: scratch + "/code/sub/x")
            try write("1", to: scratch + "/plain/x")
            for (folder, history, alone) in [
                ("code", nil, false), ("code/sub", wanted, true), ("plain", wanted, false),
            ] {
                let place = try await Self.unpacked(scratch + "/" + folder, scratch, history, alone: alone)
                #expect(!FileManager.default.fileExists(atPath: place + "/.git"), "\(folder)")
            }
            // The same commit is the same tree, with its history too.
            var digests: Set<Digest> = []
            for _ in 0..<2 {
                let channel = LocalChannel(try ObjectStore(at: scratch + "/again", durable: false))
                let code = try await CodePacking(scratch + "/code")
                digests.insert(try await code.upload(over: channel, history: wanted).manifest.digest)
            }
            #expect(digests.count == 1)
        }
    }

    @Test(arguments: [
        ("https://me:pw@example.org/a/b.git", "https://example.org/a/b.git"),
        ("https://example.org/a@b/c", "https://example.org/a@b/c"), ("ssh://git@host/a/b", "ssh://git@host/a/b"),
        ("git@host:a/b.git", "git@host:a/b.git"), ("/srv/git/a", nil), ("../a", nil), ("file:///a", nil), ("", nil),
    ])
    func `names the remote without passwords and folders`(remote: String, address: String?) {
        #expect(CodeHistory.address(of: remote) == address)
    }

    @Test(arguments: [
        ("git@github.com:owner/name.git", "owner/name"), ("https://github.com/owner/name", "owner/name"),
        ("https://me:pw@example.org:8443/group/sub/name.git/", "group/sub/name"),
        ("ssh://git@host:22/group/sub/name.git", "group/sub/name"), ("git@host:group/sub/name.git", "group/sub/name"),
        ("/srv/git/owner/name.git", "owner/name"), ("../owner/name", "owner/name"),
        ("file:///srv/git/owner/name.git", "owner/name"), ("https://host/name", ""), ("name", ""), ("", ""),
    ])
    func `names the repository by its whole path`(remote: String, name: String) {
        #expect(CodePacking.repository(remote) == name)
    }

    @Test func `refuses a farm's own folder within code that no git keeps`() async throws {
        try await withFolder { scratch in
            try write("1", to: scratch + "/code/eval.py")
            try write("key", to: scratch + "/code/farm/authority.pem")
            try write("key", to: scratch + "/code/.sheaf/state/authority.pem")
            let code = try await CodePacking(scratch + "/code")
            #expect { try code.refuse(state: scratch + "/code/farm") } throws: {
                "\($0)".contains("lies within the code, whose files all travel")
            }
            try code.refuse(state: scratch + "/code/.sheaf/state")
            try code.refuse(state: scratch)
            try code.refuse(state: nil)
        }
    }

    /// What a merge brought was never what the branch was, and may have been anything.
    @Test func `goes back along the branch itself`() async throws {
        try await withFolder { scratch in
            let folder = scratch + "/code"
            try write("1", to: folder + "/file")
            try Self.git("init", "-q", "-b", "main", in: folder)
            try Self.git("commit", "-q", "--allow-empty", "-m", "first", in: folder)
            try Self.git("switch", "-q", "-c", "topic", in: folder)
            for message in ["wrong", "right"] {
                try Self.git("commit", "-q", "--allow-empty", "-m", message, in: folder)
            }
            try Self.git("switch", "-q", "main", in: folder)
            try Self.git("merge", "-q", "--no-ff", "-m", "merged", "topic", in: folder)
            try Self.git("switch", "-q", "-c", "next", in: folder)
            try Self.git("commit", "-q", "--allow-empty", "-m", "next", in: folder)
            let history = try await CodePacking(folder).history(against: "main")
            let expected = ["main", "main^1"].map { try? Self.told("rev-parse", $0, in: folder) }
            #expect(history.commits.map(Optional.some) == expected, "\(history)")
        }
    }

    /// Where the history ends before its beginning, that nothing was found in it says little.
    @Test func `tells where the history of a shallow clone ends`() async throws {
        try await withFolder { scratch in
            let folder = scratch + "/whole"
            for number in 1...4 {
                try write("\(number)", to: folder + "/file")
                if number == 1 { try Self.git("init", "-q", "-b", "main", in: folder) }
                try Self.git("add", ".", in: folder)
                try Self.git("commit", "-q", "-m", "\(number)", in: folder)
            }
            let whole = try await CodePacking(folder).history(against: "main")
            #expect(whole.commits.count == 4 && whole.problem.isEmpty)
            try Self.git("clone", "-q", "--depth", "2", "file://" + folder, scratch + "/shallow", in: folder)
            let shallow = try await CodePacking(scratch + "/shallow").history(against: "main")
            #expect(shallow.commits == Array(whole.commits.prefix(2)))
            #expect(shallow.problem.hasPrefix("this clone is shallow, and its history ends after 2 commits"))
        }
    }

    @Test func `takes what git tracks and does not ignore, as it lies there now`() async throws {
        try await withFolder { scratch in
            let folder = scratch + "/code"
            try write("1", to: folder + "/tracked.py")
            try write("2", to: folder + "/gone.py")
            try write("*.log\n", to: folder + "/.gitignore")
            try Self.git("init", "-q", "-b", "main", in: folder)
            try Self.git("add", ".", in: folder)
            try Self.git("commit", "-q", "-m", "one", in: folder)
            try Self.git("remote", "add", "origin", "git@host.example:team/eval.git", in: folder)
            let clean = try await CodePacking(folder + "/.")
            #expect(clean.origin.branch == "main" && !clean.origin.isDirty && clean.origin.commit.count == 40)
            #expect(clean.origin.repository == "team/eval")

            try FileManager.default.removeItem(atPath: folder + "/gone.py")
            try write("changed", to: folder + "/tracked.py")
            try write("3", to: folder + "/sub folder/new\n-\"name\" ☃.py")
            try write("4", to: folder + "/noise.log")
            try write("5", to: folder + "/.sheaf/state/store.sqlite")
            let (code, files) = try await Self.travel(folder, scratch)
            #expect(files == [".gitignore", "sub folder/new\n-\"name\" ☃.py", "tracked.py"])
            #expect(code.origin.isDirty && code.origin.commit == clean.origin.commit)
            #expect(try String(contentsOfFile: scratch + "/unpacked/tracked.py", encoding: .utf8) == "changed")

            // A folder named on its own travels without what lies around it, and is of the same commit.
            try FileManager.default.createDirectory(
                atPath: scratch + "/alone", withIntermediateDirectories: false)
            let (alone, own) = try await Self.travel(folder + "/sub folder", scratch + "/alone", alone: true)
            #expect(own == ["new\n-\"name\" ☃.py"] && alone.origin.commit == clean.origin.commit)
        }
    }

    @Test func `takes the whole repository when the workflow lies in a part of it`() async throws {
        try await withFolder { scratch in
            let folder = scratch + "/code"
            try write("on: push", to: folder + "/.github/workflows/ml.yml")
            try write("1", to: folder + "/eval.py")
            try Self.git("init", "-q", in: folder)
            let (code, files) = try await Self.travel(folder + "/.github/workflows", scratch)
            #expect(files == [".github/workflows/ml.yml", "eval.py"])
            // No commit yet: nothing is claimed.
            #expect(code.origin.commit.isEmpty && code.origin.isDirty)
        }
    }

    @Test func `takes submodules along that are checked out, with what lies in them now`() async throws {
        try await withFolder { scratch in
            for (name, file) in [("inner", "c.py"), ("library", "b.py")] {
                try write("1", to: scratch + "/\(name)/\(file)")
                try Self.git("init", "-q", in: scratch + "/\(name)")
                if name == "library" { try Self.add(scratch + "/inner", as: "in side", to: scratch + "/library") }
                try Self.git("add", ".", in: scratch + "/\(name)")
                try Self.git("commit", "-q", "-m", "one", in: scratch + "/\(name)")
            }
            let folder = scratch + "/code"
            try write("1", to: folder + "/a.py")
            try Self.git("init", "-q", in: folder)
            try Self.add(scratch + "/library", as: "libs/one", to: folder)
            try Self.add(scratch + "/library", as: "libs/two", to: folder)
            try Self.git("add", ".", in: folder)
            try Self.git("commit", "-q", "-m", "one", in: folder)
            try Self.git("-c", "protocol.file.allow=always", "submodule", "update", "--init", "--recursive", in: folder)
            try write("changed", to: folder + "/libs/one/b.py")
            try write("new", to: folder + "/libs/one/in side/d.py")
            try Self.git("submodule", "deinit", "-q", "-f", "libs/two", in: folder)
            let (code, files) = try await Self.travel(folder, scratch)
            #expect(
                files == [
                    ".gitmodules", "a.py", "libs/one/.gitmodules", "libs/one/b.py", "libs/one/in side/c.py",
                    "libs/one/in side/d.py",
                ])
            #expect(code.origin.isDirty)
            #expect(try String(contentsOfFile: scratch + "/unpacked/libs/one/b.py", encoding: .utf8) == "changed")
        }
    }

    private static func add(_ other: String, as path: String, to folder: String) throws {
        try git("-c", "protocol.file.allow=always", "submodule", "add", "-q", other, path, in: folder)
    }

    @Test func `takes a folder without git, but for our own state`() async throws {
        try await withFolder { scratch in
            let folder = scratch + "/code"
            try write("1", to: folder + "/eval.py")
            try write("2", to: folder + "/.sheaf/state/x")
            let (code, files) = try await Self.travel(folder, scratch)
            #expect(files == ["eval.py"] && code.origin.commit.isEmpty && !code.origin.isDirty)
        }
    }

    @Test func `sends what the farm lacks, once`() async throws {
        try await withFolder { scratch in
            let store = try ObjectStore(at: scratch + "/farm", durable: false)
            let requests = Seen<Proto.SubmitRunRequest>()
            let farm = try await FakeFarm { stream, method, _ in
                await Self.serve(stream, method, store, requests)
            }
            try write("print(1)", to: scratch + "/code/eval.py")
            try write("on: push", to: scratch + "/code/eval.yml")
            let client = try await farm.connect()
            var request = Proto.SubmitRunRequest()
            request.key = Submitting.newKey()
            let first = try await Submitting.prepare(request, code: scratch + "/code", alone: false, to: client)
            #expect(first.files == 2 && first.sentBytes > 0)
            #expect(try await Submitting.send(first, to: client).run == RunID(3))
            let second = try await Submitting.prepare(request, code: scratch + "/code", alone: false, to: client)
            _ = try await Submitting.send(second, to: client)
            #expect(second.sentBytes == 0)
            let tree = try #require(Digest(requests.all.first?.tree ?? []))
            #expect(store.contains(tree))
            #expect(requests.all.count == 2 && requests.all[0] == requests.all[1])
            await farm.server.stop()
        }
    }

    @Test func `makes keys that the farm takes and that differ`() {
        let keys = (0..<100).map { _ in Submitting.newKey() }
        #expect(Set(keys).count == 100 && keys.allSatisfy { $0.utf8.count == 32 })
    }

    /// Objects and runs as a coordinator takes them, with a store at hand.
    private static func serve(
        _ stream: LinkStream, _ method: String, _ store: ObjectStore, _ requests: Seen<Proto.SubmitRunRequest>
    ) async {
        do {
            switch method {
            case Proto.Objects.Missing.name:
                await stream.answer(Proto.Objects.Missing.self) { request throws(LinkStatus) in
                    guard request.scope?.kind == .submission(true) else { throw LinkStatus(.denied, "a wrong scope") }
                    return .with {
                        $0.digests = store.missing(of: request.digests.compactMap { Digest($0) }).map(\.bytes)
                    }
                }
            case Proto.Objects.Put.name:
                guard case .header(let header) = try await stream.receive(Proto.PutPart.self)?.kind,
                    let object = header.object.flatMap(ObjectRef.init)
                else { return await stream.finish(LinkStatus(.invalid, "no header")) }
                var bytes: [UInt8] = []
                while case .bytes(let part) = try await stream.receive(Proto.PutPart.self)?.kind { bytes += part }
                _ = try store.put(
                    EncodedObject(object: object, encoding: ObjectEncoding(header.encoding), bytes: bytes))
                try await stream.send(Proto.PutResponse())
                await stream.finish()
            default:
                await stream.answer(Proto.Farm.SubmitRun.self) { request throws(LinkStatus) in
                    requests.note(request)
                    return .with { $0.run = 3 }
                }
            }
        } catch {
            await stream.finish(LinkStatus(.internal, "\(error)"))
        }
    }
}
