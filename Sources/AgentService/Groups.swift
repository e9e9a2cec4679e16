import Glibc
import Locks
import Model

/// The cgroups of an attempt: one in each of the kernel's trees that limits or counts something.
///
/// To make and remove them is dear, so they serve the next attempt with the same limits, when the one before has left them
/// empty. What was counted for it is then taken off.
final class Groups: Sendable {
    let limits: Cgroups.Limits
    private let unified: String?
    private let split: [String: String]
    private let unifiedControllers: Set<String>
    /// What the kernel had counted when the attempt began.
    private let before = Mutex(Counts())

    private struct Counts {
        var cpuNanoseconds: UInt64 = 0
        var oomKills = 0
    }

    /// What a group may hold of its last attempt's caches: it counts as the next one's.
    static let leftoverMax = ByteCount.mebibytes(4)
    private static let cpuPeriodMicroseconds = 100_000

    /// - Parameter name: unique in the life of the machine: a group that was killed is not used again.
    /// - Parameter areKilled: whether they are to find and end processes, too; else they only limit and count.
    init(in cgroups: Cgroups, name: String, limits: Cgroups.Limits, areKilled: Bool) {
        self.limits = limits
        unifiedControllers = cgroups.unifiedControllers
        // The unified tree counts processor time without a controller.
        let countsUnified = areKilled || !cgroups.unifiedControllers.isEmpty || cgroups.split["cpuacct"] == nil
        unified =
            countsUnified ? cgroups.unified.map { $0 + "/" + name }.flatMap { Cgroups.makeGroup($0) ? $0 : nil } : nil
        split = cgroups.split.filter { areKilled || $0.key != "freezer" }.mapValues { $0 + "/" + name }
            .filter { Cgroups.makeGroup($0.value) }
        limit()
    }

    private func limit() {
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
    }

    func folder(of controller: String) -> String? {
        split[controller] ?? (unifiedControllers.contains(controller) ? unified : nil)
    }

    /// Where one write ends all of it; `nil` where none does.
    var killSwitch: String? { unified.map { $0 + "/cgroup.kill" } }
    var freezer: String? { split["freezer"].map { $0 + "/freezer.state" } }

    private var folders: [String] { Array(Set(split.values)).sorted() + (unified.map { [$0] } ?? []) }

    /// Whether the kernel itself knows who belongs here.
    var areKept: Bool { unified != nil || split["pids"] != nil || split["freezer"] != nil }

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

    /// Processes that are in one of them, zombies too.
    var pids: Set<pid_t> {
        var pids: Set<pid_t> = []
        for folder in folders {
            let listed = Files.value(folder + "/cgroup.procs") ?? ""
            pids.formUnion(listed.split(separator: "\n").compactMap { pid_t($0) })
        }
        return pids
    }

    /// Where groups within these are made: what they are limited to holds for all of them together.
    var below: Cgroups {
        var groups = Cgroups.none
        (groups.unified, groups.split) = (unified, split)
        return groups
    }

    /// Of processes one tree is asked for all: nobody leaves one group alone but the machine's owner. Groups within them, as
    /// containers have them, may be in any.
    var isEmpty: Bool {
        guard let folder = folders.first else { return true }
        guard Files.value(folder + "/cgroup.procs")?.isEmpty ?? false else { return false }
        return folders.allSatisfy { folder in
            var facts = stat()
            // The kernel counts a link for the group, one for itself, and one for each group in it.
            return unsafe stat(folder, &facts) == 0 && facts.st_nlink == 2
        }
    }

    // MARK: Counting

    private var counts: CgroupCounts {
        let place = { (controller: String, isCounted: Bool) -> CgroupCounts.Place? in
            if let folder = self.split[controller] { return CgroupCounts.Place(folder: folder, isUnified: false) }
            return isCounted ? self.unified.map { CgroupCounts.Place(folder: $0, isUnified: true) } : nil
        }
        // The unified tree counts processor time without a controller.
        return CgroupCounts(
            memory: place("memory", unifiedControllers.contains("memory")), cpu: place("cpuacct", true))
    }

    /// The most memory that the attempt used at one time, by the kernel's count; `nil` where nobody counts.
    var peakMemory: ByteCount? { counts.peakMemory }
    var memoryLimit: ByteCount? { counts.memoryLimit }

    /// How many processes the kernel killed here because memory ran out; `nil` where nobody counts.
    var oomKills: Int? { counts.oomKills.map { $0 - before.withLock { $0.oomKills } } }

    var cpuNanoseconds: UInt64? {
        counts.cpuNanoseconds.map { counted in counted - min(counted, before.withLock { $0.cpuNanoseconds }) }
    }

    // MARK: Ending

    /// Makes ready for another attempt with these limits.
    ///
    /// - Returns: whether they may serve it, being empty: hardly any memory is held, and the peak begins anew.
    func renew(for limits: Cgroups.Limits) -> Bool {
        guard limits == self.limits else { return false }
        if let folder = split["memory"] {
            guard Cgroups.set("0", in: folder + "/memory.max_usage_in_bytes"),
                let held = Files.value(folder + "/memory.usage_in_bytes").flatMap({ Int64($0) }),
                held <= Self.leftoverMax.bytes
            else { return false }
        } else if folder(of: "memory") != nil {
            // The peak of a group of version 2 cannot be set back for all who read it.
            return false
        }
        let begun = Counts(cpuNanoseconds: counts.cpuNanoseconds ?? 0, oomKills: counts.oomKills ?? 0)
        before.withLock { $0 = begun }
        return true
    }

    /// Removes the emptied groups.
    func remove() { for folder in folders { Self.remove(folder) } }

    /// Removes a group and those in it. The kernel needs a moment after the last process has ended.
    static func remove(_ folder: String) {
        for name in Files.names(in: folder)
        where Files.facts(folder + "/" + name, followingLinks: false)?.kind == .folder {
            remove(folder + "/" + name)
        }
        for _ in 0..<50 {
            if unsafe rmdir(folder) == 0 || errno != EBUSY { return }
            usleep(2000)
        }
    }

    /// What lives in a group, and in those within it.
    static func pids(below group: String) -> [pid_t] {
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
                remove(group)
            }
        }
        return killed
    }
}
