package import Model
package import Storage

/// Why something about a run cannot be told.
package enum QueryError: Error, Equatable, CustomStringConvertible {
    case storage(StorageError)
    /// A row holds what this binary cannot read.
    case damaged(RunID, String)
    /// The run has no such job, cell or shard, in a sentence that names those it has.
    case absent(String)

    package var description: String {
        switch self {
        case .storage(let error): error.description
        case .absent(let what): what
        case .damaged(let run, let what):
            "\(run): the store's record is damaged: \(what); restore a backup, or ask with the sheaf that wrote it"
        }
    }
}
