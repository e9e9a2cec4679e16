import Foundation
import Locks
import Model
import Storage
import Testing

/// What a machine does to a store: two owners, a full disk, a disk that cannot be written, a stranger's lock.
@Suite struct `A store in trouble` {
    private func run(_ number: UInt64) -> [Change] { [.runSubmitted(`A store`.record(number))] }

    @Test func `keeps a second one out of its folder, in this process too, and names the first`() throws {
        let folder = try Scratch()
        var store: SQLiteStore? = try SQLiteStore(folder: folder.path)
        let refusal = StorageError.inUse(path: folder.path + "/store.lock", holder: Int(getpid()))
        #expect(throws: refusal) { _ = try SQLiteStore(folder: folder.path) }
        #expect("\(refusal)".contains("store.lock: another coordinator (pid \(getpid())) has this store open"))
        try store?.commit(run(1))
        store = nil
        #expect(try SQLiteStore(folder: folder.path).nextRun() == RunID(2))
    }

    /// A link to the file, or a second name of it, leads to it from a folder that has a lock file of its own.
    @Test(arguments: ["ln -s", "ln"])
    func `keeps a second one out that reaches it from another folder`(link: String) throws {
        let folder = try Scratch()
        let other = try Scratch()
        var store: SQLiteStore? = try SQLiteStore(folder: folder.path)
        try store?.commit(run(1))
        let path = other.path + "/store.sqlite"
        let shell = try Process.run(
            URL(filePath: "/bin/sh"), arguments: ["-c", "\(link) \(folder.path)/store.sqlite \(path)"])
        shell.waitUntilExit()
        // In another process: what it closes there takes no locks away here.
        #expect(try Self.python(Self.lastByte, path).hasPrefix("held by another"))
        #expect(throws: StorageError.inUse(path: path, holder: nil)) { _ = try SQLiteStore(folder: other.path) }
        store = nil
        #expect(try Self.python(Self.lastByte, path).hasPrefix("free"))
    }

    /// Tries to take the byte that the owner of a database has locked.
    private static let lastByte = """
        import fcntl, struct, sys
        with open(sys.argv[1], "r+b") as f:
            try:
                fcntl.fcntl(f, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 2**63 - 2, 1, 0))
                print("free")
            except OSError:
                print("held by another")
        """

    private static func python(_ program: String, _ argument: String) throws -> String {
        let (python, output) = (Process(), Pipe())
        python.executableURL = URL(filePath: "/usr/bin/python3")
        python.arguments = ["-c", program, argument]
        python.standardOutput = output
        try python.run()
        defer { python.waitUntilExit() }
        return String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    }

    /// It was killed, and one of its threads is still on its way out: whoever starts then waits for that.
    @Test func `waits for an owner that is dying`() throws {
        let folder = try Scratch()
        try SQLiteStore(folder: folder.path).commit(run(1))
        let owner = try Dying(folder.path + "/store.lock")
        let store = try SQLiteStore(folder: folder.path, waiting: { owner.end($0) })
        #expect(owner.waitedFor == Int(owner.pid))
        #expect(try store.nextRun() == RunID(2))
    }

    /// No process has its number any more, and somebody has the lock all the same: one in another machine's numbers.
    @Test func `does not wait for an owner that is gone`() throws {
        let folder = try Scratch()
        let owner = try Dying(folder.path + "/store.lock", says: 999_999_999)
        #expect(throws: StorageError.inUse(path: folder.path + "/store.lock", holder: 999_999_999)) {
            _ = try SQLiteStore(folder: folder.path)
        }
        owner.end(0)
    }

    @Test func `leaves a later schema untouched, its unfinished log included`() throws {
        let live = try Scratch()
        let copy = try Scratch()
        let store = try SQLiteStore(folder: live.path)
        try store.commit(run(1))
        // Committed to the log alone: the file itself still says the old version.
        try live.sqlite("PRAGMA user_version = 999")
        let names = ["store.sqlite", "store.sqlite-wal"]
        for name in names {
            try FileManager.default.copyItem(at: live.url.appending(path: name), to: copy.url.appending(path: name))
        }
        let before = try names.map { try Data(contentsOf: copy.url.appending(path: $0)) }
        #expect(!before[1].isEmpty)
        #expect {
            _ = try SQLiteStore(folder: copy.path)
        } throws: { error in
            guard case .newer(let path, 999, _)? = error as? StorageError else { return false }
            return path == copy.path + "/store.sqlite"
        }
        #expect(try names.map { try Data(contentsOf: copy.url.appending(path: $0)) } == before)
        withExtendedLifetime(store) {}
    }

    @Test func `commits nothing while another program keeps it locked, and all of it afterwards`() throws {
        let folder = try Scratch()
        let store = try SQLiteStore(folder: folder.path, lockWaitMax: .zero)
        let stranger = try Holder(of: folder.path + "/store.sqlite")
        #expect(throws: StorageError.locked(path: folder.path + "/store.sqlite")) { try store.commit(run(1)) }
        #expect(StorageError.locked(path: "").isPassing)
        #expect(try store.nextRun() == RunID(1))
        stranger.letGo()
        try store.commit(run(1))
        #expect(try store.nextRun() == RunID(2))
    }

    @Test(.enabled(if: SmallDisk.isAllowed, "a small file system cannot be mounted here; that needs root"))
    func `loses and makes up nothing when the disk is full, and goes on when there is room`() throws {
        let disk = try SmallDisk(kibibytes: 2048)
        do {
            let store = try SQLiteStore(folder: disk.path)
            try store.commit(run(1))
            try disk.fill()
            // A log that has room left in its file takes some more.
            var stored: UInt64 = 1
            var failure: StorageError?
            while failure == nil, stored < 10_000 {
                do throws(StorageError) {
                    try store.commit(run(stored + 1))
                    stored += 1
                } catch {
                    failure = error
                }
            }
            #expect(failure == .diskFull(path: disk.path + "/store.sqlite"))
            #expect(failure?.isPassing == true)
            // Again and again: the same answer, and nothing of it is there.
            for _ in 0..<5 { #expect(throws: StorageError.self) { try store.commit(run(stored + 1)) } }
            #expect(try store.nextRun() == RunID(stored + 1))
            try disk.free()
            try store.commit(run(stored + 1))
            #expect(try store.nextRun() == RunID(stored + 2))
            #expect(try store.runs(before: nil, most: 20_000).count == Int(stored + 1))
        }
        try disk.fill()
        // A full disk keeps nobody from reading what is there.
        do throws(StorageError) {
            #expect(try SQLiteStore(folder: disk.path).openRuns().count > 1)
        } catch {
            #expect(error == .diskFull(path: disk.path + "/store.sqlite"))
        }
    }

    @Test(.enabled(if: SmallDisk.isAllowed, "a file system cannot be mounted here; that needs root"))
    func `says what cannot be written`() throws {
        let disk = try SmallDisk(kibibytes: 2048)
        do { try SQLiteStore(folder: disk.path).commit(run(1)) }
        try disk.makeReadOnly()
        #expect {
            _ = try SQLiteStore(folder: disk.path)
        } throws: { error in
            guard case .inaccessible(let path, let reason)? = error as? StorageError else { return false }
            return path == disk.path + "/store.lock" && reason == "Read-only file system"
        }
    }
}

/// A process whose first thread has ended, as in one that was killed, while another one goes on and has a file locked.
private final class Dying: Sendable {
    private let python = Process()
    private let input = Pipe()
    private let told = Mutex<Int?>(nil)
    var pid: Int32 { python.processIdentifier }
    var waitedFor: Int? { told.withLock { $0 } }

    init(_ path: String, says owner: Int = 0) throws {
        let output = Pipe()
        python.executableURL = URL(filePath: "/usr/bin/python3")
        python.arguments = [
            "-c",
            """
            import ctypes, fcntl, os, struct, sys, threading
            f = open(sys.argv[1], "r+b" if os.path.exists(sys.argv[1]) else "w+b")
            fcntl.fcntl(f, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
            f.truncate(0)
            f.write(b"%d\\n" % (int(sys.argv[2]) or os.getpid()))
            f.flush()
            def wait():
                while open(f"/proc/{os.getpid()}/stat").read().split()[2] != "Z": pass
                os.write(1, b"held\\n")
                os.read(0, 1)
                os._exit(0)
            threading.Thread(target=wait).start()
            ctypes.CDLL(None).syscall(ctypes.c_long(60), 0)
            """, path, "\(owner)",
        ]
        python.standardInput = input
        python.standardOutput = output
        try python.run()
        #expect(output.fileHandleForReading.readData(ofLength: 5) == Data("held\n".utf8))
    }

    deinit { end(nil) }

    func end(_ waitedFor: Int?) {
        told.withLock { $0 = $0 ?? waitedFor }
        try? input.fileHandleForWriting.close()
    }
}

/// Another program, Python, that has the database for itself until it is told to let go.
private final class Holder {
    private let python = Process()
    private let input = Pipe()

    init(of path: String) throws {
        let output = Pipe()
        python.executableURL = URL(filePath: "/usr/bin/python3")
        python.arguments = [
            "-c",
            """
            import sqlite3, sys
            c = sqlite3.connect(sys.argv[1], isolation_level=None)
            c.execute("BEGIN IMMEDIATE")
            print("held", flush=True)
            sys.stdin.read()
            """, path,
        ]
        python.standardInput = input
        python.standardOutput = output
        try python.run()
        #expect(output.fileHandleForReading.readData(ofLength: 5) == Data("held\n".utf8))
    }

    func letGo() {
        try? input.fileHandleForWriting.close()
        python.waitUntilExit()
    }
}

/// A file system of its own, in memory, small enough to be filled.
final class SmallDisk {
    private let scratch: Scratch
    var path: String { scratch.path }

    static let isAllowed: Bool = {
        guard getuid() == 0, let disk = try? SmallDisk(kibibytes: 64) else { return false }
        return FileManager.default.fileExists(atPath: disk.path)
    }()

    init(kibibytes: Int) throws {
        scratch = try Scratch()
        try Self.run("/bin/mount", ["-t", "tmpfs", "-o", "size=\(kibibytes)k", "tmpfs", scratch.path])
    }

    deinit { try? Self.run("/bin/umount", ["-l", scratch.path]) }

    /// Leaves no page free.
    func fill() throws {
        _ = FileManager.default.createFile(atPath: path + "/filler", contents: nil)
        let file = try FileHandle(forWritingTo: URL(filePath: path + "/filler"))
        let page = [UInt8](repeating: 1, count: 4096)
        while write(file.fileDescriptor, page, page.count) > 0 {}
        #expect(errno == ENOSPC)
        try file.close()
    }

    func free() throws { try FileManager.default.removeItem(atPath: path + "/filler") }
    func makeReadOnly() throws { try Self.run("/bin/mount", ["-o", "remount,ro", path]) }

    private static func run(_ program: String, _ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw POSIXError(.EPERM) }
    }
}
