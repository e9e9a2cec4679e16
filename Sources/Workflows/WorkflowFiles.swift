package import Model

/// Where the text of a workflow or an action comes from that a workflow names by `uses`.
package struct WorkflowFiles: Sendable {
    /// The bytes behind a reference, as `uses` writes it; `nil` where there is none.
    package var read: @Sendable (_ reference: String) -> [UInt8]?
    /// What is known of another repository at a commit, whose actions steps use.
    package var repository: @Sendable (_ name: String, _ commit: String) -> FoundRepository = { _, _ in .unknown }
    /// Whether `read` knows all files of the code tree, so that a local one that it lacks does not exist.
    package var isWhole: Bool
    /// Jobs of a workflow, with those of all workflows that it calls.
    package var jobsMax = Limits.jobsMax
    /// How deep workflows may call one another.
    package var callsDeepMax = 10
    /// What a workflow may do that says nothing about it; `nil`: whatever it asks for.
    package var permissions: Permissions?

    package init(isWhole: Bool = false, read: @escaping @Sendable (String) -> [UInt8]?) {
        self.isWhole = isWhole
        self.read = read
    }

    /// Nothing is known beyond the file itself.
    package static let none = WorkflowFiles { _ in nil }
}

/// What is known of another repository at a commit.
package enum FoundRepository: Sendable {
    /// Whether there is one, and whether it may be used, the farm says when a run is submitted.
    case unknown
    /// No action of it may be used, or none can be.
    case refused(problem: String, help: String)
    /// - read: the bytes of a file by its path; `nil` where there is none.
    case tree(Digest, read: @Sendable (_ path: String) -> [UInt8]?)
}
