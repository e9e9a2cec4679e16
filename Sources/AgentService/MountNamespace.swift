import CLinux
import Glibc

/// A view of the file system that an attempt's processes have to themselves; it is gone with the last of them and this.
final class MountNamespace: Sendable {
    enum Mount: Equatable, Sendable {
        /// `source` as it was before all these mounts.
        case bind(source: String, target: String)
        /// An empty folder in memory.
        case temporary(target: String, options: String)
        case folder(target: String)
        case readOnly(target: String)
    }

    let descriptor: CInt

    /// Needs the right to mount, which root has outside of most containers.
    init(_ mounts: [Mount]) throws(AgentError) {
        var texts: [[String?]] = []
        var kinds: [CInt] = []
        for mount in mounts {
            switch mount {
            case .bind(let source, let target):
                kinds.append(CInt(CLINUX_MOUNT_BIND))
                texts.append([source, target, nil])
            case .temporary(let target, let options):
                kinds.append(CInt(CLINUX_MOUNT_TMPFS))
                texts.append([nil, target, options])
            case .folder(let target):
                kinds.append(CInt(CLINUX_MOUNT_FOLDER))
                texts.append([nil, target, nil])
            case .readOnly(let target):
                kinds.append(CInt(CLINUX_MOUNT_READ_ONLY))
                texts.append([nil, target, nil])
            }
        }
        var failed = 0
        let pointers = unsafe texts.map { row in unsafe row.map { text in unsafe text.map { unsafe strdup($0) } ?? nil }
        }
        defer { unsafe pointers.forEach { row in unsafe row.forEach { unsafe free($0) } } }
        let rows = unsafe zip(kinds, pointers).map { kind, row in
            unsafe clinux_mount(kind: kind, source: row[0], target: row[1], data: row[2])
        }
        let answer = unsafe clinux_mount_namespace(rows, rows.count, &failed)
        guard answer >= 0 else {
            let place = failed < texts.count ? texts[failed][1] ?? "" : "a private view of the file system"
            throw .system("mount \(place)", -answer)
        }
        descriptor = answer
    }

    deinit { close(descriptor) }
}
