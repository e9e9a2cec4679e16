package import Model

/// A tree that `actions/cache` keeps.
package struct CacheRecord: Equatable, Sendable {
    package struct Name: Hashable, Sendable {
        package var repository: String
        /// The ref of the run that saved it: `refs/heads/main`.
        package var branch: String
        package var key: String
        /// Digest of what the step says to keep.
        package var paths: Digest

        package init(repository: String, branch: String, key: String, paths: Digest) {
            self.repository = repository
            self.branch = branch
            self.key = key
            self.paths = paths
        }
    }

    package var name: Name
    package var manifest: Digest
    package var manifestBytes: Int
    package var contentBytes: Int
    package var savedAt: Instant
    package var usedAt: Instant

    package init(
        name: Name, manifest: Digest, manifestBytes: Int, contentBytes: Int, savedAt: Instant, usedAt: Instant
    ) {
        self.name = name
        self.manifest = manifest
        self.manifestBytes = manifestBytes
        self.contentBytes = contentBytes
        self.savedAt = savedAt
        self.usedAt = usedAt
    }

    /// The newest first, then by name: the order in which stores give them.
    static func isBefore(_ a: Self, _ b: Self) -> Bool {
        guard a.savedAt == b.savedAt else { return a.savedAt > b.savedAt }
        let (left, right) = (a.name, b.name)
        return (left.key, left.branch, left.repository, left.paths)
            < (right.key, right.branch, right.repository, right.paths)
    }
}
