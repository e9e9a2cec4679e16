/// A point in time: nanoseconds since 1970-01-01T00:00:00Z. Decisions take it as an argument and never ask a clock.
@usableFromInline package struct Instant: Hashable, Comparable, Sendable {
    @usableFromInline package var nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    package static let epoch = Instant(nanoseconds: 0)
    package static let distantFuture = Instant(nanoseconds: .max)

    /// So many seconds after the epoch, held at the limits of `Int64` nanoseconds (the years 1677 and 2262).
    package static func seconds(_ seconds: Int64) -> Self {
        let (nanoseconds, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return Self(nanoseconds: overflow ? (seconds < 0 ? .min : .max) : nanoseconds)
    }

    /// The instant `duration` later; sticks to `distantFuture` where the sum does not fit.
    package func advanced(by duration: Duration) -> Self {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(duration.wholeNanoseconds)
        return overflow ? (duration < .zero ? .init(nanoseconds: .min) : .distantFuture) : .init(nanoseconds: sum)
    }

    /// The time in UTC to the second: `2026-11-21T10:02:11Z`.
    package var utc: String {
        let seconds = nanoseconds.floored(by: 1_000_000_000)
        let days = seconds.floored(by: 86_400)
        let (year, month, day) = Self.civil(days)
        return "\(Self.padded(year, 4))-\(Self.padded(month, 2))-\(Self.padded(day, 2))T\(utcClock)"
    }

    /// The time of day in UTC to the second: `10:02:11Z`.
    package var utcClock: String {
        let seconds = nanoseconds.floored(by: 1_000_000_000)
        let second = seconds - seconds.floored(by: 86_400) * 86_400
        return "\(Self.padded(second / 3600, 2)):\(Self.padded(second / 60 % 60, 2)):\(Self.padded(second % 60, 2))Z"
    }

    /// The date of a day counted from 1970-01-01, in the proleptic Gregorian calendar. Years are counted from March, so
    /// that a leap day is the last of its year; 146 097 days are 400 years.
    private static func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = shifted.floored(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    }

    private static func padded(_ number: Int64, _ width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }

    /// How long it is to `other`, held at the limits of `Int64` nanoseconds (292 years).
    package func duration(to other: Self) -> Duration {
        let (difference, overflow) = other.nanoseconds.subtractingReportingOverflow(nanoseconds)
        return .nanoseconds(overflow ? (other < self ? .min : .max) : difference)
    }
    @inlinable package static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }
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

    /// For people: `0.42 s`, `12 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`.
    package var spelled: String {
        let seconds = inSeconds
        if seconds < 0 { return "-" + (Duration.zero - self).spelled }
        if seconds < 0.0995 { return "\(Int((seconds * 1000).rounded())) ms" }
        if seconds < 9.95 {
            let hundredths = Int((seconds * 100).rounded())
            let cents = hundredths % 100
            let fraction = cents % 10 == 0 ? "\(cents / 10)" : cents < 10 ? "0\(cents)" : "\(cents)"
            return cents == 0 ? "\(hundredths / 100) s" : "\(hundredths / 100).\(fraction) s"
        }
        let whole = Int64(seconds.rounded())
        let parts: (Int64, String, Int64, String)
        switch whole {
        case ..<60: return "\(whole) s"
        case ..<3600: parts = (whole / 60, "min", whole % 60, "s")
        case ..<86_400: parts = (whole / 3600, "h", whole % 3600 / 60, "min")
        default: parts = (whole / 86_400, "d", whole % 86_400 / 3600, "h")
        }
        return "\(parts.0) \(parts.1)" + (parts.2 == 0 ? "" : " \(parts.2) \(parts.3)")
    }
}

extension Int64 {
    /// The quotient, rounded down.
    fileprivate func floored(by divisor: Int64) -> Int64 {
        self / divisor - (self % divisor < 0 ? 1 : 0)
    }
}
