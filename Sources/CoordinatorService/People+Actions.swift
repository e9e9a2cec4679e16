import Artifacts
import Model
import Transport
import Wire
import Workflows

/// Actions of other repositories: fetched when a run is submitted, if the farm's owner allows them.
extension People {
    /// How long a submission may take to fetch all of them.
    static let fetchingMax = Duration.seconds(600)

    /// Reads a submission. What it uses of other repositories is fetched, and it is read again: that may use others.
    ///
    /// - Parameter known: what is at hand already.
    /// - Throws: `LinkStatus` where asking again may help; `Mistakes` in the workflow, among them what cannot be fetched.
    func prepare(
        _ request: Proto.SubmitRunRequest, _ id: RunID, by who: Principal, tree: SubmittedTree?
    ) async throws -> PreparedRun {
        let deadline = ContinuousClock.now.advanced(by: Self.fetchingMax)
        var known = ActionRepositories.known(of: request)
        while true {
            let repositories = ActionRepositories(known, rules: shelf?.rules ?? ActionRules(), in: store)
            let outcome: Result<PreparedRun, Mistakes> = await DiskThreads.shared.run {
                Result { () throws(Mistakes) in
                    try PreparedRun(request, run: id, by: who, tree: tree, repositories: repositories)
                }
            }
            let missing = repositories.missing
            guard !missing.isEmpty, let shelf else { return try outcome.get() }
            guard known.count + missing.count <= ActionRepositories.repositoriesMax else {
                throw LinkStatus(
                    .invalid,
                    "the workflow uses actions of more than \(ActionRepositories.repositoriesMax) repositories")
            }
            guard ContinuousClock.now < deadline else {
                throw LinkStatus(.unavailable, "fetching the workflow's actions takes longer than \(Self.fetchingMax)")
            }
            for (name, outcome) in await shelf.trees(of: missing) {
                if case .failed(let problem) = outcome, problem.mayPass {
                    throw LinkStatus(.unavailable, problem.text)
                }
                known[name] = outcome
            }
        }
    }

    /// Refuses to run again what the farm's owner has forbidden since.
    func refuseForbidden(_ request: Proto.SubmitRunRequest) throws(LinkStatus) {
        let rules = shelf?.rules ?? ActionRules()
        for source in request.actions where !rules.allows(source.repository) {
            throw LinkStatus(
                .denied, "the farm's owner does not allow actions of '\(source.repository)' any more")
        }
    }
}

extension ActionShelf {
    /// Fetches several, and waits for all of them.
    func trees(
        of names: [ActionRepositories.Name]
    ) async -> [(name: ActionRepositories.Name, outcome: Outcome)] {
        await withTaskGroup(of: (ActionRepositories.Name, Outcome).self) { group in
            for name in names { group.addTask { (name, await self.tree(of: name.repository, at: name.commit)) } }
            var found: [(name: ActionRepositories.Name, outcome: Outcome)] = []
            for await one in group { found.append(one) }
            return found.sorted { $0.name < $1.name }
        }
    }
}
