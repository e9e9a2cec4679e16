package import Model
import Transport
package import Wire

/// Follows a run to its end, over as many connections as that takes.
package struct RunFollower: Sendable {
    package enum Event: Sendable {
        case changed(Proto.WatchEvent)
        /// The farm is away; it is looked for again.
        case lost(ClientError)
        case found
    }

    private static let pauseMin = Duration.milliseconds(200)
    private static let pauseMax = Duration.seconds(10)

    private let run: RunID
    private let connect: @Sendable () async throws(ClientError) -> FarmClient

    package init(_ run: RunID, connect: @escaping @Sendable () async throws(ClientError) -> FarmClient) {
        self.run = run
        self.connect = connect
    }

    /// - Returns: the run as it ended.
    /// - Throws: `ClientError` when the farm refuses, `CancellationError`.
    package func follow(_ show: (Event) -> Void) async throws -> Proto.RunSummary {
        var last: Proto.RunSummary?
        var pause = Self.pauseMin
        var isLost = false
        while true {
            do {
                let client = try await connect()
                defer { Task { await client.link.close() } }
                if isLost { show(.found) }
                isLost = false
                try await client.stream(Proto.Farm.Watch.self, .with { $0.run = run.number }) { event in
                    pause = Self.pauseMin
                    last = event.summary ?? last
                    show(.changed(event))
                }
                if let last, last.state == "ended" { return last }
            } catch let error as ClientError {
                try Task.checkCancellation()
                if error.isRefusal { throw error }
                if !isLost { show(.lost(error)) }
                isLost = true
            }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, Self.pauseMax)
        }
    }
}
