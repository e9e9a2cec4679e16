import Artifacts
import Glibc
import JSON
package import Model
import Storage
import Transport

/// A copy of a coordinator's state folder, made while it works, from which another one goes on.
///
/// It has the state's own layout, so that its parts can be read with the same tools; `backup.json` is written last and says
/// that it is whole. Made again into the same folder it copies only what is new, and until that is all there the folder
/// holds the copy that it held before.
package enum Backup {
    static let manifestName = "backup.json"
    /// A folder in a state that is being restored: until it is gone, the state is no farm's.
    static let unfinishedName = "restoring"
    /// Runs that came after the copy are not known to it. So many numbers are left out, so that none of them is given again.
    static let runNumbersLeftOut: UInt64 = 100_000

    private static let keys = ["authority.pem", "coordinator.pem"]
    private static let bulk = ["objects", "logs"]

    package struct Summary: Equatable, Sendable {
        package var files = 0
        package var copied = 0
        package var copiedBytes = 0
    }

    /// What a restored state lacks: it counts as absent there.
    package struct Losses: Equatable, Sendable {
        /// Objects that the copy has damaged.
        package var damaged: [Digest] = []
        /// Objects that runs name and the copy does not have.
        package var missing: [Digest] = []
        /// Why nobody knows what is missing, where a run's record cannot be read.
        package var unchecked: String?
    }

    /// Blocks on the disk.
    ///
    /// - Throws: `StorageError`, `CoordinatorError` or `CertificateError`, in words for the operator.
    package static func make(of state: String, into folder: String, at now: Instant) throws -> Summary {
        try make(of: state, into: folder, at: now) { _ in }
    }

    static func make(
        of state: String, into folder: String, at now: Instant, watch: @escaping (StateCopy.Step) throws -> Void
    ) throws -> Summary {
        // What the copy of the store names must not be removed before it is copied, too.
        let objects = "\(state)/objects"
        let removals = access(objects, F_OK) == 0 ? try FolderLock(objects, isShared: true, waits: true) : nil
        defer { withExtendedLifetime(removals) {} }
        var copying = StateCopy(watch)
        try copying.makeFolder(folder)
        guard let alone = try FolderLock(folder, isShared: false, waits: false) else {
            throw CoordinatorError.invalid("another sheaf backup works on \(folder); wait for it")
        }
        defer { withExtendedLifetime(alone) {} }
        let authority = "\(folder)/authority.pem"
        guard access(authority, F_OK) != 0 || StateCopy.isSame(authority, as: "\(state)/authority.pem") else {
            throw CoordinatorError.invalid("\(folder) holds a copy of another farm; give another folder")
        }
        let store = "\(folder)/\(SQLiteStore.fileName)"
        let draft = store + ".new"
        try copying.remove(draft)
        // Beside an error that is told already, a draft costs room alone; once it has its name there is none.
        defer { unlink(draft) }
        // The store first: everything that it names is there already, and stays.
        try copying.watch(.write(draft))
        try SQLiteStore.copy(of: state, to: draft)
        for name in bulk { try copying.copyFolder("\(state)/\(name)", to: "\(folder)/\(name)") }
        for name in keys { try copying.copyFile("\(state)/\(name)", to: "\(folder)/\(name)", isChanging: true) }
        try copying.sync(folder)
        // With this the folder holds the new copy; what the old one named is still there.
        try copying.rename(draft, to: store)
        try copying.sync(folder)
        var writer = JSONWriter(indent: 2)
        writer.value([
            "sheaf": .number(1), "taken_at": .string(now.utc), "files": .number(Double(copying.summary.files)),
        ])
        writer.newline()
        let manifest = "\(folder)/\(manifestName)"
        try copying.watch(.rename(manifest))
        try PrivateFile.write(String(decoding: writer.bytes, as: UTF8.self), to: manifest)
        return copying.summary
    }

    // MARK: Restoring

    /// Makes a state folder from a copy. Every object is compared with its digest.
    ///
    /// One that was interrupted is gone on with; until then no coordinator starts there.
    ///
    /// - Throws: as `make`; a state folder that exists and holds something else is refused.
    package static func restore(
        _ folder: String, to state: String, at now: Instant
    ) throws -> (summary: Summary, losses: Losses) {
        try restore(folder, to: state, at: now) { _ in }
    }

    static func restore(
        _ folder: String, to state: String, at now: Instant, watch: @escaping (StateCopy.Step) throws -> Void
    ) throws -> (summary: Summary, losses: Losses) {
        guard access("\(folder)/\(manifestName)", F_OK) == 0 else {
            throw CoordinatorError.invalid(
                "\(folder) is no whole backup: it has no \(manifestName); make it again with sheaf backup")
        }
        let there = try StateCopy.names(in: state) ?? []
        guard there.isEmpty || there.contains(unfinishedName) else {
            throw CoordinatorError.invalid("\(state) is not empty; name a folder that does not exist yet")
        }
        let authority = "\(state)/authority.pem"
        guard access(authority, F_OK) != 0 || StateCopy.isSame(authority, as: "\(folder)/authority.pem") else {
            throw CoordinatorError.invalid(
                "\(state) is an unfinished restore of another farm; remove it, or give another folder")
        }
        var copying = StateCopy(watch)
        let unfinished = "\(state)/\(unfinishedName)"
        // Before anything else is there.
        try copying.makeFolder(unfinished)
        guard let alone = try FolderLock(unfinished, isShared: false, waits: false) else {
            throw CoordinatorError.invalid("another sheaf restore works on \(state); wait for it")
        }
        defer { withExtendedLifetime(alone) {} }
        try clear(unfinished, copying)
        for name in keys { try copying.copyFile("\(folder)/\(name)", to: "\(state)/\(name)", isChanging: true) }
        for name in bulk { try copying.copyFolder("\(folder)/\(name)", to: "\(state)/\(name)") }
        let losses = try restoreStore(folder, to: state, unfinished, at: now, &copying)
        try clear(unfinished, copying)
        try copying.watch(.remove(unfinished))
        guard rmdir(unfinished) == 0 else { throw CoordinatorError.system("remove \(unfinished)", errno) }
        try copying.sync(state)
        return (copying.summary, losses)
    }

    /// The store gets its name once it knows that it is a copy.
    private static func restoreStore(
        _ folder: String, to state: String, _ unfinished: String, at now: Instant, _ copying: inout StateCopy
    ) throws -> Losses {
        let name = SQLiteStore.fileName
        try copying.copyFile("\(folder)/\(name)", to: "\(unfinished)/\(name)", isChanging: true)
        let losses = try takeOver(unfinished, objects: "\(state)/objects", from: folder, at: now)
        // One file, without the log that was just written.
        let whole = "\(unfinished)/whole"
        try copying.watch(.write(whole))
        try SQLiteStore.copy(of: unfinished, to: whole)
        try copying.rename(whole, to: "\(state)/\(name)")
        try copying.sync(state)
        return losses
    }

    /// Writes into a store what sets a copy apart from its original, and looks for what it names.
    private static func takeOver(
        _ storeFolder: String, objects: String, from folder: String, at now: Instant
    ) throws -> Losses {
        let store = try SQLiteStore(folder: storeFolder)
        let next = try store.nextRun().number + runNumbersLeftOut
        var changes: [Change] = [
            .runNumbersLeftOut(below: RunID(next)),
            .audited(AuditRecord(at: now, who: "operator", action: "restore", subject: "the state from \(folder)")),
        ]
        // The copy's original may have tried them since: they are searched for before they are tried again.
        var last: String?
        while case let page = try store.openDeliveries(after: last, most: 1_000), let end = page.last {
            changes += page.filter { $0.tries == 0 }.map { .deliveryTried(key: $0.key) }
            last = end.key
        }
        try store.commit(changes)
        let held = try ObjectStore(at: objects)
        var losses = Losses()
        losses.damaged = try held.verifyAll().damaged
        let damaged = Set(losses.damaged)
        do {
            let needed = try NeededObjects(in: store, held).digests
            losses.missing = needed.filter { !damaged.contains($0) && !held.contains($0) }.sorted()
        } catch {
            losses.unchecked = "\(error)"
        }
        return losses
    }

    private static func clear(_ folder: String, _ copying: StateCopy) throws {
        for name in try StateCopy.names(in: folder) ?? [] { try copying.remove("\(folder)/\(name)") }
    }
}
