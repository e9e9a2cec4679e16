import Glibc
import Model

/// The machine's clocks. Deadlines are kept by the monotonic one, which nobody sets; log lines and reports carry the other.
enum Clock {
    static func monotonic() -> Instant { read(CLOCK_MONOTONIC) }
    static func wall() -> Instant { read(CLOCK_REALTIME) }

    private static func read(_ clock: clockid_t) -> Instant {
        var time = timespec()
        _ = unsafe clock_gettime(clock, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}
