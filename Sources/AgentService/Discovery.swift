import CLinux
import Glibc
package import Model

/// Finds out what this machine has: cores, memory, GPUs, Pythons.
package struct Discovery: Sendable {
    /// Where to look; tests look elsewhere.
    package struct Places: Sendable {
        package var home: String
        /// The agent's own environment, for `PATH`, `PYENV_ROOT`, `CONDA_EXE` and the like.
        package var environment: [String: String]
        package var system: [String]
        package var cgroupRoot: String
        package var conda: [String]
        /// Names of NVML's library, tried in order.
        package var nvml: [String]

        package init(
            home: String, environment: [String: String],
            system: [String] = ["/usr/bin", "/usr/local/bin"], cgroupRoot: String = "/sys/fs/cgroup",
            conda: [String] = ["/opt/conda", "/opt/miniconda3", "/opt/miniforge3", "/opt/anaconda3"],
            nvml: [String] = ["libnvidia-ml.so.1"]
        ) {
            self.home = home
            self.environment = environment
            self.system = system
            self.cgroupRoot = cgroupRoot
            self.conda = conda
            self.nvml = nvml
        }

        /// This machine, as the process sees it.
        package static func here() -> Self {
            var environment: [String: String] = [:]
            for name in ["HOME", "PATH", "PYENV_ROOT", "CONDA_EXE", "UV_PYTHON_INSTALL_DIR", "XDG_DATA_HOME"] {
                guard let raw = unsafe getenv(name) else { continue }
                environment[name] = unsafe String(cString: raw)
            }
            return Self(home: environment["HOME"] ?? "/", environment: environment)
        }
    }

    package var places: Places
    /// Who will run what is found: an interpreter that this user cannot reach does not count.
    package var account: Account?
    /// What that user will see of the file system; `nil`: what this process sees.
    var views: PrivateViews?

    package init(places: Places = .here(), account: Account? = nil) { self.init(places: places, account, views: nil) }

    init(places: Places = .here(), _ account: Account?, views: PrivateViews?) {
        self.places = places
        self.account = account
        self.views = views
    }

    struct Found {
        var capacity: Capacity
        var views: PrivateViews?
        /// Where GPUs sit, by their names.
        var addresses: [String: PCIAddress]
    }

    /// Everything, with what the owner adds and limits.
    ///
    /// - Parameter remarks: gets what was found and cannot be used, and why.
    func capacity(
        cpus: Int? = nil, memory: ByteCount? = nil, disk: ByteCount = .zero, labels: [String] = [],
        inputs: [HeldInput] = [],
        remarks: inout [String]
    ) async -> Found {
        let devices = await devices(remarks: &remarks)
        let gpus = devices.map(\.gpu)
        let (interpreters, views) = await reachable(remarks: &remarks)
        var all = ["self-hosted", "linux", Self.architecture]
        if !gpus.isEmpty { all.append("gpu") }
        if hasNode { all.append("node") }
        for label in labels.map({ $0.lowercased() }) where !all.contains(label) { all.append(label) }
        let capacity = Capacity(
            cpus: max(1, min(cpus ?? Int.max, cores())), memory: memory.map { min($0, self.memory()) } ?? self.memory(),
            disk: disk, gpus: gpus, labels: all, interpreters: interpreters, inputs: inputs)
        let addresses = Dictionary(
            devices.compactMap { device in device.address.map { (device.gpu.uuid, $0) } }, uniquingKeysWith: { $1 })
        return Found(capacity: capacity, views: views, addresses: addresses)
    }

    /// Whether a step would find Node.js: in the folders that steps search, not on this process's own PATH.
    private var hasNode: Bool {
        AttemptHost.searchPathStandard.split(separator: ":").contains { folder in
            Files.facts(folder + "/node").map { $0.kind == .file && $0.mode & 0o111 != 0 } ?? false
        }
    }

    /// GitHub's name for the processor.
    package static var architecture: String {
        #if arch(x86_64)
        "x64"
        #elseif arch(arm64)
        "arm64"
        #else
        "other"
        #endif
    }

    // MARK: Cores and memory

    /// Whole cores that this process may use: by affinity and by its cgroups' quotas, at least 1.
    package func cores() -> Int {
        var cores = max(1, Int(clinux_affinity_count()))
        for folder in groups(of: "cpu") {
            if let text = Files.value(folder + "/cpu.max") {
                let fields = text.split(separator: " ").compactMap { Double($0) }
                if fields.count == 2, fields[1] > 0 { cores = min(cores, max(1, Int(fields[0] / fields[1]))) }
            }
            if let quota = Files.value(folder + "/cpu.cfs_quota_us").flatMap({ Double($0) }), quota > 0,
                let period = Files.value(folder + "/cpu.cfs_period_us").flatMap({ Double($0) }), period > 0
            {
                cores = min(cores, max(1, Int(quota / period)))
            }
        }
        return cores
    }

    /// The machine's memory, or the least limit of the cgroups that this process is in.
    package func memory() -> ByteCount {
        var bytes = Int64(sysconf(CInt(_SC_PHYS_PAGES))) * Int64(sysconf(CInt(_SC_PAGESIZE)))
        for folder in groups(of: "memory") {
            for file in ["memory.max", "memory.limit_in_bytes"] {
                // No limit is `max`, or a number near the largest.
                if let limit = Files.value(folder + "/" + file).flatMap({ Int64($0) }), limit > 0 {
                    bytes = min(bytes, limit)
                }
            }
        }
        return ByteCount(bytes)
    }

    /// The folders of this process's group of a controller and of those above it: each may limit.
    private func groups(of controller: String) -> [String] {
        let mounts = Cgroups.mounts(Files.value("/proc/self/mountinfo") ?? "")
        let memberships = Cgroups.memberships(Files.value("/proc/self/cgroup") ?? "")
        var folders: [String] = []
        for mount in mounts where mount.isUnified || mount.controllers.contains(controller) {
            guard let path = memberships[mount.isUnified ? "" : controller], var folder = mount.place(of: path),
                mount.point.isInside(places.cgroupRoot)
            else { continue }
            while folder.isInside(mount.point) {
                folders.append(folder)
                if folder == mount.point { break }
                folder = folder.parentPath
            }
        }
        return folders
    }
}
