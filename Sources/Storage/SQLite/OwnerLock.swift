private import CLinux
private import Glibc

/// A lock that says whose a folder, or a database, is; the kernel drops it when its process ends, however it ends.
///
/// A process that was killed keeps its locks until it is gone, which takes as long as its memory and its last sync do. So
/// whoever starts at once after `kill -9` waits for that end instead of being refused.
struct OwnerLock: ~Copyable, Sendable {
    private let descriptor: CInt
    /// Who had it before, as its file says: alive, or long gone.
    let before: Int?

    /// For how long a dying owner is waited for: one that does not end is held up, most likely by its disk.
    private static let dyingMax: Duration = .seconds(30)

    /// Locks a file of its own, made where it is missing. What it holds is its owner's pid, for messages and for this wait.
    ///
    /// - Parameter waiting: is told which dying process it waits for.
    /// - Throws: `inUse`, `inaccessible`, `diskFull`.
    init(path: String, waiting: (@Sendable (Int) -> Void)?) throws(StorageError) {
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self.fault(path, errno) }
        try Self.take(descriptor, path, waiting, lock: clinux_lock_file) { Self.owner(descriptor) }
        before = Self.owner(descriptor)
        let name = Array("\(getpid())\n".utf8)
        // On a full disk the name is missing, and the lock holds all the same.
        if ftruncate(descriptor, 0) == 0 { _ = unsafe pwrite(descriptor, name, name.count, 0) }
        self.descriptor = descriptor
    }

    /// Locks a database beside the locks that SQLite has in it; `nil` where there is none yet.
    ///
    /// It is taken before SQLite opens the file, and let go after: closing the file anywhere in a process takes SQLite's own
    /// locks away.
    ///
    /// - Parameter owner: who may have it, if he is dying.
    /// - Throws: `inUse`, `inaccessible`.
    init?(onDatabase path: String, owner: Int?, waiting: (@Sendable (Int) -> Void)?) throws(StorageError) {
        let descriptor = unsafe open(path, O_RDWR | O_CLOEXEC)
        if descriptor < 0, errno == ENOENT { return nil }
        guard descriptor >= 0 else { throw Self.fault(path, errno) }
        try Self.take(descriptor, path, waiting, lock: clinux_lock_last_byte) { owner }
        before = nil
        self.descriptor = descriptor
    }

    deinit {
        _ = clinux_unlock_file(descriptor)
        close(descriptor)
    }

    /// Locks, or closes the descriptor and throws.
    private static func take(
        _ descriptor: CInt, _ path: String, _ waiting: (@Sendable (Int) -> Void)?, lock: (CInt) -> CInt,
        owner: () -> Int?
    ) throws(StorageError) {
        var gone: Int?
        while true {
            let answer = lock(descriptor)
            guard answer != 0 else { return }
            var problem = fault(path, -answer)
            if answer == -EAGAIN || answer == -EACCES {
                let owner = owner()
                problem = .inUse(path: path, holder: owner)
                if let owner, owner != gone {
                    switch Passing(of: owner, most: dyingMax, waiting) {
                    case .lives: break
                    case .held:
                        let reason = "the coordinator before (pid \(owner)) was ended, and its disk does not let it go"
                        problem = .inaccessible(path: path, reason: reason)
                    case .gone:
                        gone = owner
                        continue
                    }
                }
            }
            close(descriptor)
            throw problem
        }
    }

    private static func owner(_ descriptor: CInt) -> Int? {
        var bytes = [UInt8](repeating: 0, count: 20)
        let count = unsafe pread(descriptor, &bytes, bytes.count, 0)
        return Int(String(decoding: bytes.prefix(max(0, count)).prefix { $0 != 0x0A }, as: UTF8.self))
    }

    private static func fault(_ path: String, _ code: CInt) -> StorageError {
        if code == ENOSPC || code == EDQUOT { return .diskFull(path: path) }
        return .inaccessible(path: path, reason: unsafe String(cString: strerror(code)))
    }
}

/// What becomes of a process that may be dying.
private enum Passing {
    case lives, gone
    /// It was ended, and is not gone: something holds it up.
    case held

    /// Waits for its end if it is dying, and not otherwise.
    init(of pid: Int, most: Duration, _ waiting: ((Int) -> Void)?) {
        guard pid != Int(getpid()), let number = pid_t(exactly: pid), number > 0 else {
            self = .lives
            return
        }
        let process = clinux_pidfd_open(number)
        guard process >= 0 else {
            self = process == -ESRCH ? .gone : .lives
            return
        }
        defer { close(process) }
        guard Self.isDying(pid) else {
            self = .lives
            return
        }
        waiting?(pid)
        let end = ContinuousClock.now + most
        while true {
            // Readable once its last thread is through: what it had open is closed then.
            var question = pollfd(fd: process, events: Int16(POLLIN), revents: 0)
            let left = (end - .now) / .milliseconds(1)
            let answer = unsafe poll(&question, 1, CInt(max(0, left)))
            if answer < 0, errno == EINTR { continue }
            self = answer > 0 ? .gone : .held
            return
        }
    }

    /// Whether the kernel is ending it already, or will before it does anything else. One that is gone counts as dying.
    private static func isDying(_ pid: Int) -> Bool {
        // pid (name) state parent group session terminal foreground flags …: a name may have any characters.
        guard let line = text("/proc/\(pid)/stat") else { return true }
        let words = line.suffix(from: line.lastIndex(of: ")") ?? line.startIndex).split(separator: " ").dropFirst()
        guard words.count > 6, let state = words.first, let flags = UInt64(words[words.startIndex + 6]) else {
            return false
        }
        // PF_EXITING, PF_SIGNALED.
        if ["Z", "X"].contains(state) || flags & 0x404 != 0 { return true }
        // SIGKILL waits for one of its threads to run again.
        return (text("/proc/\(pid)/status") ?? "").split(separator: "\n").contains { line in
            guard line.hasPrefix("SigPnd:") || line.hasPrefix("ShdPnd:"),
                let signals = line.split(separator: "\t").last.flatMap({ UInt64($0, radix: 16) })
            else { return false }
            return signals & 1 << UInt64(SIGKILL - 1) != 0
        }
    }

    private static func text(_ path: String) -> String? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 8192)
        let count = unsafe read(descriptor, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes.prefix(count), as: UTF8.self) : nil
    }
}
