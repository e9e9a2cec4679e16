/// How much of git's history the checkouts of a workflow ask for.
package struct HistoryWanted: Equatable, Sendable {
    /// How many commits, from the one that is checked out on; `nil`: all of them, and the branches of the remote.
    package var depth: Int?
    package var tags: Bool

    package init(depth: Int?, tags: Bool) {
        self.depth = depth
        self.tags = tags
    }

    /// What is enough for both.
    package func joined(with other: HistoryWanted) -> HistoryWanted {
        HistoryWanted(
            depth: depth.flatMap { own in other.depth.map { max(own, $0) } }, tags: tags || other.tags)
    }
}
