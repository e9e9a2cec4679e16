import Glibc
import Locks
import Model

/// Who attempts run as.
package enum StepAccounts: Sendable, Equatable {
    /// The agent's own user: steps could impersonate the agent. All that an unprivileged agent can do.
    case own
    /// One unprivileged user for all attempts: they cannot read the agent's files, but share a user with each other.
    case user(Account)
    /// A user for each running attempt, out of a range of numbers that nobody else uses: attempts can neither read nor
    /// signal each other. What a privileged agent does unless it is told otherwise.
    case pool(first: UInt32, count: UInt32, groups: [UInt32])

    /// The range that systemd, too, takes for users that exist for a while; below 65 536, so that containers map it.
    package static let standardPool = StepAccounts.pool(first: 61_184, count: 4_096, groups: [])

    /// - Parameter stepUser: a user's name or number; `nil` for a user per attempt.
    /// - Throws: `AgentError.configuration` for unknown users, and where an unprivileged agent is to change users.
    package static func choose(stepUser: String?, groups: [UInt32] = []) throws(AgentError) -> Self {
        guard let stepUser else {
            return geteuid() == 0 ? .pool(first: 61_184, count: 4_096, groups: groups) : .own
        }
        guard geteuid() == 0 else {
            throw .configuration(
                "--step-user \(stepUser) needs an agent that runs as root",
                help: "start the agent as root, or leave --step-user out")
        }
        guard let found = unsafe UInt32(stepUser).map({ unsafe getpwuid($0) }) ?? getpwnam(stepUser) else {
            throw .configuration(
                "there is no user '\(stepUser)'",
                help: "make it, for example: useradd --system --no-create-home \(stepUser)")
        }
        let account = unsafe Account(
            user: found.pointee.pw_uid, group: found.pointee.pw_gid, groups: groups,
            name: String(cString: found.pointee.pw_name))
        guard account.user != 0 else {
            throw .configuration("--step-user is root", help: "name an unprivileged user: steps run strangers' code")
        }
        return .user(account)
    }

    /// What the agent must say at its start; `nil` when attempts are kept apart.
    package var warning: String? {
        switch self {
        case .own:
            "steps run as the agent's own user: jobs could read its key and impersonate it; "
                + (geteuid() == 0 ? "leave --same-user out" : "start the agent as root") + " to keep them apart"
        case .user(let account):
            "all attempts share the user '\(account.name)': they cannot read the agent's key, but could reach each other's files; leave --step-user out to give each its own"
        case .pool: nil
        }
    }
}

/// Hands out users to attempts.
final class AccountPool: Sendable {
    private let accounts: StepAccounts
    private let pool = Mutex(Pool())
    private static let lockFolder = "/run/sheaf-users"
    /// To look through all processes costs as much as half an attempt: it is done for many users at a time.
    private static let lookedAtMost = 64
    private static let lookEvery = Duration.seconds(10)

    private struct Pool {
        /// Users in use, each with the descriptor of the lock that keeps other agents of this machine from it.
        var taken: [UInt32: CInt] = [:]
        /// Users go round: what an attempt left in /tmp does not meet the next one.
        var next: UInt32 = 0
        /// Users that had no process at the last look, the next one last.
        var free: [UInt32] = []
        var freeUntil = Instant.epoch

        /// A user with living processes is somebody's, whoever that is.
        mutating func look(_ first: UInt32, _ most: UInt32) {
            let busy = Set(ProcessTable().entries.values.map(\.user))
            free = []
            for offset in 0..<most where free.count < AccountPool.lookedAtMost {
                let user = first + (next + offset) % most
                if taken[user] == nil, !busy.contains(user) { free.append(user) }
            }
            free.reverse()
        }
    }

    init(_ accounts: StepAccounts) { self.accounts = accounts }

    /// - Returns: the account, `nil` for the agent's own; and whether no other attempt has it.
    func take() throws(AgentError) -> (account: Account?, isExclusive: Bool) {
        switch accounts {
        case .own: return (nil, false)
        case .user(let account): return (account, false)
        case .pool(let first, let count, let groups):
            let free = pool.withLock { pool -> UInt32? in
                // The last of them is the probe's.
                let most = max(1, count - 1)
                let now = Clock.monotonic()
                if pool.free.isEmpty || pool.freeUntil < now {
                    pool.look(first, most)
                    pool.freeUntil = now.advanced(by: Self.lookEvery)
                }
                while let user = pool.free.popLast() {
                    guard pool.taken[user] == nil, let lock = Self.lock(user) else { continue }
                    pool.taken[user] = lock
                    pool.next = user - first + 1
                    return user
                }
                return nil
            }
            guard let free else { throw .system("find a free user for the attempt", EAGAIN) }
            return (Account(user: free, group: free, groups: groups, name: "sheaf-\(free - first)"), true)
        }
    }

    func giveBack(_ account: Account?) {
        guard let account, case .pool = accounts else { return }
        guard let lock = pool.withLock({ $0.taken.removeValue(forKey: account.user) }), lock >= 0 else { return }
        // A process that is just born may have a copy of the descriptor for as long as it has not begun its program.
        _ = flock(lock, LOCK_UN)
        close(lock)
    }

    /// Two agents on one machine draw from one range: whoever holds the lock of a user's file has that user. The kernel
    /// lets go of it when the agent ends, however it ends.
    ///
    /// - Returns: the descriptor to close; -1 where no locks can be kept; `nil` when another agent has the user.
    private static func lock(_ user: UInt32) -> CInt? {
        // Only root gets here. A machine whose /run cannot be written keeps no locks.
        guard (try? Files.makeFolder(lockFolder, mode: 0o700)) != nil else { return -1 }
        let raw = unsafe open("\(lockFolder)/\(user)", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard raw >= 0 else { return -1 }
        guard flock(raw, LOCK_EX | LOCK_NB) == 0 else {
            close(raw)
            return nil
        }
        return raw
    }

    /// An account to try things with, that no attempt has; `nil` for the agent's own.
    var probe: Account? {
        switch accounts {
        case .own: nil
        case .user(let account): account
        case .pool(let first, let count, let groups):
            Account(user: first + count - 1, group: first + count - 1, groups: groups, name: "sheaf-probe")
        }
    }
}
