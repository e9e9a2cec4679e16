import Glibc
package import Model

/// What an agent would find that somebody started here, now and as this user: for `sheaf doctor`. Nothing is left changed.
package struct AgentOutlook: Sendable {
    package var isRoot: Bool
    /// Why attempts could have no process numbers and no view of files of their own; `nil` when they could.
    package var chamberRefusal: String?
    package var canMakeGroups: Bool
    /// Of `memory`, `pids` and `cpu`, those that cannot be limited.
    package var missingControllers: [String]
    /// The shell that steps use unless they name another.
    package var bash: String?
    package var openFilesMax: Int
    /// As whom steps would run; `nil`: as the agent.
    package var stepUser: String?
    /// As that user sees them.
    package var interpreters: [Interpreter]
    package var gpus: [GPU]
    /// What is wrong with them, and who computes on them now; in sentences.
    package var gpuTroubles: [String]
    package var gpuUses: [String]
    /// Why the kernel's log cannot be read, in which NVIDIA's driver tells of its devices; `nil` when it can.
    package var kernelLogRefusal: String?
    /// What was found and cannot be used, and why.
    package var remarks: [String]

    package static func look(workFolder: String) async -> AgentOutlook {
        let isRoot = geteuid() == 0
        let account = AccountPool(isRoot ? .standardPool : .own).probe
        let refusal = Chamber.refusal
        var views: PrivateViews?
        if let account, refusal == nil {
            views = PrivateViews(attempts: AttemptsFolder.path(below: workFolder), account: account)
        }
        let discovery = Discovery(account, views: views)
        var remarks: [String] = []
        let devices = await discovery.devices(remarks: &remarks)
        let troubles = devices.compactMap { device in
            device.health?.ailment(isUsed: true).map { "\(device.gpu.uuid): \($0)" }
        }
        let uses = devices.compactMap { device in
            device.health?.use.map { "\(device.gpu.uuid): \($0)" }
        }
        let interpreters = await discovery.interpreters(remarks: &remarks)
        let cgroups = Cgroups.look()
        var limit = rlimit()
        let asked = unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let shells = ["/usr/local/bin/bash", "/usr/bin/bash", "/bin/bash"]
        return AgentOutlook(
            isRoot: isRoot, chamberRefusal: refusal.map { "\($0)" }, canMakeGroups: cgroups.isUsable,
            missingControllers: Cgroups.wanted.filter { !cgroups.controllers.contains($0) },
            bash: shells.first(where: Files.isExecutable),
            openFilesMax: asked == 0 ? Int(clamping: limit.rlim_cur) : 0, stepUser: account?.name,
            interpreters: interpreters, gpus: devices.map(\.gpu), gpuTroubles: troubles, gpuUses: uses,
            kernelLogRefusal: KernelLog.refusal(), remarks: remarks)
    }
}
