package import Glibc
import Locks

/// The children of this process that somebody in it waits for. An agent ends and collects what its attempts left to this process
/// as orphans; it knows by this which children are none.
///
/// A birth takes its time, for the parent's thread stands still until the child has become its program. So births go on beside each
/// other, and who asks waits until none does: a child that ends at once is known already.
package enum Children {
    private static let births = SharedLock()
    private static let known = Mutex(Set<pid_t>())

    /// Makes a child that somebody is going to wait for.
    ///
    /// - Parameter body: gives the child's number; `nil` where there is none.
    package static func bear(_ body: () -> pid_t?) {
        births.together {
            if let pid = body() { known.withLock { _ = $0.insert(pid) } }
        }
    }

    /// It was collected.
    package static func forget(_ pid: pid_t) { known.withLock { _ = $0.remove(pid) } }

    package static func isWaitedFor(_ pid: pid_t) -> Bool { births.alone { known.withLock { $0.contains(pid) } } }

    /// Calls `body` unless somebody waits for the child; nobody makes one meanwhile.
    package static func ifOrphan(_ pid: pid_t, _ body: () -> Void) {
        births.alone {
            if !known.withLock({ $0.contains(pid) }) { body() }
        }
    }
}
