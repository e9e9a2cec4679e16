package import Model

/// The coordinator's side of every decision: which shard runs where, what is tried again, when a job or a run has ended.
///
/// A value: no clock, no socket, no store. Events come in with the time at which they count, effects go out in the order
/// in which they are to be performed. The same seed and the same events give the same effects, byte for byte.
package struct Farm: Sendable {
    package struct Settings: Equatable, Sendable {
        /// How long a lease holds unless it is renewed.
        package var lease: Duration
        /// How many shards one call handles before it asks to be continued.
        package var workPerCallMax: Int
        /// The memory of shards whose workflow names none; `nil` places those by cores alone.
        package var defaultMemory: ByteCount?

        package init(
            lease: Duration = .seconds(30), workPerCallMax: Int = 1000, defaultMemory: ByteCount? = nil
        ) {
            self.lease = lease
            self.workPerCallMax = workPerCallMax
            self.defaultMemory = defaultMemory
        }
    }

    let settings: Settings

    /// - Parameter seed: for the jitter of backoffs.
    package init(settings: Settings = Settings(), seed: UInt64) {
        self.settings = settings
    }

    /// Advances the farm. Late, repeated and unknown events are normal on a network: they change nothing.
    package mutating func handle(_ event: Event, at now: Instant, into effects: inout [Effect]) {}

    /// Loads a decision that was made and stored before; nothing is decided again.
    package mutating func restore(_ decision: Decision) {}

    /// Lets go of a run that has ended and was judged.
    package mutating func forget(_ run: RunID) {}
}
