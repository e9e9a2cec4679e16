package import Model

/// An effect outside of the farm: a comment, a check, an alias elsewhere.
package struct DeliveryRecord: Equatable, Sendable {
    package struct Ending: Equatable, Sendable {
        package var at: Instant
        /// What the other side calls it; `nil`: it was given up.
        package var receipt: String?
        /// Why it was given up.
        package var reason: String

        package init(at: Instant, receipt: String?, reason: String = "") {
            self.at = at
            self.receipt = receipt
            self.reason = reason
        }
    }

    /// Names it here and on the other side, where it can be searched for: the same key is the same effect.
    package var key: String
    /// Who performs it.
    package var kind: String
    package var run: RunID?
    package var body: [UInt8]
    package var intendedAt: Instant
    /// When it is tried next.
    package var dueAt: Instant
    /// How often it may have happened.
    package var tries: Int
    /// Why it was postponed last.
    package var reason: String
    package var ending: Ending?

    package init(
        key: String, kind: String, run: RunID?, body: [UInt8], intendedAt: Instant, dueAt: Instant? = nil,
        tries: Int = 0, reason: String = "", ending: Ending? = nil
    ) {
        self.key = key
        self.kind = kind
        self.run = run
        self.body = body
        self.intendedAt = intendedAt
        self.dueAt = dueAt ?? intendedAt
        self.tries = tries
        self.reason = reason
        self.ending = ending
    }
}
