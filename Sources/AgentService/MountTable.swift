import Glibc

/// What a world of processes has mounted where, as the kernel tells it: proc(5), `/proc/PID/mountinfo`.
///
/// An attempt's chamber sees what its machine mounts and unmounts. So a table that has changed says nothing yet: containers of
/// others come and go all day. What counts is whether somebody within the chamber has changed it.
struct MountTable: Equatable, Sendable {
    /// One mount, as far as it is the same in every world that has it.
    struct Mount: Hashable, Sendable {
        var device: Substring
        /// The part of the device's tree that is shown.
        var root: Substring
        var point: Substring
    }

    struct Entry: Equatable, Sendable {
        var mount: Mount
        /// `ro`, `nosuid`, …: of this mount alone.
        var options: Substring
    }

    /// By the kernel's number, which is unique among the mounts of all worlds.
    private(set) var entries: [Int: Entry] = [:]

    /// Lines that no kernel writes are left out.
    init(_ text: String) {
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: " ", maxSplits: 6)
            guard fields.count > 5, let number = Int(fields[0]) else { continue }
            entries[number] = Entry(
                mount: Mount(device: fields[2], root: fields[3], point: fields[4]), options: fields[5])
        }
    }

    /// What a process sees, to be read; `nil` where that cannot be told.
    static func text(of process: String) -> String? {
        try? Files.text("/proc/\(process)/mountinfo", bytesMax: bytesMax)
    }

    /// Of tens of thousands of mounts.
    private static let bytesMax = 8 << 20

    /// A path as it stands in a table.
    static func spelled(_ path: String) -> String {
        var text = ""
        for character in path.unicodeScalars {
            switch character {
            case " ": text += "\\040"
            case "\t": text += "\\011"
            case "\n": text += "\\012"
            case "\\": text += "\\134"
            default: text.unicodeScalars.append(character)
            }
        }
        return text
    }

    /// Whether only the machine has changed it since it was `founded`.
    ///
    /// - Parameter points: where something was mounted for this world alone.
    /// - Parameter machine: the machine's own table, now.
    func isStill(_ founded: MountTable, points: Set<String>, on machine: MountTable) -> Bool {
        let shown = Set(machine.entries.values.map(\.mount))
        return entries.allSatisfy { number, entry in
            founded.entries[number].map { $0 == entry } ?? shown.contains(entry.mount)
        }
            && founded.entries.allSatisfy { number, entry in
                entries[number] != nil || !shown.contains(entry.mount) && !points.contains(String(entry.mount.point))
            }
    }

    /// Whether it has all that the machine has, and nothing that the machine has no longer: where a machine keeps what it mounts
    /// to itself, a world that was there before goes on as it was.
    ///
    /// - Parameter points: where something was mounted for this world alone; what lies below does not count.
    /// - Parameter machine: the machine's own table, now.
    func follows(_ machine: MountTable, besides points: Set<String>) -> Bool {
        func shown(_ table: MountTable) -> Set<Mount> {
            Set(table.entries.values.map(\.mount)).filter { mount in
                let point = String(mount.point)
                return !points.contains { point == $0 || point.hasPrefix($0 + "/") }
            }
        }
        return shown(self) == shown(machine)
    }
}
