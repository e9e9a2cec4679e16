import Artifacts
package import Model
package import Wire

/// Packs code and sends a run in. Repeating it with the same key is harmless.
package enum Submitting {
    package struct Answer: Sendable {
        /// `nil` when there were mistakes, which `diagnostics` then holds.
        package var run: RunID?
        package var diagnostics: [Proto.Diagnostic]
    }

    /// A request whose code the farm has.
    package struct Submission: Sendable {
        package var request: Proto.SubmitRunRequest
        package var files: Int
        package var sentBytes: Int
    }

    /// Sends the code, and asks nothing of the farm yet.
    ///
    /// - Parameters:
    ///   - request: everything but what is known about the code; of branches that gates compare with, the names.
    ///   - history: what checkouts ask of git's, beside the files.
    ///   - alone: the folder's own files travel, and not the repository around it.
    ///   - state: a farm's own folder, whose keys must not travel.
    package static func prepare(
        _ request: Proto.SubmitRunRequest, code folder: String, alone: Bool, history: HistoryWanted? = nil,
        state: String? = nil, to client: FarmClient
    ) async throws(ClientError) -> Submission {
        let code = try await CodePacking(folder, alone: alone)
        try code.refuse(state: state)
        let packed = try await code.upload(over: LinkObjects.submission(client.link), history: history)
        var request = request
        request.tree = packed.manifest.digest.bytes
        request.commit = code.origin.commit
        request.branch = code.origin.branch
        request.dirty = code.origin.isDirty
        request.repository = code.origin.repository
        for place in request.branches.indices {
            let history = try await code.history(against: request.branches[place].name)
            request.branches[place].commits = history.commits
            request.branches[place].problem = history.problem
        }
        return Submission(request: request, files: packed.files, sentBytes: packed.sentBytes)
    }

    /// Sends a run in. What throws here may have been done all the same: the same key is the same run.
    package static func send(_ submission: Submission, to client: FarmClient) async throws(ClientError) -> Answer {
        let answer = try await client.call(Proto.Farm.SubmitRun.self, submission.request)
        return Answer(run: answer.run == 0 ? nil : RunID(answer.run), diagnostics: answer.diagnostics)
    }

    /// A key for one submission: 32 hexadecimal digits from the system's randomness.
    package static func newKey() -> String {
        var random = SystemRandomNumberGenerator()
        return (0..<4).map { _ in
            let digits = String(UInt32.random(in: 0...UInt32.max, using: &random), radix: 16)
            return String(repeating: "0", count: 8 - digits.count) + digits
        }.joined()
    }
}
