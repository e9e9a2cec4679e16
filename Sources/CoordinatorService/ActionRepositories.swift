import Artifacts
import Locks
import Model
import Wire
import Workflows

/// The repositories whose actions a workflow uses, as far as they are at hand; and which ones reading it has missed.
final class ActionRepositories: Sendable {
    /// What is asked for: repositories are told apart without regard to case.
    struct Name: Hashable, Comparable, Sendable {
        /// As it was written first: not every server passes over case.
        let repository: String
        let commit: String
        private let key: String

        init(_ repository: String, _ commit: String) {
            self.repository = repository
            self.commit = commit
            key = "\(repository.lowercased())@\(commit)"
        }

        static func == (a: Self, b: Self) -> Bool { a.key == b.key }
        static func < (a: Self, b: Self) -> Bool { a.key < b.key }
        func hash(into hasher: inout Hasher) { hasher.combine(key) }
    }

    /// Of one run.
    static let repositoriesMax = 100

    private struct State {
        var missing: Set<Name> = []
        var used: Set<Name> = []
        var trees: [Digest: SubmittedTree?] = [:]
    }

    private let known: [Name: ActionShelf.Outcome]
    /// `nil`: whoever asks was allowed to before.
    private let rules: ActionRules?
    private let store: ObjectStore?
    private let state = Mutex(State())

    init(_ known: [Name: ActionShelf.Outcome], rules: ActionRules?, in store: ObjectStore?) {
        self.known = known
        self.rules = rules
        self.store = store
    }

    /// Those of a stored run.
    convenience init(of request: Proto.SubmitRunRequest, rules: ActionRules? = nil, in store: ObjectStore) {
        self.init(Self.known(of: request), rules: rules, in: store)
    }

    /// Nothing is at hand, and nothing is allowed.
    static var none: ActionRepositories { ActionRepositories([:], rules: ActionRules(), in: nil) }

    static func known(of request: Proto.SubmitRunRequest) -> [Name: ActionShelf.Outcome] {
        var known: [Name: ActionShelf.Outcome] = [:]
        for source in request.actions {
            if let tree = Digest(source.tree) { known[Name(source.repository, source.commit)] = .tree(tree) }
        }
        return known
    }

    /// Asked by whoever reads the workflow. Blocks on the disk.
    func find(_ repository: String, _ commit: String) -> FoundRepository {
        if let refusal = rules?.refusal(of: repository) { return refusal }
        let name = Name(repository, commit)
        switch known[name] {
        case nil:
            state.withLock { _ = $0.missing.insert(name) }
            return .unknown
        case .failed(let problem):
            return .refused(
                problem: problem.text,
                help: "git fetch the commit from the farm's machine to see what stands in the way, then submit anew")
        case .tree(let digest):
            guard let tree = tree(digest) else {
                return .refused(
                    problem: "what the farm keeps of '\(repository)' at \(commit.prefix(12)) is gone or damaged",
                    help: "submit the run anew: it is fetched again")
            }
            state.withLock { _ = $0.used.insert(name) }
            return .tree(digest) { tree.bytes(ofFile: $0, most: Limits.workflowBytesMax) }
        }
    }

    private func tree(_ digest: Digest) -> SubmittedTree? {
        if let tree = state.withLock({ $0.trees[digest] }) { return tree }
        let tree = store.flatMap { store in try? SubmittedTree(digest, in: store) }
        state.withLock { $0.trees[digest] = .some(tree) }
        return tree
    }

    /// What was asked for and is not at hand.
    var missing: [Name] { state.withLock { $0.missing.sorted() } }

    /// What the run names from now on.
    var sources: [Proto.ActionSource] {
        state.withLock { $0.used.sorted() }.compactMap { name in
            guard case .tree(let digest) = known[name] else { return nil }
            return Proto.ActionSource(
                ActionSource(repository: name.repository, commit: name.commit, tree: digest))
        }
    }
}
