import Model
import Testing
import Wire

@testable import AgentService

@Suite(.timeLimit(.minutes(10))) struct `How steps speak to each other and to the agent` {
    @Test func `through the environment, outputs, PATH and the summary`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([
            run(
                """
                echo "NAME=value=with equals" >> "$GITHUB_ENV"
                printf 'TEXT<<END\\nline 1\\n\\nline 3\\nEND\\n' >> "$GITHUB_ENV"
                echo "score=0.9" >> "$GITHUB_OUTPUT"
                mkdir bin; printf '#!/bin/sh\\necho "I am found"\\n' > bin/tool; chmod +x bin/tool
                echo "$PWD/bin" >> "$GITHUB_PATH"
                echo "## Part one" >> "$GITHUB_STEP_SUMMARY"
                """, id: "first"),
            run(
                """
                echo "$NAME"; echo "$TEXT"; tool; echo "score ${{ steps.first.outputs.score }}"
                echo "## Part two" >> "$GITHUB_STEP_SUMMARY"
                echo "::set-output name=old::way"
                """, id: "second"),
            run("echo '${{ steps.second.outputs.old }} ${{ steps.first.outcome }} ${{ env.NAME }}'"),
        ]) { $0.work.outputs = [Template("score", "${{ steps.first.outputs.score }}")] }
        #expect(ended.report.cause == "passed", "\(ended.report.evidence)")
        #expect(
            ended.out == [
                "value=with equals", "line 1", "", "line 3", "I am found", "score 0.9",
                "warning: ::set-output:: is deprecated: write to $GITHUB_OUTPUT instead",
                "way success value=with equals",
            ])
        #expect(try ended.text(ended.report.summary) == "## Part one\n## Part two\n")
        #expect(ended.report.outputs == ["score": "0.9"])
    }

    @Test func `names that are not theirs are refused, and the mistake is named`() async throws {
        let workshop = try await Workshop()
        for (text, problem) in [
            ("SHEAF_SHARD=x", "SHEAF_SHARD belongs to Sheaf"),
            ("NODE_OPTIONS=x", "NODE_OPTIONS cannot be set"),
            ("A=1\nno equals here", "GITHUB_ENV, line 2: 'no equals here' is neither NAME=value nor NAME<<MARK"),
            ("A=1\nB<<END\nx", "GITHUB_ENV, line 2: the mark 'END' that ends the value of 'B' never comes"),
            ("=x", "GITHUB_ENV, line 1: the name before = is empty"),
        ] {
            let ended = try await workshop.attempt([
                run("printf '%s' \"$TEXT\" >> \"$GITHUB_ENV\"", env: [Template("TEXT", text)])
            ])
            #expect(ended.report.cause == "user_error")
            #expect(ended.report.evidence.contains(problem), "\(ended.report.evidence)")
        }
    }

    /// As at GitHub: the assignment is taken and changes nothing.
    @Test func `the runner's own variables keep their values`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([
            run("echo GITHUB_SHA=forged >> \"$GITHUB_ENV\"; echo A=1 >> \"$GITHUB_ENV\""),
            run("echo $A $GITHUB_SHA"),
        ])
        #expect(ended.report.cause == "passed", "\(ended.report.evidence)")
        #expect(ended.out.last == "1 abc123" && ended.report.annotations.map(\.level) == ["warning"])
    }

    @Test func `a masked value is seen nowhere afterwards`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([
            run(
                """
                set +x
                echo '::add-mask::squeamish-ossifrage'
                printf 'a squeamish-'; printf 'ossifrage b\\n'
                echo 'err squeamish-ossifrage' >&2
                echo 'squeamish-ossifrage' >> "$GITHUB_STEP_SUMMARY"
                echo '::warning file=squeamish-ossifrage.py,title=squeamish-ossifrage::about squeamish-ossifrage'
                echo 'token=squeamish-ossifrage' >> "$GITHUB_OUTPUT"
                """, id: "s"),
            Step(name: "use squeamish-ossifrage", action: .run("exit 4")),
        ]) { $0.work.outputs = [Template("token", "${{ steps.s.outputs.token }}")] }
        #expect(ended.out.contains("a *** b"))
        #expect(ended.err == ["err ***"])
        #expect(try ended.text(ended.report.summary) == "***\n")
        #expect(ended.report.evidence == "step 'use ***' ended with exit code 4")
        #expect(ended.report.steps[1].name == "use ***")
        #expect(ended.report.annotations.first?.file == "***.py")
        #expect(ended.report.annotations.first?.title == "***")
        #expect(!ended.lines.contains { $0.text.contains("squeamish") })
    }

    @Test func `metrics and items leave without the secrets that steps wrote into them`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([
            run(
                """
                set +x
                echo '::add-mask::squeamish-ossifrage'
                mkdir -p "out/$OF"
                echo '{"accuracy": 0.5, "note": "squeamish-ossifrage"}' > "out/$OF/m.json"
                for i in 1 2 3; do echo "{\\"id\\": \\"squeamish-ossifrage $i\\"}"; done > "$SHEAF_ITEMS_OUT"
                [ "$SHEAF_METRICS" = "$PWD/out/$OF/m.json" ]
                """)
        ]) {
            $0.work.environment = [Template("OF", "${{ github.sha }}")]
            $0.work.metrics = "out/${{ github.sha }}/m.json"
        }
        #expect(ended.report.cause == "passed", "\(ended.report.evidence)")
        #expect(ended.report.metricsPath == "out/abc123/m.json")
        #expect(try ended.text(ended.report.metrics) == "{\"accuracy\": 0.5, \"note\": \"***\"}\n")
        #expect(
            try ended.text(ended.report.items)
                == (1...3).map { "{\"id\": \"*** \($0)\"}\n" }.joined())
        #expect(
            ended.report.annotations.map(\.text).contains { $0.hasPrefix("$SHEAF_ITEMS_OUT held a secret in 3 places") }
        )
    }

    @Test func `an output that holds a secret is left out`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([
            run(
                "echo '::add-mask::squeamish-ossifrage'; echo 'token=squeamish-ossifrage' >> \"$GITHUB_OUTPUT\"",
                id: "s")
        ]) { $0.work.outputs = [Template("token", "${{ steps.s.outputs.token }}"), Template("plain", "text")] }
        #expect(ended.report.outputs == ["plain": "text"])
        #expect(ended.report.annotations.contains { $0.text.contains("'token' holds a secret") })
    }

    @Test func `errors, warnings and notices are annotations with their places`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([
            run(
                """
                echo '::error file=eval.py,line=7,title=Bad%2C really::first%0Asecond'
                echo '::notice::hello'
                echo '::group::Install'; echo inside; echo '::endgroup::'
                echo '::unknown::is text'
                """)
        ])
        #expect(ended.report.cause == "passed")
        let annotations = ended.report.annotations
        #expect(annotations.map(\.level) == ["error", "notice"])
        #expect(annotations[0].file == "eval.py" && annotations[0].line == 7)
        #expect(annotations[0].title == "Bad, really" && annotations[0].text == "first\nsecond")
        #expect(
            ended.out == [
                "error: eval.py:7: first", "second", "notice: hello", "▸ Install", "inside", "::unknown::is text",
            ])
    }

    @Test func `a line break in a command forges no line of the log`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([
            run("text='x%0A99 s the agent says so'\necho \"::error::$text\"")
        ])
        #expect(!ended.lines.contains { $0.source == "s" && $0.text == "the agent says so" })
        #expect(ended.out == ["error: x", "99 s the agent says so"])
    }

    @Test func `commands rest while they are stopped`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([
            run(
                """
                echo '::stop-commands::a.token/with+signs'
                echo '::error::only text'
                echo '::a.token/with+signs::'
                echo '::error::heard'
                """)
        ])
        #expect(ended.report.annotations.map(\.text) == ["heard"])
        #expect(ended.out == ["::error::only text", "error: heard"])
    }

    @Test func `commands that would reach too far fail the step`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([run("echo '::set-env name=PATH::/evil'")])
        #expect(ended.report.cause == "user_error")
        #expect(ended.report.evidence.contains("write to $GITHUB_ENV"))
    }

    @Test func `conditions, continue-on-error and folders do what GitHub's do`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([
            run("mkdir -p sub; exit 2", id: "a", continueOnError: "${{ true }}"),
            run("echo \"$PWD\"", in: "sub"),
            run("echo no", if: "steps.a.outcome == 'success'"),
            run("echo outcome ${{ steps.a.outcome }}, conclusion ${{ steps.a.conclusion }}", if: "success()"),
            run("echo never", if: "github.ref == 'refs/heads/other'"),
            run("false"), run("echo skipped"), run("echo ${{ job.status }}", if: "always()"),
        ])
        #expect(ended.report.cause == "user_exit" && ended.report.code == 1)
        #expect(ended.out.first?.hasSuffix("/work/sub") == true)
        #expect(ended.out.dropFirst() == ["outcome failure, conclusion success", "failure"])
        #expect(
            ended.outcomes == ["failure", "success", "skipped", "success", "skipped", "failure", "skipped", "success"])
    }

    @Test func `expressions know where the attempt lives, as its variables do`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([
            run("test -n \"${{ github.workspace }}\" && test \"${{ github.workspace }}\" = \"$GITHUB_WORKSPACE\""),
            run("test \"${{ github.event_path }}\" = \"$GITHUB_EVENT_PATH\" && test -f \"${{ github.event_path }}\""),
            run("test \"${{ github.job }}/${{ github.run_attempt }}\" = \"$GITHUB_JOB/$GITHUB_RUN_ATTEMPT\""),
        ])
        #expect(ended.report.cause == "passed", "\(ended.report.evidence)")
    }

    /// As GitHub's own runner names them.
    @Test func `a step knows what it is called`() async throws {
        let workshop = try await Workshop()
        let named = { (id: String?) -> Step in
            var step = run("echo $GITHUB_ACTION ${{ github.action }}")
            step.id = id
            return step
        }
        let ended = try await workshop.attempt([named(nil), named("mine"), named(nil), named(nil)])
        #expect(ended.out == ["__run __run", "mine mine", "__run_2 __run_2", "__run_3 __run_3"])
    }

    @Test(.enabled(if: Files.exists("/usr/bin/python3"))) func `a step may be written in Python or for any program`()
        async throws
    {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([
            run("ln -s /usr/bin/python3 python; echo \"$PWD\" >> \"$GITHUB_PATH\""),
            run("import sys\nprint(sys.argv[0].endswith('.py'))", shell: "python"),
            run("whatever", shell: "echo ran {0}"), run("exit 1\n", shell: "pwsh"),
        ])
        #expect(ended.out.first == "True")
        #expect(ended.out.last?.hasPrefix("ran /") == true)
        #expect(ended.report.cause == "user_error")
        #expect(ended.report.evidence.contains("shell 'pwsh' is not supported"))
    }

    @Test func `an expression that cannot be read names its step`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([run("echo ${{ nothing( }}")])
        #expect(ended.report.cause == "user_error")
        #expect(ended.report.evidence.contains("run of step 1"), "\(ended.report.evidence)")
    }
}

@Suite(.timeLimit(.minutes(10))) struct `What a log keeps` {
    @Test func `the order of each stream, and times that do not run back`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([
            run("for i in $(seq 1 500); do echo out $i; echo err $i >&2; done; printf unfinished")
        ])
        #expect(ended.out == (1...500).map { "out \($0)" } + ["unfinished"])
        #expect(ended.err == (1...500).map { "err \($0)" })
        #expect(zip(ended.lines, ended.lines.dropFirst()).allSatisfy { $0.at <= $1.at })
    }

    @Test func `any offset at which a line begins can be read on from`() async throws {
        let workshop = try await Workshop()
        let trial = try workshop.begin([run("seq 1 2000")])
        let ended = try await trial.end()
        #expect(ended.report.logBytes == trial.log.bytes)
        var offset: UInt64 = 0
        var bytes: [UInt8] = []
        while true {
            let part = try trial.log.read(from: offset, most: 1000)
            if part.isEmpty { break }
            #expect(part.last == UInt8(ascii: "\n"))
            bytes += part
            offset += UInt64(part.count)
        }
        #expect(offset == trial.log.bytes)
        #expect(try bytes == Files.read(trial.log.path, bytesMax: 1 << 20))
    }

    @Test func `a line at the limit is whole, and one beyond it is cut and marked`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([
            run("head -c 65536 /dev/zero | tr '\\0' a; echo; head -c 65537 /dev/zero | tr '\\0' b; echo; echo after")
        ])
        let marked = " … (line cut at 64 KiB)"
        #expect(ended.out.count == 3)
        #expect(ended.out[0] == String(repeating: "a", count: 65_536))
        #expect(ended.out[1] == String(repeating: "b", count: 65_536) + marked)
        #expect(ended.out[2] == "after")
    }

    @Test func `lines beyond the limit are counted, and the step goes on`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([run("seq 1 50000"), run("exit 5")], logBytesMax: 20_000)
        #expect(ended.report.code == 5)
        #expect(ended.out.count < 50_000 && ended.out.last == "50000")
        #expect(ended.said.filter { $0.hasPrefix("the log has reached its limit") }.count == 1)
        let dropped = 50_000 - ended.out.count
        #expect(ended.said.last?.hasPrefix("\(dropped) lines (") == true, "\(ended.said.last ?? "")")
    }

    @Test func `bytes that are no text become replacement characters`() async throws {
        let workshop = try await Workshop()
        let ended = try await workshop.attempt([run("printf 'a\\377b\\r\\nzero\\000byte\\n'")])
        #expect(ended.out == ["a\u{FFFD}b", "zero\0byte"])
    }

    @Test(arguments: [
        ("script -q -c \"bash -eo pipefail {0}\"", ["script", "-q", "-c", "bash -eo pipefail s.sh"]),
        ("bash  -l {0}", ["bash", "-l", "s.sh"]), ("a \"\" \\\"b\\\" c\\d {0}", ["a", "", "\"b\"", "c\\d", "s.sh"]),
        ("perl 'x y' {0}", ["perl", "'x", "y'", "s.sh"]),
    ])
    func `with a command line as GitHub's runner reads it`(shell: String, words: [String]) throws {
        #expect(try Shell(shell).arguments(script: "s.sh") == words)
    }

    /// Debian has python3 alone; a job that chose a Python by setup-python has both.
    @Test func `with the shell python, whatever its name here`() throws {
        func words(_ there: Set<String>) throws -> [String] {
            try Shell("python").withPython(there.contains).arguments(script: "s.py")
        }
        #expect(try words(["python", "python3"]) == ["python", "s.py"])
        #expect(try words(["python3"]) == ["python3", "s.py"])
        #expect {
            _ = try words([])
        } throws: { "\($0)".contains("actions/setup-python") && "\($0)".contains("{0}") }
    }

    @Test func `with the shell python, which Debian's PATH has as python3 alone`() async throws {
        let workshop = try await Workshop()
        var step = run("import sys; print('it is', sys.version_info[0])")
        step.shell = "python"
        let ended = try await workshop.attempt([step])
        #expect(ended.report.cause == "passed" && ended.out == ["it is 3"], "\(ended.report.evidence)")
    }
}
