/// What outsiders may ask for at most. Each limit has a test at its edge.
package enum Limits {
    /// One workflow file, in bytes.
    package static let workflowBytesMax = 10 << 20
    /// Nesting of YAML, JSON and matrix values.
    package static let nestingMax = 50
    package static let cellsPerJobMax = 10_000
    package static let shardsPerCellMax = 10_000
    package static let shardsPerRunMax = 1_000_000
    package static let jobsMax = 1_000
    package static let stepsPerJobMax = 1_000
    package static let expressionCharactersMax = 21_000
    package static let expressionDepthMax = 50
    /// What one evaluation of an expression in a workflow may hold, in bytes, as in GitHub's templates.
    package static let expressionMemoryMax = 10 << 20
    /// The same for an expression that is tried alone: the default of GitHub's evaluator, and its published cases'.
    package static let expressionTrialMemoryMax = 1 << 20
    /// One frame on a link, header excluded, in bytes.
    package static let frameBytesMax = 64 << 10
    /// One message assembled from a stream, in bytes.
    package static let messageBytesMax = 64 << 20
    /// One line of a step's output; longer ones are cut and marked.
    package static let logLineBytesMax = 64 << 10
    /// The log of one attempt; the rest is counted and dropped, with a notice.
    package static let logBytesMax = 64 << 20
    package static let metricsFileBytesMax = 16 << 20
    package static let itemsFileBytesMax = 1 << 30
    package static let itemsPerCellMax = 10_000_000
    package static let itemIDBytesMax = 1024
    /// Files in one code tree or artifact.
    package static let treeFilesMax = 1_000_000
    package static let pathBytesMax = 4096
    /// `GITHUB_OUTPUT` and the like, in bytes.
    package static let commandFileBytesMax = 1 << 20
}
