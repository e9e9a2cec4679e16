package import Glibc
package import Locks

/// The children of this process that somebody in it waits for. An agent ends and collects what its attempts left to this process
/// as orphans; it knows by this which children are none.
package enum Children {
    /// Held over a birth, so that a child which ends at once is known already; removed once it is collected.
    package static let known = Mutex(Set<pid_t>())

    package static func isWaitedFor(_ pid: pid_t) -> Bool { known.withLock { $0.contains(pid) } }
}
