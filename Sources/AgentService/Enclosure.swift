import CLinux
import Glibc
import Locks
import Model
import Programs

/// What holds an attempt's processes together, so that all of them can be found, counted and ended: a chamber where the
/// agent may make one, and else its cgroups, its user, its sessions, the mark in its environment, and what falls to the
/// agent as an orphan.
final class Enclosure: Sendable {
    /// In every environment of the attempt's processes.
    static let markName = "SHEAF_ATTEMPT"

    let mark: String
    /// The user that only this attempt has; `nil` when it shares one.
    let ownUser: uid_t?
    let groups: Groups
    /// Sessions, which are also the pids of the processes that we started,
    /// with the time when each began: a pid may mean somebody else later.
    private let sessions = Mutex([pid_t: UInt64]())
    /// What a chamber shows; `nil` where there are none.
    private let view: [Chamber.Mount]?
    /// Made when the first process needs it, and anew once everything was killed.
    private let current: Mutex<Chamber?>
    /// Something was killed here: what served for it serves nobody else.
    private let isSpent = Mutex(false)
    private let began = Clock.sinceBoot()

    /// Attempts without chambers: what has fallen to the agent, and bears no sign of another, may be theirs.
    private static let sweeping = Mutex(Set<ObjectIdentifier>())

    /// - Parameter view: what to mount in the attempt's chambers; `nil` for none: its processes are then found by looking.
    /// - Parameter chamber: one with this view that an earlier attempt has left as it found it.
    init(
        in groups: Groups, mark: String, ownUser: uid_t?, view: [Chamber.Mount]? = nil, chamber: Chamber? = nil
    ) {
        self.groups = groups
        self.mark = mark
        self.ownUser = ownUser
        self.view = view
        current = Mutex(chamber)
        if view == nil { _ = Self.sweeping.withLock { $0.insert(ObjectIdentifier(self)) } }
    }

    deinit {
        if view == nil { _ = Self.sweeping.withLock { $0.remove(ObjectIdentifier(self)) } }
    }

    /// Where a new process of the attempt is to live; `nil` for the agent's own world.
    func chamber() throws(AgentError) -> Chamber? {
        guard let view else { return nil }
        if let chamber = current.withLock({ $0 }) { return chamber }
        let chamber = try Chamber(view)
        current.withLock { $0 = chamber }
        return chamber
    }

    /// Where the agent finds the attempt's view of the file system; empty for its own.
    var root: String { current.withLock { $0?.root } ?? "" }

    /// Whether a user of its own has started nothing here yet.
    var isUserNew: Bool { ownUser != nil && sessions.withLock { $0.isEmpty } }

    func joined(by session: pid_t) {
        let started = ProcessTable.entry(session)?.started ?? 0
        sessions.withLock { $0[session] = started }
    }

    // MARK: Ending

    /// The attempt's living processes.
    func members() -> [ProcessTable.Entry] {
        let table = ProcessTable()
        var pids = groups.pids
        let sessions = Set(
            sessions.withLock { $0 }.filter { pid, started in (table.entries[pid]?.started ?? started) == started }.keys
        )
        let first = current.withLock { $0?.pid }
        pids.formUnion(table.descendants(of: sessions.union(first.map { [$0] } ?? [])))
        let assignment = "\(Self.markName)=\(mark)"
        for entry in table.entries.values
        where sessions.contains(entry.session) || entry.user == ownUser
            || (view == nil && !groups.areKept && ProcessTable.environment(of: entry.pid, has: assignment))
        {
            pids.insert(entry.pid)
        }
        if view == nil { pids.formUnion(strays(table)) }
        pids.subtract([getpid(), first ?? 0])
        return pids.sorted().compactMap { table.entries[$0] }.filter { !$0.isZombie }
    }

    /// What has fallen to the agent as an orphan without any sign whose it is, and what descends from it. It is this
    /// attempt's when no other that could have started it lives.
    private func strays(_ table: ProcessTable) -> Set<pid_t> {
        let known = Self.sweeping.withLock { $0 }
        guard known == [ObjectIdentifier(self)] else { return [] }
        let (own, session) = (getpid(), getsid(0))
        let strays = table.entries.values.filter {
            $0.parent == own && $0.session != session && $0.started >= began && !Children.isWaitedFor($0.pid)
        }
        let pids = Set(strays.map(\.pid))
        return pids.union(table.descendants(of: pids))
    }

    func signalAll(_ number: CInt) {
        for entry in members() { ProcessTable.signal(number, to: entry) }
    }

    /// Whether nothing was killed and nobody is left: then there is nothing to end, and the next attempt may have the same.
    ///
    /// Never true without chambers: only a chamber tells for certain who lives in it.
    var isLeftAsFound: Bool {
        guard view != nil, !isSpent.withLock({ $0 }), groups.oomKills ?? 0 == 0 else { return false }
        return current.withLock { $0 }?.isAsFounded ?? true
    }

    /// Gives the chamber away; `nil` when there is none.
    func leaveChamber() -> Chamber? {
        current.withLock { chamber in
            defer { chamber = nil }
            return chamber
        }
    }

    /// Kills everything, whatever it did to get away. Blocks until it is gone, at most `most`.
    ///
    /// - Returns: what the kernel would not let die (a process stuck in a driver); the agent must not hide it.
    func killAll(within most: Duration = .seconds(10)) -> [ProcessTable.Entry] {
        let deadline = Clock.monotonic().advanced(by: most)
        isSpent.withLock { $0 = true }
        if view != nil {
            // Nothing of the attempt lives elsewhere.
            guard let chamber = leaveChamber(), !chamber.end(within: most) else { return [] }
            return members()
        }
        if let killSwitch = groups.killSwitch { Cgroups.set("1", in: killSwitch) }
        var pause: UInt32 = 500
        while true {
            // Frozen, a fork bomb cannot outrun us; the kernel delivers a SIGKILL at the thaw.
            if let freezer = groups.freezer { Cgroups.set("FROZEN", in: freezer) }
            let members = members()
            for entry in members { ProcessTable.signal(SIGKILL, to: entry) }
            if let freezer = groups.freezer { Cgroups.set("THAWED", in: freezer) }
            Births.collectOrphans()
            if members.isEmpty || Clock.monotonic() > deadline { return members }
            usleep(pause)
            pause = min(pause * 2, 20_000)
        }
    }
}
