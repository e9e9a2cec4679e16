import CLinux
import Glibc
import Locks
import Model

/// A world of an attempt's own: process numbers, a view of the file system, memory segments.
///
/// The first process in it only waits for the agent's end of a pipe to close. When it ends, the kernel ends all others in
/// the chamber, whatever they did to get away, before anybody is told. So nothing outlives the chamber, and nothing
/// outlives the agent.
final class Chamber: Sendable {
    enum Mount: Equatable, Sendable {
        /// What stood at `source` before all these mounts; `nil`: at the target itself.
        case bind(source: String?, target: String)
        /// An empty folder in memory.
        case temporary(target: String, options: String)
        /// A folder to mount something on, made within what was mounted before.
        case folder(target: String)
    }

    /// Of the first process.
    let pid: pid_t
    /// The chamber's namespaces, for processes that are to live in it.
    let mounts, processes, segments: CInt
    private let pidfd: CInt
    /// Its own `/proc`, its table of mounts, and its folders in memory that everybody may write to: what tells whether all is
    /// as it was founded. -1 where one cannot be seen.
    private let table, mountTable: CInt
    private let openFolders: [CInt]
    /// Its memory segments, semaphores and queues; `nil` where they cannot be listed.
    private let lists: clinux_ipc?
    /// What was mounted where when it was founded, and where for it alone.
    private let founded: String?
    private let points: Set<String>
    /// The agent's end of the pipe; -1 once it was let go.
    private let lifeline: Mutex<CInt>
    /// Its first process was collected: the pid may mean somebody else.
    private let isOver = Mutex(false)

    /// Waits until its input ends, and cannot be told otherwise.
    private static let first = "/bin/cat"

    /// - Throws: where the agent may not make namespaces, which root may outside of most containers.
    init(_ view: [Mount] = []) throws(AgentError) {
        var ends: [CInt] = [-1, -1]
        let answer = unsafe clinux_pipe(&ends, 4096)
        guard answer == 0 else { throw .system("make a pipe", -answer) }
        let null = unsafe open("/dev/null", O_WRONLY | O_CLOEXEC)
        defer { for raw in [ends[0], null] { close(raw) } }
        let program = Program(path: Self.first, arguments: ["sheaf-attempt"], environment: [], directory: "/")
        let born: (pid: pid_t, pidfd: CInt)
        do throws(AgentError) {
            born = try Births.spawn(program, input: ends[0], output: null, error: null, founding: view)
        } catch {
            close(ends[1])
            throw error
        }
        (pid, pidfd) = (born.pid, born.pidfd)
        lifeline = Mutex(ends[1])
        let names = ["mnt", "pid", "ipc"].map { "/proc/\(born.pid)/ns/\($0)" }
        let namespaces = names.map { unsafe open($0, O_RDONLY | O_CLOEXEC) }
        (mounts, processes, segments) = (namespaces[0], namespaces[1], namespaces[2])
        var lists = clinux_ipc()
        self.lists = unsafe clinux_open_ipc(segments, &lists) == 0 ? lists : nil
        // Before anybody but the first is in it.
        table = unsafe open("/proc/\(born.pid)/root/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        mountTable = unsafe open("/proc/\(born.pid)/mountinfo", O_RDONLY | O_CLOEXEC)
        founded = MountTable.text(of: "\(born.pid)")
        points = Set((["/proc"] + view.map(\.target)).map(MountTable.spelled))
        openFolders = view.compactMap { mount in
            guard case .temporary(let target, Self.openToAll) = mount else { return nil }
            return unsafe open("/proc/\(born.pid)/root" + target, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        }
        // The kernel would rather kill anything else for memory: with this one goes the whole attempt.
        Cgroups.set("-1000", in: "/proc/\(born.pid)/oom_score_adj")
        guard !namespaces.contains(where: { $0 < 0 }) else { throw .system("open the namespaces of a chamber", EMFILE) }
    }

    deinit {
        _ = end(within: .seconds(1))
        letGo()
        for raw in [mounts, processes, segments, pidfd, table, mountTable] + openFolders where raw >= 0 { close(raw) }
        if var lists { unsafe clinux_close_ipc(&lists) }
    }

    /// Ends the chamber as the agent's death would: without a signal, and without waiting.
    func letGo() {
        lifeline.withLock { lifeline in
            if lifeline >= 0 { close(lifeline) }
            lifeline = -1
        }
    }

    /// The root of the chamber's view of the file system, as the agent sees it.
    var root: String { "/proc/\(pid)/root" }

    /// Options of a folder in memory in which everybody may write.
    static let openToAll = "mode=1777"

    /// Whether all is as it was when it was founded: nobody lives in it but the first, nobody in it has mounted or unmounted
    /// anything, and neither memory segments nor files in memory are left. What is not known for certain is not.
    var isAsFounded: Bool {
        guard clinux_count_processes(table) == 1 else { return false }
        // The kernel wakes whoever waits for a change since the table was opened.
        var changed = pollfd(fd: mountTable, events: Int16(POLLPRI), revents: 0)
        guard mountTable >= 0, unsafe poll(&changed, 1, 0) == 0 || isMountedAsFounded else { return false }
        guard openFolders.allSatisfy({ clinux_count_files($0) == 0 }), var lists else { return false }
        return unsafe clinux_count_ipc(&lists) == 0
    }

    private var isMountedAsFounded: Bool {
        guard let founded, let now = MountTable.text(of: "\(pid)"), let machine = MountTable.text(of: "self") else {
            return false
        }
        return MountTable(now).isStill(MountTable(founded), points: points, on: MountTable(machine))
    }

    /// Whether what the machine has mounted now is what it shows, beside what is its own.
    ///
    /// - Parameter machine: the machine's table, as text.
    func follows(_ machine: String) -> Bool {
        guard let now = MountTable.text(of: "\(pid)") else { return false }
        return MountTable(now).follows(MountTable(machine), besides: points)
    }

    /// Whether its first process lives.
    var isAlive: Bool {
        var ended = pollfd(fd: pidfd, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&ended, 1, 0) == 0
    }

    /// Kills all that is in it. Blocks until it is gone, at most `most`.
    ///
    /// - Returns: whether it is; a process that is stuck in a driver keeps the chamber.
    func end(within most: Duration) -> Bool {
        if isOver.withLock({ $0 }) { return true }
        _ = clinux_pidfd_signal(pidfd, SIGKILL)
        let deadline = Clock.monotonic().advanced(by: most)
        while true {
            let left = Clock.monotonic().duration(to: deadline).wholeNanoseconds / 1_000_000
            var polled = pollfd(fd: pidfd, events: Int16(POLLIN), revents: 0)
            let ready = unsafe poll(&polled, 1, CInt(clamping: max(0, left)))
            if ready > 0 {
                isOver.withLock { isOver in
                    if !isOver { Births.collect(pid, pidfd) }
                    isOver = true
                }
                return true
            }
            if left <= 0 { return false }
        }
    }

    /// Why there can be no chambers here; `nil` where there can.
    static let refusal: AgentError? = {
        do throws(AgentError) {
            guard try Chamber().end(within: .seconds(10)) else { throw .system("end a chamber", ETIMEDOUT) }
            return nil
        } catch {
            return error
        }
    }()
}
