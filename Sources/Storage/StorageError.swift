/// Why the store could not do what it was asked. Every case ends the operation whole: nothing of it is kept.
package enum StorageError: Error, Equatable, CustomStringConvertible {
    /// The disk has no room for the commit.
    case diskFull(path: String)
    /// The file or its folder cannot be written or read.
    case inaccessible(path: String, reason: String)
    /// Another store is open on the folder, in this process or another; `holder` is its process where it said so.
    case inUse(path: String, holder: Int?)
    /// Another program keeps the database locked for longer than we wait.
    case locked(path: String)
    /// The file is damaged, or is no store of ours.
    case damaged(path: String, reason: String)
    /// A later Sheaf wrote the store; it was left untouched.
    case newer(path: String, version: Int, known: Int)
    /// Something of that name exists already.
    case conflict(String)
    /// A fault that none of the above names, with SQLite's own words.
    case failed(operation: String, reason: String)

    /// The commit was not made, and may be made again as it is once somebody has done something about it.
    package var isPassing: Bool {
        switch self {
        case .diskFull, .locked: true
        case .inaccessible, .inUse, .damaged, .newer, .conflict, .failed: false
        }
    }

    package var description: String {
        switch self {
        case .diskFull(let path):
            "\(path): the disk is full; free some space (nothing that was committed is lost)"
        case .inaccessible(let path, let reason): "\(path): cannot be opened: \(reason)"
        case .inUse(let path, let holder):
            """
            \(path): another coordinator\(holder.map { " (pid \($0))" } ?? "") has this store open; stop it first, or give \
            another --state folder
            """
        case .locked(let path):
            "\(path): another program keeps the database locked; end it (a database shell, a copy being made?)"
        case .damaged(let path, let reason): "\(path): the store is damaged: \(reason); restore a backup"
        case .newer(let path, let version, let known):
            "\(path): written by a later Sheaf (schema \(version), this one knows \(known)); update this machine"
        case .conflict(let what): what
        case .failed(let operation, let reason): "the store failed to \(operation): \(reason)"
        }
    }
}
