package import Model
package import Storage

/// Why something about a run cannot be told.
package enum QueryError: Error, Equatable, CustomStringConvertible {
    case storage(StorageError)
    /// A row holds what this binary cannot read.
    case damaged(RunID, String)

    package var description: String {
        switch self {
        case .storage(let error): error.description
        case .damaged(let run, let what):
            "\(run): the store's record is damaged: \(what); restore a backup, or ask with the sheaf that wrote it"
        }
    }
}
