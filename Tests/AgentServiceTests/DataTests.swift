import Artifacts
import Glibc
import Model
import Testing
import Wire

@testable import AgentService

@Suite(.timeLimit(.minutes(10))) struct `What an attempt is given and gives` {
    private static func artifact(
        _ name: String, _ manifest: Proto.ObjectRef?, cell: String = "eval_a", shard: Int32 = 0, of count: UInt32 = 1
    ) -> Proto.RunArtifact {
        .with {
            $0.job = "train"
            $0.cell = cell
            $0.shard = shard
            $0.attempt = 1
            $0.shardCount = count
            $0.artifact = .with {
                $0.name = name
                $0.manifest = manifest
            }
        }
    }

    @Test func `the code tree, in the workspace and below it`() async throws {
        let workshop = try await Workshop(accounts: Workshop.isRoot ? Workshop.users : AccountPool(.own))
        let tree = try await workshop.tree(["eval.py": "print(1)\n", "data/a.txt": "a\n"])
        let ended = try await workshop.attempt([
            uses("actions/checkout", id: "code"), uses("actions/checkout", ["path": "below/here"]),
            run("find . -type f | sort; cat data/a.txt; echo more >> eval.py; echo ${{ steps.code.outputs.commit }}"),
        ]) { $0.tree = tree }
        #expect(ended.report.cause == "passed", "\(ended.report.evidence)")
        #expect(
            ended.out == [
                "./below/here/data/a.txt", "./below/here/eval.py", "./data/a.txt", "./eval.py", "a", "abc123",
            ])
    }

    @Test func `a checkout that leads out of the workspace is refused, through a link too`() async throws {
        let workshop = try await Workshop()
        let tree = try await workshop.tree(["a": "1"])
        for path in ["../out", "/tmp"] {
            let ended = try await workshop.attempt([uses("actions/checkout", ["path": path])]) { $0.tree = tree }
            #expect(ended.report.cause == "user_error")
            #expect(ended.report.evidence.contains("leads out of the workspace"), "\(ended.report.evidence)")
        }
        let linked = try await workshop.attempt([
            run("ln -s \"$HOME\" link"), uses("actions/checkout", ["path": "link/x"]),
            run("ls -A \"$HOME\"", if: "always()"),
        ]) { $0.tree = tree }
        #expect(linked.report.cause == "user_error", "\(linked.report.evidence)")
        #expect(linked.out == [])
    }

    @Test(arguments: [
        ("ref", "refs/heads/main", ""), ("ref", "main", ""), ("ref", "abc123", ""), ("ref", "", ""),
        ("ref", "topic", ""), ("ref", "refs/heads/topic", ""), ("ref", "f00d", "is not supported"),
        ("ref", "v1.2", "checkout of 'v1.2' is not supported"), ("ref", "abc", "check the other one out"),
        ("repository", "Team/Eval", ""), ("repository", "team/other", "checkout of another repository"),
        ("submodules", "false", ""), ("submodules", "true", "the submodule 'libs/b' was not there"),
        ("submodules", "recursive", "the submodule 'libs/b' was not there when the code was submitted, nor 1 more"),
        ("lfs", "false", ""), ("lfs", "true", "1 file of the submitted tree is a pointer of Git LFS ('data/m.bin')"),
    ])
    func `checkout honours what the submitted tree can, and names the rest`(
        input: String, value: String, words: String
    ) async throws {
        let workshop = try await Workshop()
        let tree = try await workshop.tree([
            ".gitmodules":
                "[submodule \"a\"]\n\tpath = libs/a\n\turl = ../a\n[submodule \"b\"]\n  path=libs/b\n[x]\npath = ../up\n",
            "libs/a/x.py": "1", "libs/a/.gitmodules": "[submodule \"deep\"]\npath = deep\n", "libs/bb/x.py": "1",
            ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "data/whole.bin": "bytes",
            "data/m.bin": "version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 99\n",
        ])
        let ended = try await workshop.attempt([uses("actions/checkout", [input: value])]) {
            $0.tree = tree
            $0.contexts = [
                .init(
                    "github",
                    [
                        "ref": "refs/heads/main", "ref_name": "main", "sha": "abc123", "repository": "team/eval",
                        "head_ref": "topic", "ref_type": "branch",
                        "event": ["after": "f00d", "pull_request": ["head": ["ref": "topic", "sha": "abc123"]]],
                    ])
            ]
        }
        #expect(ended.report.cause == (words.isEmpty ? "passed" : "user_error"), "\(ended.report.evidence)")
        #expect(words.isEmpty || ended.report.evidence.contains(words), "\(ended.report.evidence)")
    }

    @Test func `an artifact goes up and comes down as it was`() async throws {
        let workshop = try await Workshop(accounts: Workshop.isRoot ? Workshop.users : AccountPool(.own))
        let up = try await workshop.attempt([
            run(
                "mkdir -p out/deep; echo model > out/deep/m.bin; printf '#!/bin/sh\\necho hi\\n' > out/run; chmod +x out/run"
            ),
            uses("actions/upload-artifact", ["name": "model", "path": "out"]),
        ])
        #expect(up.report.cause == "passed", "\(up.report.evidence)")
        let artifact = try #require(up.report.artifacts.first)
        #expect(artifact.name == "model" && artifact.files == 2)
        let down = try await workshop.attempt([
            uses("actions/download-artifact", ["name": "model", "path": "in"]), run("cat in/deep/m.bin; in/run"),
            uses("actions/download-artifact", ["path": "all"]), run("cat all/model/deep/m.bin"),
            uses("actions/download-artifact", ["name": "other"]),
        ]) { $0.artifacts = [Self.artifact("model", artifact.manifest)] }
        #expect(down.out == ["model", "hi", "model"])
        #expect(down.report.cause == "user_error")
        #expect(down.report.evidence.hasSuffix("has an artifact 'other'; there are model"), "\(down.report.evidence)")
    }

    @Test func `artifacts of one name do not overwrite each other`() async throws {
        let workshop = try await Workshop()
        var artifacts: [Proto.RunArtifact] = []
        for (cell, shard, count) in [("eval_a", 0, 1), ("eval_b", 0, 2), ("eval_b", 1, 2)] {
            let up = try await workshop.attempt([
                run("echo \(cell) \(shard) > result"),
                uses("actions/upload-artifact", ["name": "part", "path": "result"]),
            ])
            artifacts.append(
                Self.artifact(
                    "part", up.report.artifacts.first?.manifest, cell: cell, shard: Int32(shard), of: UInt32(count)))
        }
        let ended = try await workshop.attempt([
            uses("actions/download-artifact", ["path": "all"]),
            uses("actions/download-artifact", ["name": "part", "path": "one"]),
            run("find . -type f | sort | while read f; do echo \"$f: $(cat $f)\"; done"),
        ]) { [artifacts] in $0.artifacts = artifacts }
        #expect(
            ended.out == [
                "./all/part/eval_a/result: eval_a 0", "./all/part/eval_b/0/result: eval_b 0",
                "./all/part/eval_b/1/result: eval_b 1", "./one/eval_a/result: eval_a 0",
                "./one/eval_b/0/result: eval_b 0",
                "./one/eval_b/1/result: eval_b 1",
            ])
    }

    @Test func `an artifact's path that is not there warns or fails, as was asked`() async throws {
        let workshop = try await Workshop()
        let warned = try await workshop.attempt([uses("actions/upload-artifact", ["path": "nothing/*.bin"])])
        #expect(warned.report.cause == "passed")
        #expect(warned.report.artifacts.isEmpty)
        #expect(warned.report.annotations.contains { $0.level == "warning" && $0.text.contains("nothing/*.bin") })
        let failed = try await workshop.attempt([
            uses("actions/upload-artifact", ["path": "nothing", "if-no-files-found": "error"])
        ])
        #expect(failed.report.cause == "user_error")
        #expect(failed.report.evidence.contains("nothing"), "\(failed.report.evidence)")
    }

    @Test func `nothing outside the workspace becomes an artifact, through a link neither`() async throws {
        let workshop = try await Workshop()
        let outside = try await workshop.attempt([uses("actions/upload-artifact", ["path": "/etc/passwd"])])
        #expect(outside.report.cause == "user_error", "\(outside.report.evidence)")
        #expect(outside.report.artifacts.isEmpty)
        let linked = try await workshop.attempt([
            run("mkdir out; echo 1 > out/a; ln -s /etc out/etc; ln -s /etc/passwd out/passwd"),
            uses("actions/upload-artifact", ["path": "out"]),
        ])
        for artifact in linked.report.artifacts {
            #expect(artifact.files <= 1)
            #expect(try !linked.text(artifact.manifest).contains("passwd"))
        }
    }

    @Test func `metrics, items and their slice`() async throws {
        let workshop = try await Workshop()
        let listing = workshop.farm.objects.add("zero\none\ntwo\nthree\n")
        let ended = try await workshop.attempt([
            run(
                "cat \"$SHEAF_ITEMS\"; echo '{\"a\": 1}' > metrics.json; echo '{\"id\": \"one\"}' > \"$SHEAF_ITEMS_OUT\""
            )
        ]) {
            $0.items = .init(listing: listing, first: 1, count: 2)
            $0.work.metrics = "metrics.json"
        }
        #expect(ended.report.cause == "passed", "\(ended.report.evidence)")
        #expect(ended.out == ["one", "two"])
        #expect(try ended.text(ended.report.metrics) == "{\"a\": 1}\n")
        #expect(try ended.text(ended.report.items) == "{\"id\": \"one\"}\n")
        let short = try await workshop.attempt([run("true")]) { $0.items = .init(listing: listing, first: 3, count: 2) }
        #expect(short.report.cause == "agent_fault", "a listing that is too short is nobody's pass")
    }

    @Test func `metrics that were not written are missing, and that is said`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([run("true")]) { $0.work.metrics = "out/metrics.json" }
        #expect(ended.report.metrics == nil)
        #expect(ended.report.annotations.map(\.text) == ["the metrics file 'out/metrics.json' was not written"])
    }

    @Test func `metrics that came with the code tree do not count`() async throws {
        let workshop = try await Workshop()
        let tree = try await workshop.tree(["metrics.json": "{\"accuracy\": 1}"])
        let old = try await workshop.attempt([uses("actions/checkout"), run("true")]) {
            $0.tree = tree
            $0.work.metrics = "metrics.json"
        }
        #expect(old.report.metrics == nil)
        #expect(old.report.annotations.contains { $0.text.contains("does not count") })
        let new = try await workshop.attempt([uses("actions/checkout"), run("echo '{\"accuracy\": 0}' > metrics.json")])
        {
            $0.tree = tree
            $0.work.metrics = "metrics.json"
        }
        #expect(try new.text(new.report.metrics) == "{\"accuracy\": 0}\n")
    }

    @Test func `metrics are never read through a link or from outside`() async throws {
        let workshop = try await Workshop()
        let named = try await workshop.attempt([run("true")]) { $0.work.metrics = "../home/m.json" }
        #expect(named.report.cause == "user_error")
        #expect(named.report.evidence == "metrics '../home/m.json' leads out of the workspace")
        for script in ["ln -s /etc/passwd metrics.json", "ln -s /etc sub"] {
            let ended = try await workshop.attempt([run(script)]) {
                $0.work.metrics = script.hasSuffix("sub") ? "sub/passwd" : "metrics.json"
            }
            #expect(ended.report.metrics == nil)
            #expect(ended.report.cause == "user_error", "\(ended.report.evidence)")
            #expect(ended.report.evidence.contains("link"), "\(ended.report.evidence)")
        }
    }

    @Test func `a listing comes from a file of the tree or from a command`() async throws {
        let workshop = try await Workshop()
        let tree = try await workshop.tree(["items.txt": "a\n\n b \n", "none.txt": "\n"])
        func list(_ source: ShardPlan.ItemSource) async throws -> Ended {
            try await workshop.attempt(shard: ShardID.listing) {
                $0.tree = tree
                $0.itemSource = source
            }
        }
        let file = try await list(.file("items.txt"))
        #expect(try file.text(file.report.listing) == "a\nb")
        #expect(file.report.listingCount == 2)
        let command = try await list(.command("cat items.txt; echo c; echo chatter >&2"))
        #expect(try command.text(command.report.listing) == "a\nb\nc")
        #expect(command.err == ["chatter"])
        let none = try await list(.file("none.txt"))
        #expect(none.report.cause == "passed" && none.report.listingCount == 0 && none.report.listing != nil)
    }

    @Test func `a listing that cannot be one says why`() async throws {
        let workshop = try await Workshop()
        let tree = try await workshop.tree(["items.txt": "a\n\nb\na\n", "bad.txt": "a\n"])
        for (source, problem) in [
            (ShardPlan.ItemSource.file("items.txt"), "line 4 of the listing names 'a' a second time"),
            (.file("missing.txt"), "missing.txt"), (.file("../spool"), "../spool"),
            (.command("echo broken >&2; exit 3"), "broken"),
            (.command("printf 'a\\n\\n\\377\\n'"), "line 3 of the listing is not UTF-8"),
            (.collect("magic"), "there is no collector 'magic'"),
        ] {
            let ended = try await workshop.attempt(shard: ShardID.listing) {
                $0.tree = tree
                $0.itemSource = source
            }
            #expect(ended.report.cause == "user_error", "\(source): \(ended.report.evidence)")
            #expect(ended.report.evidence.contains(problem), "\(source): \(ended.report.evidence)")
            #expect(ended.report.listing == nil)
        }
    }

    @Test func `data that is not held here is unavailable`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([run("echo never")]) {
            $0.inputs = [HeldInput(path: "/data/val", manifest: Digest(hashing: [1]))]
        }
        #expect(ended.report.cause == "data_unavailable")
        #expect(ended.out.isEmpty)
    }
}
