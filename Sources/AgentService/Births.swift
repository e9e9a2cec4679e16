import CLinux
import Glibc
import Locks
import Model
import Programs

/// Who steps are, when that is not the agent itself.
package struct Account: Hashable, Sendable {
    package var user: UInt32
    package var group: UInt32
    /// Supplementary groups: those of GPU devices, for example.
    package var groups: [UInt32]
    /// For `USER` and `LOGNAME`.
    package var name: String

    package init(user: UInt32, group: UInt32, groups: [UInt32] = [], name: String) {
        self.user = user
        self.group = group
        self.groups = groups
        self.name = name
    }
}

/// A program to start.
struct Program: Sendable {
    var path: String
    /// The first is the program's own name.
    var arguments: [String]
    /// `NAME=value`.
    var environment: [String]
    var directory: String?
    var account: Account?
    var fileMask: mode_t = 0o022
    /// Where it lives; `nil` for the agent's own world.
    var chamber: Chamber?
    /// The first of a user's that somebody else had before: what that one has left with the kernel goes.
    var forgetsKeys = false

    /// One string for the kernel may hold no more; more than that fails with a sentence instead of a number.
    static let argumentBytesMax = 128 << 10
}

/// How a process ended.
struct ProcessExit: Equatable, Sendable {
    enum How: Equatable, Sendable {
        case code(Int)
        case signal(Int)
    }
    var how: How
    var cpuNanoseconds: UInt64
}

/// Starts processes and collects them.
enum Births {
    /// - Parameter view: not `nil`: the process founds a chamber in which this was mounted.
    static func spawn(
        _ program: Program, doors: [CInt] = [], input: CInt, output: CInt, error: CInt,
        founding view: [Chamber.Mount]? = nil
    ) throws(AgentError) -> (pid: pid_t, pidfd: CInt) {
        var spawned = unsafe clinux_spawned()
        var code: CInt = 0
        Children.bear {
            code = unsafe birth(program, doors, (input, output, error), view, &spawned)
            return unsafe code == 0 ? spawned.pid : nil
        }
        guard code != 0 else { return unsafe (spawned.pid, spawned.pidfd) }
        let failed = unsafe spawned.failed.map { unsafe String(cString: $0) } ?? "start"
        switch failed {
        case "execute the program": throw .system("execute the program \(program.path)", -code)
        case "enter the working directory": throw .system("\(failed) \(program.directory ?? "")", -code)
        case "mount":
            let failedMount = unsafe spawned.failed_mount
            let target = (view ?? []).indices.contains(failedMount) ? view?[failedMount].target : nil
            throw .system("mount \(target ?? "a private view of the file system")", -code)
        case "make namespaces": throw .system(failed, -code)
        default: throw .system("\(failed) for \(program.path)", -code)
        }
    }

    /// Collects an ended child.
    ///
    /// - Returns: `nil` while it still runs.
    @discardableResult
    static func collect(_ pid: pid_t, _ pidfd: CInt) -> ProcessExit? {
        var raw = clinux_exit()
        let answer = unsafe clinux_collect(pid, pidfd, &raw)
        guard answer != -EAGAIN else { return nil }
        Children.forget(pid)
        let how: ProcessExit.How = raw.was_signalled != 0 ? .signal(Int(raw.code)) : .code(Int(raw.code))
        return ProcessExit(how: answer == 0 ? how : .code(255), cpuNanoseconds: raw.cpu_ns)
    }

    /// Collects what attempts left to this process and has ended: orphans fall to it where it is their subreaper, or
    /// PID 1 of a container. Children that somebody else in this process started share its session and are left alone.
    static func collectOrphans() {
        let (own, session) = (getpid(), getsid(0))
        for entry in ProcessTable().entries.values
        where entry.parent == own && entry.isZombie && entry.session != session {
            // Held, so that nobody who is just born is taken for an orphan.
            Children.ifOrphan(entry.pid) {
                var ended = clinux_exit()
                _ = unsafe clinux_collect(entry.pid, -1, &ended)
            }
        }
    }

    private static func birth(
        _ program: Program, _ doors: [CInt], _ streams: (input: CInt, output: CInt, error: CInt),
        _ view: [Chamber.Mount]?, _ spawned: inout clinux_spawned
    ) -> CInt {
        // Strings live until the call is over; those of mounts are freed below.
        let mounts = unsafe ((view ?? []).map { unsafe $0.raw }) + (view == nil ? [] : [Chamber.Mount.processes])
        defer {
            unsafe mounts.forEach { mount in
                unsafe [mount.source, mount.target, mount.data].forEach {
                    unsafe free(UnsafeMutablePointer(mutating: $0))
                }
            }
        }
        return unsafe withCStrings(program.arguments) { arguments in
            unsafe withCStrings(program.environment) { environment in
                unsafe program.path.withCString { path in
                    unsafe withOptionalCString(program.directory) { directory in
                        unsafe doors.withUnsafeBufferPointer { doors in
                            unsafe mounts.withUnsafeBufferPointer { mounts in
                                unsafe (program.account?.groups ?? []).withUnsafeBufferPointer { groups in
                                    var request = unsafe clinux_spawn_request()
                                    unsafe request.path = path
                                    unsafe request.arguments = arguments
                                    unsafe request.environment = environment
                                    unsafe request.directory = directory
                                    unsafe request.input = streams.input
                                    unsafe request.output = streams.output
                                    unsafe request.error = streams.error
                                    unsafe request.file_mask = program.fileMask
                                    unsafe request.cgroups = doors.baseAddress
                                    unsafe request.cgroup_count = doors.count
                                    unsafe request.mount_namespace = program.chamber?.mounts ?? 0
                                    unsafe request.process_namespace = program.chamber?.processes ?? 0
                                    unsafe request.segment_namespace = program.chamber?.segments ?? 0
                                    unsafe request.founds_namespaces = view == nil ? 0 : 1
                                    // The first of a chamber inherits its orphans.
                                    unsafe request.ignores_children = view == nil ? 0 : 1
                                    unsafe request.mounts = mounts.baseAddress
                                    unsafe request.mount_count = mounts.count
                                    if let account = program.account {
                                        unsafe request.changes_user = 1
                                        unsafe request.user = account.user
                                        unsafe request.group = account.group
                                        unsafe request.groups = groups.baseAddress
                                        unsafe request.group_count = groups.count
                                        unsafe request.forgets_keys = program.forgetsKeys ? 1 : 0
                                    }
                                    return unsafe clinux_spawn(&request, &spawned)
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

extension Chamber.Mount {
    var target: String {
        switch self {
        case .bind(_, let target), .temporary(let target, _), .folder(let target): target
        }
    }

    /// For the C door; the strings are the caller's to free.
    fileprivate var raw: clinux_mount {
        switch self {
        case .bind(let source, let target):
            unsafe clinux_mount(
                kind: CInt(CLINUX_MOUNT_BIND), source: source.flatMap { unsafe UnsafePointer(strdup($0)) },
                target: strdup(target), data: nil)
        case .temporary(let target, let options):
            unsafe clinux_mount(
                kind: CInt(CLINUX_MOUNT_TMPFS), source: nil, target: strdup(target), data: strdup(options))
        case .folder(let target):
            unsafe clinux_mount(kind: CInt(CLINUX_MOUNT_FOLDER), source: nil, target: strdup(target), data: nil)
        }
    }

    /// What a chamber's own process numbers need to be seen.
    fileprivate static var processes: clinux_mount {
        unsafe clinux_mount(kind: CInt(CLINUX_MOUNT_PROC), source: nil, target: strdup("/proc"), data: nil)
    }
}

/// An array of C strings that ends with a null pointer. Strings are cut at a zero byte: none can hold one.
private func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    var pointers: [UnsafeMutablePointer<CChar>?] = unsafe strings.map { unsafe strdup($0) }
    unsafe pointers.append(nil)
    defer { unsafe pointers.forEach { unsafe free($0) } }
    return unsafe pointers.withUnsafeBufferPointer { buffer in
        guard let start = buffer.baseAddress else { preconditionFailure("an array with a null pointer is not empty") }
        return unsafe body(start)
    }
}

private func withOptionalCString<Result>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> Result) -> Result {
    guard let text else { return body(nil) }
    return unsafe text.withCString { unsafe body($0) }
}
