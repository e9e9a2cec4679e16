import Artifacts
import Foundation
import Glibc
import Model
import Testing
import Wire

@testable import AgentService

/// Actions of other repositories on an agent: unpacked from the farm's objects, for each attempt anew.
@Suite struct `An attempt that uses an action of another repository` {
    private static func step(_ tree: Digest, _ body: LocalAction.Body, path: String = "do", id: String? = nil) -> Step {
        Step(
            id: id,
            action: .local(
                LocalAction(
                    path: path, body: body,
                    source: ActionSource(
                        repository: "Acme/Greet", commit: String(repeating: "ab", count: 20), tree: tree)), with: []))
    }

    private static let files = ["do/action.yml": "read when it was planned", "say.sh": "echo hello from $1\n"]

    @Test func `finds its files beside the workspace, once however often it is used`() async throws {
        let workshop = try await Workshop()
        let tree = try await workshop.tree(Self.files)
        let body = LocalAction.Body.steps(
            [
                run(
                    "sh $GITHUB_ACTION_PATH/../say.sh ${{ github.action_path }}; echo echo again > $GITHUB_ACTION_PATH/../say.sh"
                )
            ],
            outputs: [])
        let ended = try await workshop.attempt([
            Self.step(tree, body), Self.step(tree, body), run("ls; test -z \"$GITHUB_ACTION_PATH\""),
        ])
        #expect(ended.report.cause == "passed", "\(ended.report.evidence)")
        let folder = "actions/acme/greet/" + String(repeating: "ab", count: 20)
        #expect(ended.out.count == 2 && ended.out[0].hasSuffix("/\(folder)/do"), "\(ended.out)")
        // Its own attempt's to change, and nobody else's.
        #expect(ended.out.last == "again", "\(ended.out)")
        let other = try await workshop.attempt([Self.step(tree, body)])
        #expect(other.out.first?.hasPrefix("hello from") == true, "\(other.out)")
    }

    @Test func `that lies in the way gets none of its files where they point to`() async throws {
        let workshop = try await Workshop()
        let tree = try await workshop.tree(Self.files)
        let outside = workshop.path + "/outside"
        try Files.makeFolder(outside, mode: 0o777)
        // The folder is the agent's to make: what stands there is gone, or not followed.
        let ended = try await workshop.attempt([
            run("cd ..; ln -s \(outside) actions || true"), Self.step(tree, .steps([run("true")], outputs: [])),
        ])
        #expect(["passed", "agent_fault", "user_error"].contains(ended.report.cause), "\(ended.report)")
        #expect(Files.names(in: outside).isEmpty, "\(Files.names(in: outside))")
    }

    @Test func `whose tree the farm does not give ends with the farm's fault`() async throws {
        let workshop = try await Workshop()
        let gone = Digest(hashing: Array("gone".utf8))
        let ended = try await workshop.attempt([Self.step(gone, .steps([run("echo never")], outputs: []))])
        #expect(ended.report.cause != "passed" && ended.out.isEmpty, "\(ended.report)")
    }
}
