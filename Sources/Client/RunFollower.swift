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

    private let run: RunID
    private let farm: Reconnecting

    package init(_ run: RunID, connect: @escaping @Sendable () async throws(ClientError) -> FarmClient) {
        self.run = run
        farm = Reconnecting(connect: connect)
    }

    /// - Returns: the run as it ended.
    /// - Throws: `ClientError` when the farm refuses, `CancellationError`.
    package func follow(_ show: (Event) -> Void) async throws -> Proto.RunSummary {
        var last = Proto.RunSummary()
        try await farm.repeating { change in
            switch change {
            case .lost(let error): show(.lost(error))
            case .found: show(.found)
            }
        } until: { client, moved in
            try await client.stream(Proto.Farm.Watch.self, .with { $0.run = run.number }) { event in
                moved()
                last = event.summary ?? last
                show(.changed(event))
            }
            return last.state == "ended"
        }
        return last
    }
}
