import Transport

/// Does something with the farm over as many connections as that takes.
struct Reconnecting: Sendable {
    enum Change: Sendable {
        /// The farm is away; it is looked for again.
        case lost(ClientError)
        case found
    }

    private static let pauseMin = Duration.milliseconds(200)
    private static let pauseMax = Duration.seconds(10)

    let connect: @Sendable () async throws(ClientError) -> FarmClient

    /// - Parameter body: given a connection, and what to call when something came over it. `false` or a lost connection: it is
    ///   called again after a pause, which grows while nothing comes.
    /// - Throws: `ClientError` when the farm refuses, `CancellationError`.
    func repeating(
        _ tell: (Change) -> Void, until body: (FarmClient, _ moved: () -> Void) async throws -> Bool
    ) async throws {
        var pause = Self.pauseMin
        var isLost = false
        while true {
            do {
                let client = try await connect()
                defer { Task { await client.link.close() } }
                if isLost { tell(.found) }
                isLost = false
                if try await body(client, { pause = Self.pauseMin }) { return }
            } catch let error as ClientError {
                try Task.checkCancellation()
                if error.isRefusal { throw error }
                if !isLost { tell(.lost(error)) }
                isLost = true
            }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, Self.pauseMax)
        }
    }
}
