import Glibc

extension Cgroups {
    /// What an agent that started here would find.
    package struct Outlook: Sendable {
        /// Whether it could make groups, so that an attempt's processes end together.
        package var isUsable = false
        package var limitsMemory = false
    }

    /// Looks and makes nothing: for `sheaf doctor`.
    package static func look() -> Outlook {
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
                outlook.limitsMemory = outlook.limitsMemory || offered.split(separator: " ").contains("memory")
            }
        }
        return outlook
    }
}
