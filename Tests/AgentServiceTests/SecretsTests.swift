import Model
import Testing
import Wire

@testable import AgentService

@Suite(.timeLimit(.minutes(10))) struct `Secrets that an agent holds` {
    @Test func `are read from lines or from an object`() throws {
        let lines = try HeldSecrets(file: "# mine\n\nAPI_KEY=a=b \" c\nGITHUB_TOKEN=ghp_0123456789\n")
        #expect(lines.members == [.init("API_KEY", "a=b \" c"), .init("GITHUB_TOKEN", "ghp_0123456789")])
        #expect(lines.labels == ["secret:api_key", "secret:github_token"] && lines.token == "ghp_0123456789")
        let object = try HeldSecrets(file: " {\"key\": \"line 1\\nline 2\"}")
        #expect(object.members == [.init("key", "line 1\nline 2")] && object.remarks.isEmpty)
        #expect(try HeldSecrets(file: "PIN=12").remarks.count == 1)
        #expect(try HeldSecrets(file: "").members.isEmpty)
    }

    /// No sentence about a file of secrets has a value in it.
    @Test(arguments: [
        ("KEY", "line 1: it is not NAME=value"), ("A=1234\nA B=hunter2-value", "line 2: 'A B' is no name"),
        ("1A=hunter2-value", "is no name"), ("GITHUB_SHA=hunter2-value", "'GITHUB_SHA' is no name"),
        ("KEY=hunter2-value\nkey=hunter2-value", "'key' stands twice"), ("KEY=", "'KEY' is empty"),
        ("KEY=   ", "'KEY' is empty"), ("KEY=\"hunter2-value\"", "stands in quotes"),
        ("{\"KEY\": 7}", "'KEY' is no text"), ("{\"KEY\": \"hunter2-value\"", "begins like JSON"),
        ("{\"KEY\": \"hunter2-value\", \"KEY\": \"hunter2-value\"}", "stands twice"),
        ("KEY=" + String(repeating: "hunter2-value", count: 10_000), "beyond the limit"),
    ])
    func `of a file with a mistake are none`(text: String, problem: String) {
        let mistake = #expect(throws: HeldSecrets.Mistake.self) { try HeldSecrets(file: text) }
        #expect(mistake?.description.contains(problem) == true, "\(String(describing: mistake))")
        #expect(mistake?.description.contains("hunter2-value") == false)
    }

    private func workshop() async throws -> Workshop {
        let held = try HeldSecrets(file: "API_KEY=squeamish-ossifrage\nGITHUB_TOKEN=ghp_0123456789\n")
        return try await Workshop { $0.secrets = held }
    }

    @Test func `are read by steps, and hidden in what they leave`() async throws {
        let ended = try await workshop().attempt([
            run(
                """
                [ "$KEY" = squeamish-ossifrage ] && [ '${{ secrets.api_key }}' = "$KEY" ]
                echo "key $KEY and ${{ github.token }}, $(printf %s "x$KEY" | base64)"
                echo "key=$KEY" >> "$GITHUB_OUTPUT"
                echo "$KEY" >> "$GITHUB_STEP_SUMMARY"
                """, id: "s", env: [Template("KEY", "${{ secrets.API_KEY }}")])
        ]) {
            $0.work.outputs = [Template("key", "${{ steps.s.outputs.key }}"), Template("plain", "text")]
            // A farm has no say in what the agent holds.
            $0.contexts.append(.init("secrets", ["API_KEY": "forged"]))
        }
        #expect(ended.report.cause == "passed", "\(ended.report.evidence)")
        #expect(ended.out.first?.hasPrefix("key *** and ***, ") == true, "\(ended.out)")
        #expect(!ended.lines.contains { $0.text.contains("ossifrage") || $0.text.contains("c3F1ZWFtaXNo") })
        #expect(ended.report.outputs == ["plain": "text"])
        #expect(try ended.text(ended.report.summary) == "***\n")
    }

    @Test func `are not given away by artifacts, in no file's bytes or name`() async throws {
        let workshop = try await workshop()
        let write = "mkdir -p a b && echo fine > a/x && head -c 700000 /dev/zero > b/y && printf %s \"$KEY\" >> b/y"
        let ended = try await workshop.attempt([
            run(write, env: [Template("KEY", "${{ secrets.API_KEY }}")]),
            uses("actions/upload-artifact", ["name": "good", "path": "a"]),
            uses("actions/upload-artifact", ["name": "bad", "path": "a\nb"]),
        ])
        #expect(ended.report.cause == "user_error")
        #expect(
            ended.report.evidence.contains("the artifact 'bad' would give away a secret, in 'b/y'"),
            "\(ended.report.evidence)")
        #expect(ended.report.artifacts.map(\.name) == ["good"])
        let named = try await workshop.attempt([
            run("mkdir n && echo 1 > n/squeamish-ossifrage"), uses("actions/upload-artifact", ["path": "n"]),
        ])
        #expect(named.report.evidence.contains("in '***'"), "\(named.report.evidence)")
        let kept = try await workshop.attempt([
            uses("actions/cache", ["path": "n", "key": "${{ secrets.API_KEY }}"])
        ])
        #expect(kept.report.evidence.contains("key holds a masked value"), "\(kept.report.evidence)")
    }
}
