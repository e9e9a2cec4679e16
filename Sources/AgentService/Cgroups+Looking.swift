import Glibc

extension Cgroups {
    /// What an agent that started here would find.
    struct Outlook: Sendable {
        /// Whether it could make groups, so that an attempt's processes are counted and held together.
        var isUsable = false
        /// Controllers that it could use: of `memory`, `pids` and `cpu`.
        var controllers: Set<String> = []
    }

    static let wanted = ["memory", "pids", "cpu"]

    /// Looks and makes nothing.
    static func look() -> Outlook {
        let mounts = mounts(Files.value("/proc/self/mountinfo") ?? "")
        let memberships = memberships(Files.value("/proc/self/cgroup") ?? "")
        var outlook = Outlook()
        for mount in mounts {
            for controller in mount.isUnified ? [""] : mount.controllers {
                guard let path = memberships[controller], let parent = mount.place(of: path),
                    unsafe access(parent, W_OK) == 0
                else { continue }
                let offered = mount.isUnified ? Files.value(parent + "/cgroup.controllers") ?? "" : controller
                outlook.isUsable = outlook.isUsable || mount.isUnified || controller == "freezer"
                outlook.controllers.formUnion(
                    offered.split(separator: " ").map(String.init).filter(wanted.contains))
            }
        }
        return outlook
    }
}
