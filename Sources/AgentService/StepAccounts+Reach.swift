extension StepAccounts {
    /// The topmost folder above a path that attempts' users cannot pass; `nil` when none is closed to them, or each
    /// attempt has a view of the file system in which it is opened.
    package func closedFolder(above path: String) -> String? {
        switch self {
        case .own: nil
        case .user(let account): Chamber.refusal == nil ? nil : PrivateViews.closedFolder(above: path, to: account)
        case .pool: Chamber.refusal == nil ? nil : PrivateViews.closedFolder(above: path, to: nil)
        }
    }
}
