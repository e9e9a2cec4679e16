import Glibc
import Model

/// The farm's time: the wall clock as it was at the start, moved on by the monotonic clock. A wall clock that is set
/// while the coordinator runs ends no lease.
struct FarmClock: Sendable {
    private let start: Instant
    private let origin: ContinuousClock.Instant

    init() {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        start = Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
        origin = .now
    }

    var now: Instant { start.advanced(by: .now - origin) }
}
