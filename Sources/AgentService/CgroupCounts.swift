import Glibc
import Model

/// What the kernel counts in one cgroup.
struct CgroupCounts: Equatable, Sendable {
    /// A group in one of the kernel's trees.
    struct Place: Equatable, Sendable {
        var folder: String
        /// Of version 2.
        var isUnified: Bool
    }

    /// Where memory is counted; `nil`: nowhere.
    var memory: Place?
    /// Where processor time is.
    var cpu: Place?

    /// The most memory that was used at one time; `nil` where nobody counts.
    var peakMemory: ByteCount? {
        memory.flatMap { Files.value($0.folder + ($0.isUnified ? "/memory.peak" : "/memory.max_usage_in_bytes")) }
            .flatMap { Int64($0) }.map { ByteCount($0) }
    }

    var memoryLimit: ByteCount? {
        let text = memory.flatMap {
            Files.value($0.folder + ($0.isUnified ? "/memory.max" : "/memory.limit_in_bytes"))
        }
        // No limit is "max", or the largest number of pages.
        return text.flatMap { Int64($0) }.flatMap { $0 < 1 << 60 ? ByteCount($0) : nil }
    }

    /// How many processes the kernel killed there because memory ran out, since the group was made; `nil` where nobody counts.
    var oomKills: Int? {
        memory.flatMap { Files.value($0.folder + ($0.isUnified ? "/memory.events" : "/memory.oom_control")) }
            .flatMap { Self.field("oom_kill", of: $0) }
    }

    /// Since the group was made.
    var cpuNanoseconds: UInt64? {
        guard let cpu else { return nil }
        guard cpu.isUnified else { return Files.value(cpu.folder + "/cpuacct.usage").flatMap { UInt64($0) } }
        return Files.value(cpu.folder + "/cpu.stat").flatMap { Self.field("usage_usec", of: $0) }
            .map { UInt64($0) * 1000 }
    }

    /// Of the group that a process is in, as far as its trees are mounted here.
    ///
    /// - Parameters:
    ///   - memberships: a text of `/proc/PID/cgroup`.
    ///   - mountinfo: a text of `/proc/self/mountinfo`.
    static func of(memberships: String, mountinfo: String) -> CgroupCounts {
        let (mounts, paths) = (Cgroups.mounts(mountinfo), Cgroups.memberships(memberships))
        let place = { (controller: String) -> Place? in
            if let mount = mounts.first(where: { $0.controllers.contains(controller) }), let path = paths[controller] {
                return mount.place(of: path).map { Place(folder: $0, isUnified: false) }
            }
            guard let mount = mounts.first(where: \.isUnified), let path = paths[""] else { return nil }
            return mount.place(of: path).map { Place(folder: $0, isUnified: true) }
        }
        return CgroupCounts(memory: place("memory"), cpu: place("cpuacct"))
    }

    static func of(_ pid: pid_t) -> CgroupCounts {
        of(
            memberships: Files.value("/proc/\(pid)/cgroup") ?? "",
            mountinfo: Files.value("/proc/self/mountinfo") ?? "")
    }

    /// The number behind a word at the start of a line.
    static func field(_ name: String, of text: String) -> Int? {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2, words[0] == name { return Int(words[1]) }
        }
        return nil
    }
}
