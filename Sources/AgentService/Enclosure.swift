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
    private let unified: String?
    private let split: [String: String]
    private let unifiedControllers: Set<String>
    /// Sessions, which are also the pids of the processes that we started,
    /// with the time when each began: a pid may mean somebody else later.
    private let sessions = Mutex([pid_t: UInt64]())
    /// What a chamber shows; `nil` where there are none.
    private let view: [Chamber.Mount]?
    /// Made when the first process needs it, and anew once everything was killed.
    private let current = Mutex<Chamber?>(nil)
    private let began = Clock.sinceBoot()

    /// Attempts without chambers: what has fallen to the agent, and bears no sign of another, may be theirs.
    private static let sweeping = Mutex(Set<ObjectIdentifier>())

    /// - Parameter name: unique in the life of the machine: a group that was killed is not used again.
    /// - Parameter view: what to mount in the attempt's chambers; `nil` for none: its processes are then found by looking.
    init(
        in cgroups: Cgroups, name: String, mark: String, ownUser: uid_t?, limits: Cgroups.Limits,
        view: [Chamber.Mount]? = nil
    ) {
        self.mark = mark
        self.ownUser = ownUser
        self.view = view
        unified = cgroups.unified.map { $0 + "/" + name }.flatMap { Cgroups.makeGroup($0) ? $0 : nil }
        unifiedControllers = cgroups.unifiedControllers
        split = cgroups.split.mapValues { $0 + "/" + name }.filter { Cgroups.makeGroup($0.value) }
        if let pids = folder(of: "pids") { Cgroups.set(String(limits.processesMax), in: pids + "/pids.max") }
        if let memory = limits.memory?.bytes {
            if let folder = split["memory"] {
                Cgroups.set(String(memory), in: folder + "/memory.limit_in_bytes")
                // Else a machine with swap would let it be twice as much. Absent where swap is not counted.
                Cgroups.set(String(memory), in: folder + "/memory.memsw.limit_in_bytes")
            } else if let folder = folder(of: "memory") {
                Cgroups.set(String(memory), in: folder + "/memory.max")
                Cgroups.set("0", in: folder + "/memory.swap.max")
            }
        }
        if let cpus = limits.cpus {
            let quota = cpus * Self.cpuPeriodMicroseconds
            if let folder = split["cpu"] {
                Cgroups.set(String(Self.cpuPeriodMicroseconds), in: folder + "/cpu.cfs_period_us")
                Cgroups.set(String(quota), in: folder + "/cpu.cfs_quota_us")
            } else if let folder = folder(of: "cpu") {
                Cgroups.set("\(quota) \(Self.cpuPeriodMicroseconds)", in: folder + "/cpu.max")
            }
        }
        if view == nil { _ = Self.sweeping.withLock { $0.insert(ObjectIdentifier(self)) } }
    }

    deinit {
        if view == nil { _ = Self.sweeping.withLock { $0.remove(ObjectIdentifier(self)) } }
    }

    private static let cpuPeriodMicroseconds = 100_000

    /// Where groups within this one are made: what it is limited to holds for all of them together.
    var below: Cgroups {
        var groups = Cgroups.none
        (groups.unified, groups.split) = (unified, split)
        return groups
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

    private func folder(of controller: String) -> String? {
        split[controller] ?? (unifiedControllers.contains(controller) ? unified : nil)
    }

    private var folders: [String] { Array(Set(split.values)).sorted() + (unified.map { [$0] } ?? []) }

    /// Whether the kernel itself knows who belongs here.
    var isKept: Bool { unified != nil || split["pids"] != nil || split["freezer"] != nil }

    func joined(by session: pid_t) {
        let started = ProcessTable.entry(session)?.started ?? 0
        sessions.withLock { $0[session] = started }
    }

    /// Opens the files through which a new process joins. The caller closes them.
    func openDoors() throws(AgentError) -> [CInt] {
        var doors: [CInt] = []
        for folder in folders {
            let raw = unsafe open(folder + "/cgroup.procs", O_WRONLY | O_CLOEXEC)
            guard raw >= 0 else {
                let error = AgentError.failed("open \(folder)/cgroup.procs")
                for door in doors { close(door) }
                throw error
            }
            doors.append(raw)
        }
        return doors
    }

    // MARK: Counting

    /// The most memory that the attempt used at one time, by the kernel's count; `nil` where nobody counts.
    var peakMemory: ByteCount? {
        let text =
            split["memory"].flatMap { Files.value($0 + "/memory.max_usage_in_bytes") }
            ?? folder(of: "memory").flatMap { Files.value($0 + "/memory.peak") }
        return text.flatMap { Int64($0) }.map { ByteCount($0) }
    }

    var memoryLimit: ByteCount? {
        let text =
            split["memory"].flatMap { Files.value($0 + "/memory.limit_in_bytes") }
            ?? folder(of: "memory").flatMap { Files.value($0 + "/memory.max") }
        // No limit is "max", or the largest number of pages.
        return text.flatMap { Int64($0) }.flatMap { $0 < 1 << 60 ? ByteCount($0) : nil }
    }

    /// How many processes the kernel killed here because memory ran out; `nil` where nobody counts.
    var oomKills: Int? {
        let text =
            split["memory"].flatMap { Files.value($0 + "/memory.oom_control") }
            ?? folder(of: "memory").flatMap { Files.value($0 + "/memory.events") }
        return text.flatMap { Self.field("oom_kill", of: $0) }
    }

    var cpuNanoseconds: UInt64? {
        if let text = split["cpuacct"].flatMap({ Files.value($0 + "/cpuacct.usage") }) { return UInt64(text) }
        return unified.flatMap { Files.value($0 + "/cpu.stat") }.flatMap { Self.field("usage_usec", of: $0) }
            .map { UInt64($0) * 1000 }
    }

    /// The number behind a word at the start of a line.
    static func field(_ name: String, of text: String) -> Int? {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2, words[0] == name { return Int(words[1]) }
        }
        return nil
    }

    // MARK: Ending

    /// The attempt's living processes.
    func members() -> [ProcessTable.Entry] {
        let table = ProcessTable()
        var pids: Set<pid_t> = []
        for folder in folders {
            let listed = Files.value(folder + "/cgroup.procs") ?? ""
            pids.formUnion(listed.split(separator: "\n").compactMap { pid_t($0) })
        }
        let sessions = Set(
            sessions.withLock { $0 }.filter { pid, started in (table.entries[pid]?.started ?? started) == started }.keys
        )
        let first = current.withLock { $0?.pid }
        pids.formUnion(table.descendants(of: sessions.union(first.map { [$0] } ?? [])))
        let assignment = "\(Self.markName)=\(mark)"
        for entry in table.entries.values
        where sessions.contains(entry.session) || entry.user == ownUser
            || (view == nil && !isKept && ProcessTable.environment(of: entry.pid, has: assignment))
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

    /// Kills everything, whatever it did to get away. Blocks until it is gone, at most `most`.
    ///
    /// - Returns: what the kernel would not let die (a process stuck in a driver); the agent must not hide it.
    func killAll(within most: Duration = .seconds(10)) -> [ProcessTable.Entry] {
        let deadline = Clock.monotonic().advanced(by: most)
        if view != nil {
            let chamber = current.withLock { chamber in
                defer { chamber = nil }
                return chamber
            }
            // Nothing of the attempt lives elsewhere.
            guard let chamber, !chamber.end(within: most) else { return [] }
            return members()
        }
        if let unified { Cgroups.set("1", in: unified + "/cgroup.kill") }
        var pause: UInt32 = 500
        while true {
            // Frozen, a fork bomb cannot outrun us; the kernel delivers a SIGKILL at the thaw.
            if let freezer = split["freezer"] { Cgroups.set("FROZEN", in: freezer + "/freezer.state") }
            let members = members()
            for entry in members { ProcessTable.signal(SIGKILL, to: entry) }
            if let freezer = split["freezer"] { Cgroups.set("THAWED", in: freezer + "/freezer.state") }
            Births.collectOrphans()
            if members.isEmpty || Clock.monotonic() > deadline { return members }
            usleep(pause)
            pause = min(pause * 2, 20_000)
        }
    }

    /// Removes the emptied groups.
    func remove() { for folder in folders { Self.removeGroup(folder) } }

    /// Removes a group and those in it. The kernel needs a moment after the last process has ended.
    static func removeGroup(_ folder: String) {
        for name in Files.names(in: folder)
        where Files.facts(folder + "/" + name, followingLinks: false)?.kind == .folder {
            removeGroup(folder + "/" + name)
        }
        for _ in 0..<50 {
            if unsafe rmdir(folder) == 0 || errno != EBUSY { return }
            usleep(2000)
        }
    }

    /// What lives in a group, and in those within it.
    private static func pids(below group: String) -> [pid_t] {
        var pids = (Files.value(group + "/cgroup.procs") ?? "").split(separator: "\n").compactMap { pid_t($0) }
        for name in Files.names(in: group)
        where Files.facts(group + "/" + name, followingLinks: false)?.kind == .folder {
            pids += Self.pids(below: group + "/" + name)
        }
        return pids
    }

    /// Ends what a predecessor of this agent left in its groups.
    static func clear(_ cgroups: Cgroups) -> Int {
        var killed = 0
        for folder in cgroups.folders {
            for name in Files.names(in: folder) {
                let group = folder + "/" + name
                guard name != "sheaf-agent", Files.facts(group, followingLinks: false)?.kind == .folder else {
                    continue
                }
                Cgroups.set("1", in: group + "/cgroup.kill")
                // The earlier life may have died while it held them frozen: a frozen process does not die.
                Cgroups.set("THAWED", in: group + "/freezer.state")
                for _ in 0..<200 {
                    let pids = pids(below: group)
                    let alive = pids.compactMap(ProcessTable.entry).filter { !$0.isZombie }
                    if alive.isEmpty { break }
                    killed += alive.count
                    for entry in alive { ProcessTable.signal(SIGKILL, to: entry) }
                    usleep(2000)
                }
                removeGroup(group)
            }
        }
        return killed
    }
}
