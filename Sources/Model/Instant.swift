/// A point in time: nanoseconds since 1970-01-01T00:00:00Z. Decisions take it as an argument and never ask a clock.
package struct Instant: Hashable, Comparable, Sendable {
    package var nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    package static let epoch = Instant(nanoseconds: 0)
    package static let distantFuture = Instant(nanoseconds: .max)

    package static func seconds(_ seconds: Int64) -> Self { Self(nanoseconds: seconds * 1_000_000_000) }

    /// The instant `duration` later; sticks to `distantFuture` where the sum does not fit.
    package func advanced(by duration: Duration) -> Self {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(duration.wholeNanoseconds)
        return overflow ? (duration < .zero ? .init(nanoseconds: .min) : .distantFuture) : .init(nanoseconds: sum)
    }

    package func duration(to other: Self) -> Duration { .nanoseconds(other.nanoseconds &- nanoseconds) }
    package static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }
}

extension Duration {
    /// The duration in nanoseconds, cut towards zero, and held at the limits of `Int64` (292 years).
    package var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        let (sum, carried) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
        return carried ? (seconds < 0 ? .min : .max) : sum
    }

    package static func minutes(_ minutes: Int64) -> Duration { .seconds(minutes * 60) }

    /// The duration in seconds, as a number for arithmetic and reports.
    package var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }
}
