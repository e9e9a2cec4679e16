extension StepAccounts {
    /// The topmost folder above a path that attempts' users cannot pass; `nil` when none is closed to them.
    package func closedFolder(above path: String) -> String? {
        switch self {
        // A user that the owner named may have been let in by its group.
        case .own, .user: nil
        case .pool: PrivateViews.closedFolder(above: path)
        }
    }
}
