import Foundation
import Testing

/// Actions of the repository, caches and concurrency groups, with the real `sheaf run`.
@Suite struct `A run of what the repository brings along` {
    private static let actions = [
        "w.yml": """
        on: workflow_dispatch
        env: {OUTER: outer}
        jobs:
          a:
            runs-on: ubuntu-latest
            timeout-minutes: 5
            steps:
              - uses: actions/checkout@v4
              - id: g
                uses: ./.github/actions/greet
                with: {who: you}
                env: {LOUD: "!"}
              - run: test "${{ steps.g.outputs.said }}" = "hello you! from inner" && test "$FROM_ACTION" = kept
              - id: bad
                uses: ./.github/actions/greet
                continue-on-error: true
                with: {who: nobody, fail: yes}
              - run: test "${{ steps.bad.outcome }}" = failure && test -f after-failure
          b:
            runs-on: ubuntu-latest
            timeout-minutes: 5
            steps:
              - uses: ./.github/actions/greet
                with: {who: x}
        """,
        ".github/actions/greet/action.yml": """
        name: greet
        inputs:
          who: {required: true}
          fail: {default: no}
        outputs:
          said: {value: "${{ steps.say.outputs.text }}"}
        runs:
          using: composite
          steps:
            - run: sh "$GITHUB_ACTION_PATH/check.sh" && test "${{ github.action_path }}" = "$GITHUB_ACTION_PATH"
              shell: bash
            - id: inner
              uses: ./.github/actions/inner
            - id: say
              shell: bash
              run: |
                echo "text=hello ${{ inputs.who }}$LOUD from ${{ steps.inner.outputs.name }}" >> "$GITHUB_OUTPUT"
                echo FROM_ACTION=kept >> "$GITHUB_ENV"
                test "$OUTER" = outer
            - run: "exit 3"
              if: inputs.fail == 'yes'
              shell: bash
            - run: exit 9
              if: inputs.fail == 'yes'
              shell: bash
            - run: touch after-failure
              if: failure()
              shell: bash
        """,
        ".github/actions/greet/check.sh": "test -d .github",
        ".github/actions/inner/action.yml": """
        outputs: {name: {value: "${{ steps.n.outputs.name }}"}}
        runs:
          using: composite
          steps: [{id: n, run: echo name=inner >> $GITHUB_OUTPUT, shell: sh}]
        """,
    ]

    @Test func `does the steps of its actions with their own inputs, outputs and status`() async throws {
        let machine = try OwnMachine(Self.actions)
        defer { machine.end() }
        let run = try await machine.run("w.yml")
        #expect(run.status == 1, "\(run.output)\(run.error)")
        let logs = try await machine.sheaf("logs", "r1/a")
        let explained = try await machine.sheaf("explain", "r1")
        #expect(explained.output.contains("job a: 1 cell, ended: success"), "\(explained.output)\(logs.output)")
        #expect(logs.output.contains("exit 3") && !logs.output.contains("exit 9"), "\(logs.output)")
        // GitHub wants the tree checked out before an action of it is used.
        #expect(
            explained.output.contains("is not in the workspace: check the code out before it"), "\(explained.output)")
    }

    private static let cached = [
        "w.yml": """
        on: workflow_dispatch
        jobs:
          a:
            runs-on: ubuntu-latest
            timeout-minutes: 5
            steps:
              - uses: actions/checkout@v4
              - id: c
                uses: actions/cache@v4
                with:
                  key: deps-${{ hashFiles('lock.txt') }}
                  restore-keys: deps-
                  path: |
                    ~/.cache/tool
                    data
                    !data/*.tmp
              - run: |
                  echo "hit=[${{ steps.c.outputs.cache-hit }}]"
                  if [ "${{ steps.c.outputs.cache-hit }}" != true ]; then
                    test -z "${{ steps.c.outputs.cache-hit }}" || test -f data/big
                    mkdir -p ~/.cache/tool data; cat lock.txt > ~/.cache/tool/x; echo big > data/big; echo t > data/a.tmp
                  fi
                  test "$(cat ~/.cache/tool/x)" = "$(cat lock.txt)" && test -f data/big
              - run: exit ${{ hashFiles('fail') != '' && 1 || 0 }}
        """,
        "lock.txt": "one",
    ]

    @Test func `finds on the second run what the first has kept, by its key or by its beginning`() async throws {
        let machine = try OwnMachine(Self.cached)
        defer { machine.end() }
        func log(_ number: Int) async throws -> String {
            let run = try await machine.run("w.yml")
            let log = try await machine.sheaf("logs", "r\(number)/a").output
            #expect(run.status == (number == 4 ? 1 : 0), "\(number): \(log)\(run.error)")
            return log
        }
        let first = try await log(1)
        #expect(first.contains("cache miss") && first.contains("kept under 'deps-"), "\(first)")
        let second = try await log(2)
        #expect(second.contains("cache hit: 'deps-") && second.contains("hit=[true]"), "\(second)")
        #expect(!second.contains("kept under"), "\(second)")
        try Data("two".utf8).write(to: URL(filePath: machine.folder + "/code/lock.txt"))
        let third = try await log(3)
        #expect(third.contains("cache hit by its beginning") && third.contains("hit=[false]"), "\(third)")
        #expect(third.contains("kept under"), "\(third)")
        // What a job leaves that fails is not kept.
        try Data("three".utf8).write(to: URL(filePath: machine.folder + "/code/lock.txt"))
        try Data("x".utf8).write(to: URL(filePath: machine.folder + "/code/fail"))
        let fourth = try await log(4)
        #expect(!fourth.contains("kept under"), "\(fourth)")
    }

    private static let node = [
        "w.yml": """
        on: workflow_dispatch
        jobs:
          a:
            runs-on: ubuntu-latest
            timeout-minutes: 5
            steps:
              - uses: actions/checkout@v4
              - {id: n, uses: ./n, with: {who am i: you}}
              - run: test "${{ steps.n.outputs.said }}" = "you"
        """,
        "n/action.yml": "inputs: {who am i: {}}\nruns: {using: node20, main: main.js, post: post.js}",
        "n/main.js": """
        const fs = require('fs');
        fs.appendFileSync(process.env.GITHUB_OUTPUT, `said=${process.env.INPUT_WHO_AM_I}\\n`);
        fs.appendFileSync(process.env.GITHUB_STATE, 'left=over\\n');
        """,
        "n/post.js": "console.log('post says ' + process.env.STATE_left);",
    ]

    private static let hasNode = ["/usr/bin/node", "/usr/local/bin/node"].contains {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    @Test func `runs actions for Node where there is one, and else names what is missing`() async throws {
        let machine = try OwnMachine(Self.node)
        defer { machine.end() }
        let run = try await machine.run("w.yml")
        if Self.hasNode {
            let log = try await machine.sheaf("logs", "r1/a").output
            #expect(run.status == 0 && log.contains("post says over"), "\(log)\(run.error)")
        } else {
            #expect(run.status == 2 && run.error.contains("no agent has label node"), "\(run.error)")
        }
    }
}

/// Cells that need single cells of another job.
@Suite struct `A run whose cells wait for cells` {
    private static let workflow = """
        sheaf: 1
        on: workflow_dispatch
        jobs:
          build:
            runs-on: self-hosted
            strategy: {fail-fast: false, matrix: {python: ["3.11", "3.12", "3.13"]}}
            outputs: {wheel: "${{ steps.w.outputs.wheel }}"}
            steps:
              - {id: w, run: 'echo wheel=for-${{ matrix.python }} >> "$GITHUB_OUTPUT"'}
              - run: exit ${{ matrix.python == '3.12' && 4 || 0 }}
          test:
            needs: {job: build, match: [python]}
            runs-on: self-hosted
            strategy: {fail-fast: false, matrix: {python: ["3.11", "3.12", "3.13"]}}
            steps:
              - run: test "${{ needs.build.outputs.wheel }}" = "for-${{ matrix.python }}" && echo it is mine
        """

    @Test func `gives each the outputs of its own, and stops only those whose own has failed`() async throws {
        let machine = try OwnMachine(["w.yml": Self.workflow])
        defer { machine.end() }
        let run = try await machine.run("w.yml")
        #expect(run.status == 1, "\(run.output)\(run.error)")
        let explained = try await machine.sheaf("explain", "r1").output
        #expect(explained.contains("it needs 'build (3.12)', which failed"), "\(explained)")
        for cell in ["_3_11", "_3_13"] {
            let log = try await machine.sheaf("logs", "r1/test/\(cell)").output
            #expect(log.contains("it is mine"), "\(log)\(explained)")
        }
    }
}

/// Two runs of one group on one farm.
@Suite struct `Runs of one concurrency group` {
    private static func workflow(_ cancels: Bool) -> String {
        """
        on: workflow_dispatch
        concurrency: {group: one, cancel-in-progress: \(cancels)}
        jobs:
          a:
            runs-on: self-hosted
            timeout-minutes: 5
            steps: [{run: "while [ ! -e $GATE ]; do sleep 0.05; done", env: {GATE: "${{ github.event.inputs.gate }}"}}]
        """.replacing("on: workflow_dispatch", with: "on: {workflow_dispatch: {inputs: {gate: {type: string}}}}")
    }

    @Test func `go on one after the other, the newest one waiting, also after a restart`() async throws {
        try await withFarm { farm in
            let file = try farm.write("code/w.yml", Self.workflow(false))
            try await farm.startAgent("one", cpus: 2)
            let gate = farm.folder + "/gate"
            func submit() async throws -> Finished {
                try await farm.sheaf("submit", file, "--tree", farm.folder + "/code", "--input", "gate=\(gate)")
            }
            for number in 1...3 {
                let run = try await submit()
                #expect(run.status == 0 && run.output.contains("r\(number)"), "\(run.output)\(run.error)")
            }
            let second = try await farm.sheaf("watch", "r2")
            #expect(second.status != 0, "\(second.output)\(second.error)")
            let why = try await farm.sheaf("explain", "r2")
            #expect(
                why.output.contains("run r3 took its place in concurrency group 'one'"), "\(why.output)\(why.error)")
            var wait = try await farm.sheaf("explain", "r3/a")
            #expect(wait.output.contains("waits for run r1 of concurrency group 'one'"), "\(wait.output)\(wait.error)")
            await farm.killCoordinator()
            try await farm.startCoordinator()
            wait = try await farm.sheaf("explain", "r3/a")
            #expect(wait.output.contains("waits for run r1 of concurrency group 'one'"), "\(wait.output)\(wait.error)")
            try farm.write("gate", "")
            for run in ["r1", "r3"] {
                let ended = try await farm.sheaf("watch", run)
                #expect(ended.status == 0, "\(run): \(ended.output)\(ended.error)")
            }
        }
    }

    @Test func `end the one that goes on, where the newer one says so`() async throws {
        try await withFarm { farm in
            let file = try farm.write("code/w.yml", Self.workflow(true))
            try await farm.startAgent("one", cpus: 2)
            func submit(_ gate: String) async throws {
                let run = try await farm.sheaf(
                    "submit", file, "--tree", farm.folder + "/code", "--input", "gate=\(gate)")
                #expect(run.status == 0, "\(run.output)\(run.error)")
            }
            try await submit(farm.folder + "/never")
            try await submit("/")
            let second = try await farm.sheaf("watch", "r2")
            #expect(second.status == 0, "\(second.output)\(second.error)")
            let first = try await farm.sheaf("explain", "r1")
            #expect(first.output.contains("run r2 came in concurrency group 'one'"), "\(first.output)\(first.error)")
        }
    }
}

/// Cells of two runs that come to the same groups, of a job: each cell has its own.
@Suite struct `Cells of one concurrency group` {
    private static func workflow(_ cancels: String) -> String {
        """
        on: {workflow_dispatch: {inputs: {gate: {type: string}}}}
        jobs:
          first: {runs-on: self-hosted, timeout-minutes: 5, steps: [{run: "true"}]}
          a:
            needs: first
            runs-on: self-hosted
            timeout-minutes: 5
            strategy: {fail-fast: false, matrix: {x: [1, 2]}}
            concurrency:
              group: "deploy-${{ matrix.x }}"
              cancel-in-progress: \(cancels)
            steps: [{run: "while [ ! -e $GATE ]; do sleep 0.05; done", env: {GATE: "${{ github.event.inputs.gate }}"}}]
        """
    }

    private func submit(_ file: String, _ gate: String, to farm: RealFarm) async throws {
        let run = try await farm.sheaf("submit", file, "--tree", farm.folder + "/code", "--input", "gate=\(gate)")
        #expect(run.status == 0, "\(run.output)\(run.error)")
    }

    /// Asks until something is so: what the farm decides nobody outside of it hears of at once.
    private func explained(_ what: String, _ words: String, by farm: RealFarm) async throws {
        var said = ""
        for _ in 0..<200 {
            let answer = try await farm.sheaf("explain", what)
            said = answer.output + answer.error
            if said.contains(words) { return }
        }
        Issue.record("\(what): not '\(words)' but \(said)")
    }

    @Test func `go on one after the other, each group for itself, also after a restart`() async throws {
        try await withFarm { farm in
            let file = try farm.write("code/w.yml", Self.workflow("${{ matrix.x == 3 }}"))
            // Two cells that go on leave room for the jobs that come before the others'.
            for name in ["one", "two"] { try await farm.startAgent(name, cpus: 2) }
            let gate = farm.folder + "/gate"
            try await submit(file, gate, to: farm)
            try await explained("r1/a/_1", "is on agent", by: farm)
            try await submit(file, gate, to: farm)
            let wait = { (x: Int) in "waits for a (\(x)) of run r1 of concurrency group 'deploy-\(x)'" }
            for x in 1...2 { try await explained("r2/a/_\(x)", wait(x), by: farm) }
            await farm.killCoordinator()
            try await farm.startCoordinator()
            for x in 1...2 { try await explained("r2/a/_\(x)", wait(x), by: farm) }
            // The newest waits, and the one before it is not run.
            try await submit(file, gate, to: farm)
            for x in 1...2 { try await explained("r3/a/_\(x)", wait(x), by: farm) }
            try await explained(
                "r2/a/_1", "a (1) of run r3 took its place in concurrency group 'deploy-1'", by: farm)
            try farm.write("gate", "")
            for (run, status) in [("r1", 0), ("r3", 0), ("r2", 1)] {
                let ended = try await farm.sheaf("watch", run)
                #expect(ended.status == status, "\(run): \(ended.output)\(ended.error)")
            }
        }
    }

    @Test func `end the one that goes on, where the newer cell says so`() async throws {
        try await withFarm { farm in
            let file = try farm.write("code/w.yml", Self.workflow("${{ matrix.x == 2 }}"))
            // Two cells that go on leave room for the jobs that come before the others'.
            for name in ["one", "two"] { try await farm.startAgent(name, cpus: 2) }
            let gate = farm.folder + "/gate"
            try await submit(file, gate, to: farm)
            for x in 1...2 { try await explained("r1/a/_\(x)", "is on agent", by: farm) }
            try await submit(file, "/", to: farm)
            try await explained("r1/a/_2", "a (2) of run r2 came in concurrency group 'deploy-2'", by: farm)
            // The other cell was not ended by anybody, and the newer one waits for it.
            try await explained("r2/a/_1", "waits for a (1) of run r1 of concurrency group 'deploy-1'", by: farm)
            try farm.write("gate", "")
            let second = try await farm.sheaf("watch", "r2")
            #expect(second.status == 0, "\(second.output)\(second.error)")
            let first = try await farm.sheaf("watch", "r1")
            #expect(first.status == 1, "\(first.output)\(first.error)")
        }
    }

    @Test func `are not let wait for their own run`() async throws {
        try await withFarm { farm in
            let text = Self.workflow("true").replacing("jobs:", with: "concurrency: DEPLOY-1\njobs:")
            let file = try farm.write("code/w.yml", text)
            // Two cells that go on leave room for the jobs that come before the others'.
            for name in ["one", "two"] { try await farm.startAgent(name, cpus: 2) }
            try await submit(file, "/", to: farm)
            let run = try await farm.sheaf("watch", "r1")
            #expect(run.status == 1, "\(run.output)\(run.error)")
            let words = "it would wait for ever in concurrency group 'DEPLOY-1', which run r1 is in"
            try await explained("r1/a/_1", words, by: farm)
        }
    }
}

/// Calls of two runs that come to the same group: a called workflow of two jobs, one after the other.
@Suite struct `Calls of one concurrency group` {
    private static let called = """
        on: {workflow_call: {inputs: {gate: {type: string}}}}
        jobs:
          build:
            runs-on: self-hosted
            timeout-minutes: 5
            steps: [{run: "while [ ! -e $GATE ]; do sleep 0.05; done", env: {GATE: "${{ inputs.gate }}-build"}}]
          deploy:
            needs: build
            runs-on: self-hosted
            timeout-minutes: 5
            steps: [{run: "while [ ! -e $GATE ]; do sleep 0.05; done", env: {GATE: "${{ inputs.gate }}-deploy"}}]
          clean:
            needs: deploy
            if: always()
            runs-on: self-hosted
            timeout-minutes: 5
            steps: [{run: "true"}]
        """
    private static func caller(_ group: String) -> String {
        """
        on: {workflow_dispatch: {inputs: {gate: {type: string}}}}
        jobs:
          release:
            concurrency: \(group)
            uses: ./called.yml
            with: {gate: "${{ inputs.gate }}"}
        """
    }

    private func submit(_ file: String, _ gate: String, to farm: RealFarm) async throws {
        let run = try await farm.sheaf("submit", file, "--tree", farm.folder + "/code", "--input", "gate=\(gate)")
        #expect(run.status == 0, "\(run.output)\(run.error)")
    }

    /// Asks until something is so: what the farm decides nobody outside of it hears of at once.
    private func explained(_ what: String, _ words: String, by farm: RealFarm) async throws {
        var said = ""
        for _ in 0..<200 {
            let answer = try await farm.sheaf("explain", what)
            said = answer.output + answer.error
            if said.contains(words) { return }
        }
        Issue.record("\(what): not '\(words)' but \(said)")
    }

    @Test func `go on until their last job has ended, also after a restart, and the newest waits`() async throws {
        try await withFarm { farm in
            try farm.write("code/called.yml", Self.called)
            let file = try farm.write("code/w.yml", Self.caller("prod"))
            try await farm.startAgent("one", cpus: 4)
            let gate = { (run: Int) in farm.folder + "/gate-\(run)" }
            try await submit(file, gate(1), to: farm)
            try await explained("r1/release.build", "is on agent", by: farm)
            try await submit(file, gate(2), to: farm)
            let wait = "waits for release of run r1 of concurrency group 'prod'"
            try await explained("r2/release.build", wait, by: farm)
            // Between its jobs, too: the second one runs with the other run still waiting.
            try farm.write("gate-1-build", "")
            try await explained("r1/release.deploy", "is on agent", by: farm)
            await farm.killCoordinator()
            try await farm.startCoordinator()
            try await explained("r2/release.build", wait, by: farm)
            try await submit(file, gate(3), to: farm)
            try await explained(
                "r2/release.build", "release of run r3 took its place in concurrency group 'prod'", by: farm)
            // Nothing of a call that never began, not even what cleans up.
            let second = try await farm.sheaf("watch", "r2")
            #expect(second.status == 1, "\(second.output)\(second.error)")
            try await explained("r2/release.clean", "took its place", by: farm)
            for name in ["gate-1-deploy", "gate-3-build", "gate-3-deploy"] { try farm.write(name, "") }
            for run in ["r1", "r3"] {
                let ended = try await farm.sheaf("watch", run)
                #expect(ended.status == 0, "\(run): \(ended.output)\(ended.error)")
            }
        }
    }

    @Test func `are ended where the newer one says so, but for what cleans up`() async throws {
        try await withFarm { farm in
            try farm.write("code/called.yml", Self.called)
            let file = try farm.write("code/w.yml", Self.caller("{group: prod, cancel-in-progress: true}"))
            try await farm.startAgent("one", cpus: 4)
            try await submit(file, farm.folder + "/never", to: farm)
            try await explained("r1/release.build", "is on agent", by: farm)
            for name in ["gate-2-build", "gate-2-deploy"] { try farm.write(name, "") }
            try await submit(file, farm.folder + "/gate-2", to: farm)
            let second = try await farm.sheaf("watch", "r2")
            #expect(second.status == 0, "\(second.output)\(second.error)")
            try await explained("r1/release.build", "release of run r2 came in concurrency group 'prod'", by: farm)
            let first = try await farm.sheaf("watch", "r1")
            #expect(first.status == 1, "\(first.output)\(first.error)")
            try await explained("r1/release.clean", "ended: passed", by: farm)
        }
    }
}

/// Actions of other repositories: a server of bare repositories in a folder, and the real binary.
@Suite struct `A run that uses actions of other repositories` {
    private static let action = """
        inputs: {who: {default: nobody}}
        outputs: {said: {value: "${{ steps.s.outputs.said }}"}}
        runs:
          using: composite
          steps:
            - {id: s, shell: sh, run: 'sh "$GITHUB_ACTION_PATH/../say.sh" "${{ inputs.who }}" >> "$GITHUB_OUTPUT"'}
            - {shell: sh, run: 'echo changed > "$GITHUB_ACTION_PATH/../say.sh"'}
        """

    private static func workflow(_ reference: String) -> String {
        """
        on: workflow_dispatch
        jobs:
          a:
            runs-on: ubuntu-latest
            timeout-minutes: 5
            strategy: {matrix: {n: [1, 2]}}
            steps:
              - {id: g, uses: '\(reference)', with: {who: you}}
              - run: test "${{ steps.g.outputs.said }}" = "hello you"
        """
    }

    private func git(_ arguments: String..., in place: String) async throws -> String {
        let run = try await Finished.run(
            "/usr/bin/git", ["-C", place, "-c", "user.name=t", "-c", "user.email=t@t"] + arguments,
            environment: ["HOME": place])
        try #require(run.status == 0, "\(arguments): \(run.error)")
        return run.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// - Returns: the server's address and the commit.
    private func serve(in folder: String) async throws -> (server: String, commit: String) {
        let place = folder + "/server/acme/greet"
        try FileManager.default.createDirectory(atPath: place + "/do", withIntermediateDirectories: true)
        try Data(Self.action.utf8).write(to: URL(filePath: place + "/do/action.yml"))
        try Data("echo \"said=hello $1\"\n".utf8).write(to: URL(filePath: place + "/say.sh"))
        _ = try await git("init", "--quiet", in: place)
        _ = try await git("add", "--all", in: place)
        _ = try await git("commit", "--quiet", "-m", "x", in: place)
        return ("file://\(folder)/server", try await git("rev-parse", "HEAD", in: place))
    }

    @Test func `fetches what the owner allows, once, and works from what it keeps`() async throws {
        let machine = try OwnMachine(["none": ""])
        defer { machine.end() }
        let (server, commit) = try await serve(in: machine.folder)
        let file = URL(filePath: machine.folder + "/code/w.yml")
        try Data(Self.workflow("acme/greet/do@\(commit)").utf8).write(to: file)
        let refused = try await machine.run("w.yml", "--actions-server", server, "--allow-action", "acme/other")
        #expect(refused.status == 2, "\(refused.error)")
        #expect(
            refused.error.contains("w.yml:8:23: unsupported: the farm's owner does not allow actions of 'acme/greet'")
                && refused.error.contains("--allow-action acme/greet"), "\(refused.error)")
        for round in 1...2 {
            let run = try await machine.run("w.yml", "--actions-server", server, "--allow-action", "acme/*")
            let logs = try await machine.sheaf("logs", "r\(round)/a").output
            #expect(run.status == 0, "\(round): \(run.output)\(run.error)\(logs)")
            #expect(logs.contains("Run acme/greet/do@\(commit)"), "\(logs)")
            // The second time there is no server any more.
            try? FileManager.default.removeItem(atPath: machine.folder + "/server")
        }
        let gone = try await Finished.run(
            RealFarm.sheaf,
            [
                "run", machine.folder + "/code/w.yml", "--state", machine.folder + "/other", "--actions-server", server,
                "--allow-action", "acme/*",
            ])
        #expect(gone.status == 2 && gone.error.contains("w.yml:8:23: unsupported: acme/greet@"), "\(gone.error)")
    }

    @Test func `refuses a tag where it stands, and says how to pin it`() async throws {
        let machine = try OwnMachine(["w.yml": Self.workflow("acme/greet/do@v1")])
        defer { machine.end() }
        let run = try await machine.run("w.yml", "--allow-action", "acme/*")
        #expect(run.status == 2 && run.error.contains("w.yml:8:23: unsupported: the action"), "\(run.error)")
        #expect(run.error.contains("name the commit by its 40 digits"), "\(run.error)")
        let lint = try await Finished.run(RealFarm.sheaf, ["lint", machine.folder + "/code/w.yml"])
        #expect(lint.status == 0 && lint.output.contains("is not pinned"), "\(lint.output)\(lint.error)")
    }

    @Test func `calls a workflow of another repository, whose own files come with it`() async throws {
        let machine = try OwnMachine(["none": ""])
        defer { machine.end() }
        let place = machine.folder + "/server/acme/flows"
        try FileManager.default.createDirectory(atPath: place + "/.github/workflows", withIntermediateDirectories: true)
        let files = [
            "ci.yml": """
            on:
              workflow_call:
                inputs: {who: {type: string, required: true}}
                outputs: {said: {value: "${{ jobs.say.outputs.said }}"}}
            jobs:
              say:
                runs-on: ubuntu-latest
                timeout-minutes: 5
                outputs: {said: "${{ steps.s.outputs.said }}"}
                steps: [{id: s, run: 'echo "said=hello ${{ inputs.who }}" >> "$GITHUB_OUTPUT"'}]
              more: {needs: say, uses: ./.github/workflows/more.yml}
            """,
            "more.yml": """
            on: workflow_call
            jobs: {deep: {runs-on: ubuntu-latest, timeout-minutes: 5, steps: [{run: echo deep down}]}}
            """,
        ]
        for (name, text) in files {
            try Data(text.utf8).write(to: URL(filePath: place + "/.github/workflows/" + name))
        }
        _ = try await git("init", "--quiet", in: place)
        _ = try await git("add", "--all", in: place)
        _ = try await git("commit", "--quiet", "-m", "x", in: place)
        let commit = try await git("rev-parse", "HEAD", in: place)
        let workflow = """
            on: workflow_dispatch
            jobs:
              ci:
                uses: acme/flows/.github/workflows/ci.yml@\(commit)
                with: {who: you}
              after:
                needs: ci
                runs-on: ubuntu-latest
                timeout-minutes: 5
                steps: [{run: 'test "${{ needs.ci.outputs.said }}" = "hello you"'}]
            """
        try Data(workflow.utf8).write(to: URL(filePath: machine.folder + "/code/w.yml"))
        let server = "file://\(machine.folder)/server"
        let refused = try await machine.run("w.yml", "--actions-server", server, "--allow-action", "acme/other")
        #expect(refused.status == 2, "\(refused.error)")
        #expect(
            refused.error.contains("w.yml:4:11: unsupported: the farm's owner does not allow actions of 'acme/flows'"),
            "\(refused.error)")
        for _ in 1...2 {
            let run = try await machine.run("w.yml", "--actions-server", server, "--allow-action", "acme/flows")
            #expect(run.status == 0, "\(run.output)\(run.error)")
            // The second time there is no server any more.
            try? FileManager.default.removeItem(atPath: machine.folder + "/server")
        }
        let logs = try await machine.sheaf("logs", "r2/ci.more.deep").output
        #expect(logs.contains("deep down"), "\(logs)")
    }
}
