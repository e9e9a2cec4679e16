import Glibc
package import Model

/// The part of the kernel's cgroup trees in which this agent may make groups: version 2 where it has the controllers,
/// version 1 beside it, or neither.
package struct Cgroups: Sendable {
    /// What an attempt may use; `nil` is no limit.
    package struct Limits: Equatable, Sendable {
        package var memory: ByteCount?
        package var cpus: Int?
        package var processesMax: Int
        package init(memory: ByteCount? = nil, cpus: Int? = nil, processesMax: Int = 8192) {
            self.memory = memory
            self.cpus = cpus
            self.processesMax = processesMax
        }
    }

    /// The folder of our groups in the unified tree.
    var unified: String?
    /// Controllers that groups in the unified tree have.
    var unifiedControllers: Set<String> = []
    /// Folders of our groups in the trees of version 1, by controller.
    var split: [String: String] = [:]
    /// Why there is less than one could wish, for the agent's start and `sheaf doctor`.
    package private(set) var remarks: [String] = []

    /// Holds the folders; `nil` where there are none, or they are parts of another's.
    private var roots: CgroupRoots?

    /// Neither version: processes are found by sweeping `/proc`.
    package static let none = Cgroups()

    private init() {}

    /// Looks for what this process may use, and makes its own folder there.
    ///
    /// - Parameter name: of that folder; the same at each start of the same agent, so that it finds what it left.
    package init(name: String) {
        let name = CgroupRoots.prefix + name
        let roots = CgroupRoots()
        self.roots = roots
        let mounts = Self.mounts(Files.value("/proc/self/mountinfo") ?? "")
        let memberships = Self.memberships(Files.value("/proc/self/cgroup") ?? "")
        for controller in ["memory", "pids", "freezer", "cpu", "cpuacct"] {
            guard let mount = mounts.first(where: { $0.controllers.contains(controller) }),
                let path = memberships[controller], let parent = mount.place(of: path)
            else { continue }
            let folder = parent + "/" + name
            if roots.make(folder) { split[controller] = folder }
        }
        if let mount = mounts.first(where: \.isUnified), let path = memberships[""], let parent = mount.place(of: path)
        {
            let folder = parent + "/" + name
            if roots.make(folder) {
                unified = folder
                // Groups above must hand the controllers down, one level after the other.
                let wanted = ["memory", "pids", "cpu"].filter { split[$0] == nil }
                let parentHas = Set(
                    (Files.value(parent + "/cgroup.controllers") ?? "").split(separator: " ").map(String.init))
                for controller in wanted where parentHas.contains(controller) {
                    guard Self.enable(controller, in: parent), Self.enable(controller, in: folder) else {
                        remarks.append(
                            "cgroup controller '\(controller)' is not delegated (start the agent with systemd's Delegate=yes)"
                        )
                        continue
                    }
                    unifiedControllers.insert(controller)
                }
            }
        }
        if unified == nil && split.isEmpty {
            remarks.append(
                "no cgroups: attempts are held together by a sweep of /proc, and memory limits are not enforced")
        } else if split["memory"] == nil && !unifiedControllers.contains("memory") {
            remarks.append("no memory cgroup: memory limits are not enforced and oom cannot be told from SIGKILL")
        }
    }

    /// Removes what agents that were killed have left beside this one's folders. Blocks.
    func sweep() { for folder in folders { CgroupRoots.sweep(beside: folder) } }

    /// Removes this agent's folders. Nothing may be made in them any more.
    func remove() { roots?.remove() }

    /// Limits the memory of all attempts together.
    func limitAll(memory: ByteCount) {
        if let folder = split["memory"] {
            Self.set(String(memory.bytes), in: folder + "/memory.limit_in_bytes")
        } else if let unified, unifiedControllers.contains("memory") {
            Self.set(String(memory.bytes), in: unified + "/memory.max")
        }
    }

    package var isUsable: Bool { unified != nil || !split.isEmpty }
    package var limitsProcesses: Bool { split["pids"] != nil || unifiedControllers.contains("pids") }
    package var limitsMemory: Bool { split["memory"] != nil || unifiedControllers.contains("memory") }

    /// The folders in which groups are made, each once.
    var folders: [String] { Array(Set(split.values)).sorted() + (unified.map { [$0] } ?? []) }

    // MARK: What the kernel says

    struct Mount: Equatable {
        var root: String
        var point: String
        var isUnified: Bool
        var controllers: [String]

        /// Where a group of the tree is found below this mount; `nil` when it lies outside.
        func place(of path: String) -> String? {
            let inside = root == "/" ? path : path.isInside(root) ? String(path.dropFirst(root.count)) : nil
            return inside.map { $0 == "/" || $0.isEmpty ? point : point + $0 }
        }
    }

    /// The cgroup mounts in a text of `/proc/self/mountinfo`.
    static func mounts(_ text: String) -> [Mount] {
        text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), fields.count > dash + 3, dash > 4 else { return nil }
            let kind = fields[dash + 1]
            guard kind == "cgroup" || kind == "cgroup2" else { return nil }
            return Mount(
                root: String(fields[3]), point: String(fields[4]), isUnified: kind == "cgroup2",
                controllers: kind == "cgroup" ? fields[dash + 3].split(separator: ",").map(String.init) : [])
        }
    }

    /// Paths by controller in a text of `/proc/self/cgroup`; the unified tree's has an empty name.
    static func memberships(_ text: String) -> [String: String] {
        var paths: [String: String] = [:]
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            for controller in fields[1].split(separator: ",", omittingEmptySubsequences: false) {
                paths[String(controller)] = String(fields[2])
            }
        }
        return paths
    }

    static func makeGroup(_ path: String, mode: mode_t = 0o755) -> Bool {
        unsafe (mkdir(path, mode) == 0 || (errno == EEXIST && access(path, W_OK) == 0))
    }

    /// Writes a kernel's control file.
    @discardableResult
    static func set(_ value: String, in path: String) -> Bool {
        let raw = unsafe open(path, O_WRONLY | O_CLOEXEC)
        guard raw >= 0 else { return false }
        defer { close(raw) }
        let bytes = Array(value.utf8)
        return unsafe write(raw, bytes, bytes.count) == bytes.count
    }

    /// Hands a controller down to the groups in a group. A group with processes cannot (save the root), so this process
    /// moves to a leaf if it must and may.
    private static func enable(_ controller: String, in group: String) -> Bool {
        let control = group + "/cgroup.subtree_control"
        if set("+" + controller, in: control) { return true }
        let leaf = group + "/sheaf-agent"
        guard makeGroup(leaf), set("0", in: leaf + "/cgroup.procs") else { return false }
        if set("+" + controller, in: control) { return true }
        set("0", in: group + "/cgroup.procs")
        _ = unsafe rmdir(leaf)
        return false
    }
}
