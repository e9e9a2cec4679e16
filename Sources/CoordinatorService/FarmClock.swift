import Glibc
import Model

/// The farm's time: the wall clock as it was at the start, moved on by the monotonic clock. A wall clock that is set
/// while the coordinator runs ends no lease.
struct FarmClock: Sendable {
    private let start: Instant
    private let origin: ContinuousClock.Instant

    /// - Parameter start: what the wall clock says now.
    init(start: Instant = Self.wall()) {
        self.start = start
        origin = .now
    }

    /// What the machine's clock says now.
    static func wall() -> Instant {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    var now: Instant { start.advanced(by: .now - origin) }
}
