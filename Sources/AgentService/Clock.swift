import Glibc
import Model

/// The machine's monotonic clock, which nobody sets and which goes on while it sleeps: deadlines are kept by it. Log lines and reports carry the wall clock.
enum Clock {
    static func monotonic() -> Instant {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_BOOTTIME, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// Now as `/proc` counts: in ticks since the machine was started.
    static func sinceBoot() -> UInt64 {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_BOOTTIME, &time)
        let ticks = UInt64(max(1, sysconf(CInt(_SC_CLK_TCK))))
        return UInt64(time.tv_sec) * ticks + UInt64(time.tv_nsec) * ticks / 1_000_000_000
    }
}
