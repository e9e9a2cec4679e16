import JSON
import Model
import Testing

@testable import Workflows

@Suite struct `A pattern of 'on'` {
    @Test(arguments: [
        ("main", ["main"], ["mai", "main2", "feature/main"]), ("*", ["main", ""], ["a/b"]),
        ("**", ["a/b/c", "main"], []),
        ("releases/**", ["releases/10", "releases/beta/3"], ["releases", "xreleases/1"]),
        ("feature/*", ["feature/a"], ["feature/a/b", "feature"]), ("v2*", ["v2", "v2.9"], ["v3"]),
        ("v[12].[0-9]+.[0-9]+", ["v1.10.1", "v2.0.0"], ["v3.1.1", "v1.x.1"]),
        ("*.jsx?", ["page.js", "page.jsx"], ["a.jsxx"]),
        ("**.js", ["index.js", "js/index.js"], ["index.jsx"]),
        ("docs/**/*.md", ["docs/a.md", "docs/x/y/b.md"], ["a.md"]),
        ("**/docs/**", ["docs/hello.md", "dir/docs/my.txt"], ["docs", "xdocs/a"]),
        ("**/*src/**", ["a/src/app.js", "my-src/code/js/app.js"], ["src"]), ("\\*", ["*"], ["a"]),
        ("a+", ["a", "aaa"], [""]),
    ])
    func `matches as the cheat sheet says`(pattern: String, fits: [String], misses: [String]) throws {
        let read = try PathPattern(pattern)
        for name in fits { #expect(read.matches(name), "\(pattern) \(name)") }
        for name in misses { #expect(!read.matches(name), "\(pattern) \(name)") }
    }

    @Test(arguments: ["", "!", "+a", "[", "[]", "[z-a]", "a\\", "*+"]) func `is refused`(pattern: String) {
        #expect(throws: PathPattern.Mistake.self) { try PathPattern(pattern) }
    }

    @Test func `takes no longer for hostile names`() throws {
        let pattern = try PathPattern(String(repeating: "*a", count: 500))
        #expect(!pattern.matches(String(repeating: "a", count: 4000) + "b"))
    }

    @Test func `with '!' takes out again, and the last one that matches decides`() throws {
        let filter = PatternFilter(
            isIgnoring: false,
            patterns: try ["sub-project/**", "!sub-project/docs/**", "sub-project/docs/api/**"].map {
                try PathPattern($0)
            })
        #expect(filter.admits("sub-project/index.js"))
        #expect(!filter.admits("sub-project/docs/readme.md"))
        #expect(filter.admits("sub-project/docs/api/a.md"))
        #expect(!filter.admits("other"))
    }
}

@Suite struct `A cron line` {
    @Test(
        arguments: [
            ("0 2 * * *", nil), ("*/5 * * * *", 5), ("*/4 * * * *", 4), ("* */3 * * *", 1), ("0 14-23/2 * * 1-5", 120),
            ("30 5,17 * * MON-FRI", 720), ("0,1 0 1 JAN *", 1), ("5/10 * * * *", 10), ("59 23 31 12 7", nil),
        ] as [(String, Int?)])
    func `is read, with the shortest time between two runs`(line: String, gap: Int?) throws {
        #expect(try CronLine(line).shortestGapMinutes == gap)
    }

    @Test(arguments: [
        "", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "a * * * *", "5-1 * * * *",
        "*/0 * * * *", "1,, * * * *", "99999999999999999999 * * * *",
    ])
    func `is refused`(line: String) {
        #expect(throws: CronLine.Mistake.self) { try CronLine(line) }
    }
}

@Suite struct `An event` {
    private func decide(
        _ on: String, _ event: String, _ payload: String, changed: [String]? = nil
    ) throws -> StartDecision {
        let text = "on:\n  \(on)\njobs: {a: {runs-on: x, steps: [{run: y}]}}"
        let (workflow, diagnostics) = Workflow.read(Array(text.utf8), file: "w.yml")
        var request = PlanRequest(eventName: event, event: try JSONParser.value(payload))
        request.changedPaths = changed
        return try #require(workflow, "\(diagnostics)").start(by: request)
    }

    @Test(arguments: [
        ("push: {branches: [main, 'releases/**']}", "push", #"{"ref":"refs/heads/releases/1/a"}"#, true),
        ("push: {branches: [main]}", "push", #"{"ref":"refs/heads/dev"}"#, false),
        ("push: {branches-ignore: [dev]}", "push", #"{"ref":"refs/heads/dev"}"#, false),
        ("push: {branches: [main]}", "push", #"{"ref":"refs/tags/v1"}"#, false),
        ("push: {tags: ['v*']}", "push", #"{"ref":"refs/heads/main"}"#, false),
        ("push: {tags: ['v*']}", "push", #"{"ref":"refs/tags/v1"}"#, true),
        ("push: {tags-ignore: ['v*']}", "push", #"{"ref":"refs/tags/v1"}"#, false),
        ("push: {branches: [main], tags: [v1]}", "push", #"{"ref":"refs/tags/v1"}"#, true),
        ("push: {}", "push", #"{"ref":"refs/tags/v1"}"#, true),
        (
            "push: {paths: ['src/**']}", "push",
            #"{"ref":"refs/heads/main","commits":[{"modified":["docs/a.md"],"added":[],"removed":[]}]}"#, false
        ),
        (
            "push: {paths: ['src/**']}", "push",
            #"{"ref":"refs/heads/main","commits":[{"modified":["docs/a.md"]},{"added":["src/a.py"]}]}"#, true
        ),
        (
            "push: {paths-ignore: ['docs/**']}", "push",
            #"{"ref":"refs/heads/main","commits":[{"modified":["docs/a.md"]}]}"#, false
        ),
        (
            "push: {paths-ignore: ['docs/**']}", "push",
            #"{"ref":"refs/heads/main","commits":[{"modified":["docs/a.md","b"]}]}"#, true
        ),
        ("push: {paths: ['src/**']}", "push", #"{"ref":"refs/heads/main"}"#, true),
        (
            "push: {paths: [src], tags: [v1]}", "push",
            #"{"ref":"refs/tags/v1","commits":[{"modified":["docs/a.md"]}]}"#, true
        ),
        ("push: {}", "push", #"{"ref":"refs/heads/main","deleted":true}"#, false),
        ("push: {}", "push", #"{"ref":"refs/heads/main","head_commit":{"message":"typo [skip ci]"}}"#, false),
        (
            "push: {}", "push", #"{"ref":"refs/heads/main","head_commit":{"message":"a\n\nb\n\n\nskip-checks: true"}}"#,
            false
        ),
        (
            "push: {}", "push", #"{"ref":"refs/heads/main","head_commit":{"message":"a\n\nskip-checks: true\n\nb"}}"#,
            true
        ),
        ("push: {}", "push", #"{"ref":"refs/heads/main","head_commit":{"message":"skip-checks: true"}}"#, true),
        ("pull_request: {}", "pull_request", #"{"action":"opened"}"#, true),
        ("pull_request: {}", "pull_request", #"{"action":"labeled"}"#, false),
        ("pull_request: {types: [labeled]}", "pull_request", #"{"action":"labeled"}"#, true),
        ("pull_request: {types: [labeled]}", "pull_request", #"{"action":"opened"}"#, false),
        (
            "pull_request: {branches: [main]}", "pull_request",
            #"{"action":"opened","pull_request":{"base":{"ref":"dev"}}}"#, false
        ),
        (
            "pull_request: {branches: [main]}", "pull_request",
            #"{"action":"opened","pull_request":{"base":{"ref":"main"}}}"#, true
        ),
        ("release: {types: [published]}", "release", #"{"action":"created"}"#, false),
        ("release: {}", "release", #"{"action":"created"}"#, true),
        (
            "workflow_run: {workflows: [build], branches: [main]}", "workflow_run",
            #"{"action":"completed","workflow_run":{"name":"build","head_branch":"main"}}"#, true
        ),
        (
            "workflow_run: {workflows: [build]}", "workflow_run",
            #"{"action":"completed","workflow_run":{"name":"test"}}"#, false
        ),
        ("schedule: [{cron: '0 2 * * *'}]", "schedule", #"{"schedule":"0 2 * * *"}"#, true),
        ("schedule: [{cron: '0 2 * * *'}]", "schedule", #"{"schedule":"0 3 * * *"}"#, false),
        ("push: {branches: [main]}", "pull_request", #"{"action":"opened"}"#, false),
    ])
    func `starts a workflow, or does not`(on: String, event: String, payload: String, starts: Bool) throws {
        let decision = try decide(on, event, payload)
        #expect((decision == .starts) == starts, "\(on) \(payload): \(decision)")
    }

    @Test func `without a payload starts whatever names it`() throws {
        #expect(try decide("push: {branches: [main], paths: [src]}", "push", "{}") == .starts)
    }

    @Test func `may be told what it has changed`() throws {
        let on = "pull_request: {paths: ['src/**']}"
        #expect(try decide(on, "pull_request", #"{"action":"opened"}"#, changed: ["src/a"]) == .starts)
        guard case .doesNot(let reason) = try decide(on, "pull_request", #"{"action":"opened"}"#, changed: ["docs/a"])
        else { Issue.record("started"); return }
        #expect(reason == "'docs/a' is not among the paths src/**")
    }

    @Test func `that does not start a workflow makes no plan`() throws {
        let text = "on: {push: {branches: [main]}}\njobs: {a: {runs-on: x, steps: [{run: y}]}}"
        let workflow = try #require(Workflow.read(Array(text.utf8), file: "w.yml").workflow)
        let request = PlanRequest(eventName: "push", event: ["ref": "refs/heads/dev"])
        #expect { try workflow.plan(request) } throws: {
            ($0 as? Mistakes)?.diagnostics.first?.problem.contains("'dev' is not among main") == true
        }
    }

    @Test func `gives its contexts`() throws {
        let text =
            "on: {push: {}, workflow_dispatch: {inputs: {n: {type: number, default: 3}, go: {type: boolean}}}}\njobs: {a: {runs-on: x, steps: [{run: y}]}}"
        let workflow = try #require(Workflow.read(Array(text.utf8), file: "w.yml").workflow)
        let push = try workflow.contexts(
            for: PlanRequest(
                eventName: "push",
                event: ["ref": "refs/tags/v1", "after": "abc", "repository": ["full_name": "me/it"]]))
        #expect(push[0].value["ref"] == "refs/tags/v1" && push[0].value["ref_name"] == "v1")
        #expect(push[0].value["ref_type"] == "tag" && push[0].value["sha"] == "abc")
        #expect(push[0].value["repository_owner"] == "me")
        #expect(push[1].value["n"] == .null)
        let dispatch = try workflow.contexts(
            for: PlanRequest(
                eventName: "workflow_dispatch", event: ["inputs": ["n": "7"]], inputs: [("go", "true")]))
        #expect(dispatch[1].value == ["n": 7, "go": true])
    }

    /// The event, its payload, and `github.ref` by GitHub's table of events; `refs/heads/topic` is checked out.
    @Test(arguments: [
        ("pull_request", #"{"number": 5, "pull_request": {"base": {"ref": "main"}}}"#, "refs/pull/5/merge"),
        ("pull_request", "{}", "refs/pull/topic/merge"),
        ("pull_request_review", #"{"pull_request": {"number": 7}}"#, "refs/pull/7/merge"),
        ("pull_request_target", #"{"number": 5, "pull_request": {"base": {"ref": "main"}}}"#, "refs/heads/main"),
        ("push", #"{"ref": "refs/tags/v1"}"#, "refs/tags/v1"), ("push", "{}", "refs/heads/topic"),
        ("release", #"{"release": {"tag_name": "v1"}}"#, "refs/tags/v1"),
        ("create", #"{"ref": "v1", "ref_type": "tag"}"#, "refs/tags/v1"),
        ("create", #"{"ref": "dev", "ref_type": "branch"}"#, "refs/heads/dev"),
        (
            "delete", #"{"ref": "v1", "ref_type": "tag", "repository": {"default_branch": "trunk"}}"#,
            "refs/heads/trunk"
        ),
        ("merge_group", #"{"merge_group": {"head_ref": "refs/heads/queue/1"}}"#, "refs/heads/queue/1"),
        ("issues", #"{"repository": {"default_branch": "main"}}"#, "refs/heads/main"),
        ("fork", "{}", "refs/heads/topic"),
        ("workflow_dispatch", #"{"ref": "refs/heads/dev"}"#, "refs/heads/dev"),
    ])
    func `says what ref it is about`(event: String, payload: String, ref: String) throws {
        let text = "on: [\(event)]\njobs: {a: {runs-on: x, steps: [{run: y}]}}"
        let workflow = try #require(Workflow.read(Array(text.utf8), file: "w.yml").workflow)
        let github = try workflow.contexts(
            for: PlanRequest(
                eventName: event, event: JSONParser.value(payload), ref: "refs/heads/topic", actor: "ada"))[0].value
        #expect(github["ref"]?.string == ref && github["actor"] == "ada")
        #expect(github["ref_type"]?.string == (ref.hasPrefix("refs/tags/") ? "tag" : "branch"))
    }

    @Test func `says who caused it, and is of the commit that is there`() throws {
        let text = "on: push\njobs: {a: {runs-on: x, steps: [{run: y}]}}"
        let workflow = try #require(Workflow.read(Array(text.utf8), file: "w.yml").workflow)
        let payload: Value = ["ref": "refs/heads/main", "after": "1111", "sender": ["login": "bob"]]
        let github = try workflow.contexts(for: PlanRequest(event: payload, sha: "1111", actor: "ada"))[0].value
        #expect(github["actor"] == "bob" && github["triggering_actor"] == "bob" && github["sha"] == "1111")
        let told = try workflow.contexts(
            for: PlanRequest(event: payload, sha: "1111", ref: "refs/heads/main", repository: "o/r"))[0].value
        #expect(told["workflow_ref"] == "o/r/w.yml@refs/heads/main" && told["workflow_sha"] == "1111")
        #expect(told["repositoryUrl"] == "git://github.com/o/r.git" && told["retention_days"] == "90")
        #expect(told["ref_protected"] == false)
        #expect {
            try workflow.contexts(for: PlanRequest(event: payload, sha: "2222"))
        } throws: {
            ($0 as? Mistakes)?.diagnostics.first?.problem.contains("a push of 1111, and the code is that of 2222")
                == true
        }
    }

    /// What stands under `on`, with the place of the mistake and words of its message.
    @Test(arguments: [
        ("push: {branches: [a], branches-ignore: [b]}", "exclude each other"),
        ("push: {branches: []}", "must not be empty"),
        ("push: {branches: ['[']}", "is not closed"), ("push: {types: [x]}", "unknown key 'types'"),
        ("schedule: []", "must not be empty"), ("schedule: [{cron: '* * * *'}]", "4 fields"),
        ("schedule:", "says no time"),
        ("schedule: [{cron: '*/2 * * * *'}]", "every 2 minutes"),
        ("workflow_dispatch: {inputs: {x: {type: text}}}", "unknown type"),
        ("workflow_dispatch: {inputs: {x: {type: choice}}}", "has no 'options'"),
        ("workflow_dispatch: {inputs: {x: {type: choice, options: [a, a]}}}", "twice"),
        ("workflow_dispatch: {inputs: {x: {type: choice, options: [abc], default: abd}}}", "did you mean 'abc'"),
        ("workflow_dispatch: {inputs: {x: {type: boolean, default: 1}}}", "true or false"),
        ("workflow_dispatch: {inputs: {x: {type: number, default: a}}}", "must be one"),
        ("workflow_dispatch: {inputs: {x: {options: [a]}}}", "type choice"),
        ("workflow_call: {inputs: {x: {}}}", "no 'type'"),
        ("workflow_call: {outputs: {x: {}}}", "no 'value'"),
        ("workflow_call: {inputs: {x: {type: boolean, default: \"${{ 'a' }}\"}}}", "must be a boolean"),
        ("image_version: {names: x}", "must be a list"), ("pus: {}", "did you mean 'push'"),
    ])
    func `that is written wrongly is refused`(on: String, words: String) {
        let text = "on:\n  \(on)\njobs: {a: {runs-on: x, steps: [{run: y}]}}"
        let (workflow, diagnostics) = Workflow.read(Array(text.utf8), file: "w.yml")
        #expect(workflow == nil)
        let found = diagnostics.contains { $0.severity == .error && $0.position.line == 2 && "\($0)".contains(words) }
        #expect(found, "\(diagnostics)")
    }
}
