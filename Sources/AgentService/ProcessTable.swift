import CLinux
import Glibc

/// The machine's processes, as `/proc` shows them at one moment.
struct ProcessTable {
    struct Entry: Equatable {
        var pid: pid_t
        var parent: pid_t
        var session: pid_t
        /// Ticks since the machine started; with the pid it names a process for good.
        var started: UInt64
        var isZombie: Bool
        var user: uid_t
    }

    var entries: [pid_t: Entry] = [:]

    init() {
        for name in Files.names(in: "/proc") {
            guard let pid = pid_t(name), let entry = Self.entry(pid) else { continue }
            entries[pid] = entry
        }
    }

    static func entry(_ pid: pid_t) -> Entry? {
        guard let text = Files.value("/proc/\(pid)/stat"), let user = Files.facts("/proc/\(pid)")?.user,
            // The command's name stands in brackets and may hold anything, brackets included.
            let end = text.lastIndex(of: ")")
        else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 19, let parent = pid_t(fields[1]), let session = pid_t(fields[3]),
            let started = UInt64(fields[19])
        else { return nil }
        return Entry(
            pid: pid, parent: parent, session: session, started: started,
            isZombie: fields[0] == "Z" || fields[0] == "X", user: user)
    }

    /// Whether a process was started with this text in its environment.
    static func environment(of pid: pid_t, has assignment: String) -> Bool {
        // A process that ended meanwhile, or one whose environment we may not read, has none for us.
        guard let bytes = try? Files.read("/proc/\(pid)/environ", bytesMax: 4 << 20) else { return false }
        return bytes.split(separator: 0).contains { $0.elementsEqual(assignment.utf8) }
    }

    /// The processes that descend from these, the given ones left out.
    func descendants(of roots: Set<pid_t>) -> Set<pid_t> {
        var children: [pid_t: [pid_t]] = [:]
        for entry in entries.values { children[entry.parent, default: []].append(entry.pid) }
        var found: Set<pid_t> = []
        var open = Array(roots)
        while let next = open.popLast() {
            for child in children[next] ?? [] where found.insert(child).inserted { open.append(child) }
        }
        return found.subtracting(roots)
    }

    /// Sends a signal to a process, unless its pid means another one by now.
    static func signal(_ number: CInt, to entry: Entry) {
        let descriptor = clinux_pidfd_open(entry.pid)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        guard Self.entry(entry.pid)?.started == entry.started else { return }
        _ = clinux_pidfd_signal(descriptor, number)
    }
}
