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
    /// What only a folder has in which a coordinator's store is opened.
    private static let lockName = "store.lock"

    package struct Summary: Equatable, Sendable {
        package var files = 0
        package var copied = 0
        package var copiedBytes = 0
        /// Objects of the copy before that were damaged, and are copied anew.
        package var mended = 0
    }

    /// What a restore has come to.
    package struct Restored: Equatable, Sendable {
        package var summary: Summary
        package var losses: Losses
        /// When the copy was made, in UTC; empty where it does not say.
        package var takenAt: String
        /// Enrolment tokens that were still good: they may have been used since, and are good no more.
        package var tokensVoided: Int
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
        try keepApart(
            state, folder, help: "give --into another folder, neither in the state nor above it; best on another disk")
        for mark in [lockName, SQLiteStore.fileName + "-wal"] where access("\(folder)/\(mark)", F_OK) == 0 {
            throw CoordinatorError.invalid(
                "\(folder) is a coordinator's state and no backup: it has a \(mark); give --into a folder that does not "
                    + "exist yet, or one that sheaf backup made")
        }
        // What the copy of the store names must not be removed before it is copied, too.
        let objects = "\(state)/objects"
        let removals = access(objects, F_OK) == 0 ? try FolderLock(objects, isShared: true, waits: true) : nil
        defer { withExtendedLifetime(removals) {} }
        var copying = StateCopy(watch)
        try copying.makeFolder(folder)
        guard let alone = try FolderLock(folder) else {
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
        let turn = number(manifest(of: folder), "number")
        if let turn { try lookAgain(at: folder, state, turn, &copying) }
        for name in keys { try copying.copyFile("\(state)/\(name)", to: "\(folder)/\(name)", isChanging: true) }
        try copying.sync(folder)
        // With this the folder holds the new copy; what the old one named is still there.
        try copying.rename(draft, to: store)
        try copying.sync(folder)
        var writer = JSONWriter(indent: 2)
        writer.value([
            "sheaf": .number(1), "taken_at": .string(now.utc), "files": .number(Double(copying.summary.files)),
            "number": .number(Double((turn ?? 0) + 1)),
        ])
        writer.newline()
        let manifest = "\(folder)/\(manifestName)"
        try copying.watch(.rename(manifest))
        try PrivateFile.write(String(decoding: writer.bytes, as: UTF8.self), to: manifest)
        return copying.summary
    }

    /// In so many copies into one folder every object of it is compared with its name once.
    static let turns = 16

    /// Compares a part of the objects that lie in the copy with their names, the next part each time, and copies anew what is
    /// damaged there and whole in the state: `copyFolder` looks at sizes alone.
    private static func lookAgain(
        at folder: String, _ state: String, _ turn: Int, _ copying: inout StateCopy
    ) throws {
        for value in stride(from: turn % turns, to: 256, by: turns) {
            let part = "objects/objects/" + (value < 16 ? "0" : "") + String(value, radix: 16)
            for name in try StateCopy.names(in: "\(folder)/\(part)") ?? [] {
                let (copy, original) = ("\(folder)/\(part)/\(name)", "\(state)/\(part)/\(name)")
                guard try ObjectStore.isWhole(copy) == false, try ObjectStore.isWhole(original) == true else {
                    continue
                }
                try copying.mend(copy, from: original)
                try copying.sync("\(folder)/\(part)")
            }
        }
    }

    /// What a copy says of itself; `nil` where it is none, or an unfinished one.
    private static func manifest(of folder: String) -> Value? {
        // It is for people, and for the turns of `lookAgain`: without it these begin anew.
        guard let text = try? PrivateFile.read("\(folder)/\(manifestName)", keptPrivate: false) else { return nil }
        return try? JSONParser.value(text)
    }

    /// A count in a manifest; what is none counts as 0.
    private static func number(_ manifest: Value?, _ key: String) -> Int? {
        manifest.map { Int(exactly: $0[key]?.number ?? 0).map { max(0, $0) } ?? 0 }
    }

    /// Neither folder is the other, nor lies in it: a copy would be written over its original, or copy itself without end.
    private static func keepApart(_ source: String, _ target: String, help: String) throws(CoordinatorError) {
        let place = try FolderPlace(target)
        // Its parts may be links to other disks.
        for part in [source] + bulk.map({ "\(source)/\($0)" }) {
            let other = try FolderPlace(part)
            guard other.exists, place.isWithin(other) || other.isWithin(place) else { continue }
            let relation = place.isSame(as: other) ? "is" : place.isWithin(other) ? "lies in" : "holds"
            throw .invalid("\(target) \(relation) \(part), which is to be copied: \(help)")
        }
    }

    // MARK: Restoring

    /// Makes a state folder from a copy. Every object is compared with its digest.
    ///
    /// One that was interrupted is gone on with; until then no coordinator starts there. Tokens that were good when the copy
    /// was made are good no more: nobody here knows which of them were used since.
    ///
    /// - Throws: as `make`; a state folder that exists and holds something else is refused.
    package static func restore(
        _ folder: String, to state: String, at now: Instant
    ) throws -> Restored {
        try restore(folder, to: state, at: now) { _ in }
    }

    static func restore(
        _ folder: String, to state: String, at now: Instant, watch: @escaping (StateCopy.Step) throws -> Void
    ) throws -> Restored {
        guard access("\(folder)/\(manifestName)", F_OK) == 0 else {
            throw CoordinatorError.invalid(
                "\(folder) is no whole backup: it has no \(manifestName); make it again with sheaf backup")
        }
        try keepApart(folder, state, help: "give --state another folder, neither in the backup nor above it")
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
        guard let alone = try FolderLock(unfinished) else {
            throw CoordinatorError.invalid("another sheaf restore works on \(state); wait for it")
        }
        defer { withExtendedLifetime(alone) {} }
        try clear(unfinished, copying)
        for name in keys { try copying.copyFile("\(folder)/\(name)", to: "\(state)/\(name)", isChanging: true) }
        for name in bulk { try copying.copyFolder("\(folder)/\(name)", to: "\(state)/\(name)") }
        let (losses, tokens) = try restoreStore(folder, to: state, unfinished, at: now, &copying)
        try clear(unfinished, copying)
        try copying.watch(.remove(unfinished))
        guard rmdir(unfinished) == 0 else { throw CoordinatorError.system("remove \(unfinished)", errno) }
        try copying.sync(state)
        return Restored(
            summary: copying.summary, losses: losses, takenAt: manifest(of: folder)?["taken_at"]?.string ?? "",
            tokensVoided: tokens)
    }

    /// The store gets its name once it knows that it is a copy.
    private static func restoreStore(
        _ folder: String, to state: String, _ unfinished: String, at now: Instant, _ copying: inout StateCopy
    ) throws -> (losses: Losses, tokensVoided: Int) {
        let name = SQLiteStore.fileName
        try copying.copyFile("\(folder)/\(name)", to: "\(unfinished)/\(name)", isChanging: true)
        let taken = try takeOver(unfinished, objects: "\(state)/objects", from: folder, at: now)
        // One file, without the log that was just written.
        let whole = "\(unfinished)/whole"
        try copying.watch(.write(whole))
        try SQLiteStore.copy(of: unfinished, to: whole)
        // With it the folder is a state, which no backup is written over, although no coordinator was there yet.
        try copying.rename("\(unfinished)/\(lockName)", to: "\(state)/\(lockName)")
        try copying.rename(whole, to: "\(state)/\(name)")
        try copying.sync(state)
        return taken
    }

    /// Writes into a store what sets a copy apart from its original, and looks for what it names.
    private static func takeOver(
        _ storeFolder: String, objects: String, from folder: String, at now: Instant
    ) throws -> (losses: Losses, tokensVoided: Int) {
        let store = try SQLiteStore(folder: storeFolder)
        let next = try store.nextRun().number + runNumbersLeftOut
        var changes: [Change] = [
            .runNumbersLeftOut(below: RunID(next)),
            .audited(AuditRecord(at: now, who: "operator", action: "restore", subject: "the state from \(folder)")),
        ]
        let tokens = try store.unusedTokens()
        changes += tokens.map { .tokenUsed(hash: $0.hash, at: now, key: nil) }
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
            let needed = try NeededObjects(in: store, held, at: now).digests
            losses.missing = needed.filter { !damaged.contains($0) && !held.contains($0) }.sorted()
        } catch {
            losses.unchecked = "\(error)"
        }
        return (losses, tokens.count { now < $0.expiresAt })
    }

    private static func clear(_ folder: String, _ copying: StateCopy) throws {
        for name in try StateCopy.names(in: folder) ?? [] { try copying.remove("\(folder)/\(name)") }
    }
}
