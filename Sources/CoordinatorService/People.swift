import Artifacts
import Model
import Queries
import Scheduling
import Storage
import Transport
import Wire
import Workflows

/// `sheaf.v1.Farm`: what people ask.
struct People: Sendable {
    static let runsListedMax = 1000

    let coordinator: Coordinator
    let keeper: StoreKeeper
    let store: ObjectStore
    let logs: LogStore
    let pulses: Pulses
    let roster: Roster
    let clock: FarmClock
    let library: RunLibrary
    let hosts: CodeHosts
    /// How long an explanation waits for the store to take what it speaks of.
    var explainPatience = Duration.seconds(5)
    /// Fetches actions of other repositories; `nil`: none may be used.
    var shelf: ActionShelf?
    /// Closes the connections of a bearer whose certificates were revoked.
    let disconnect: @Sendable (Principal.Role, String, LinkStatus) async -> Void

    // MARK: Rights

    static func mayCancel(_ owner: Principal, _ who: Principal) -> Bool {
        who.role == .admin || owner.name == who.name && owner.role == who.role
    }

    private static func onlyAdmins(_ who: Principal, _ what: String) throws(LinkStatus) {
        guard who.role == .admin else { throw LinkStatus(.denied, "only admins \(what); \(who.title) is none") }
    }

    /// Whose run it is; refuses those who may not know.
    func owner(of run: RunID, _ who: Principal) async throws(LinkStatus) -> Principal {
        let found: Principal?
        if let view = await coordinator.view(of: run) {
            found = view.owner
        } else {
            found = try await stored(run)?.run.owner
        }
        guard let found, who.mayRead(runsOf: found) else { throw LinkStatus(.notFound, "there is no run \(run)") }
        return found
    }

    func stored(_ run: RunID) async throws(LinkStatus) -> StoredRun? {
        do throws(CoordinatorError) {
            return try await keeper.read { storage throws(StorageError) in try storage.run(run) }
        } catch {
            throw LinkStatus(.unavailable, "\(error)")
        }
    }

    // MARK: Runs

    func submit(
        _ request: Proto.SubmitRunRequest, _ who: Principal
    ) async throws(LinkStatus) -> Proto.SubmitRunResponse {
        let key = try Self.ownKey(request.key, who)
        guard request.workflow.utf8.count <= Limits.workflowBytesMax,
            request.gates.utf8.count <= Limits.workflowBytesMax
        else { throw LinkStatus(.invalid, "a workflow has at most \(Limits.workflowBytesMax) bytes") }
        guard abs(Int(request.priority)) <= Farm.priorityMax else {
            throw LinkStatus(.invalid, "a priority is within -\(Farm.priorityMax) and \(Farm.priorityMax)")
        }
        // Whatever the client says: what it submits reruns nothing.
        var request = request
        (request.rerunOf, request.rerunFailed) = (0, false)
        request.actions = []
        if let known = try await known(key, request) { return .with { $0.run = known.number } }
        request.deliverHost = try hosts.host(for: request, by: who) ?? ""
        let tree = try await checkedTree(request.tree, who)
        let id = try await coordinator.reserveRun()
        return try await answering {
            let prepared = try await prepare(request, id, by: who, tree: tree)
            if let refusal = await coordinator.refusal(of: prepared.plan) { throw refusal }
            let run = await coordinator.submit(prepared, as: id, key: key, by: who)
            return .with {
                $0.run = run.number
                $0.diagnostics = prepared.warnings.map { Proto.Diagnostic($0) }
            }
        }
    }

    /// A submission's answer; mistakes in the workflow are one.
    func answering(
        _ submit: () async throws -> Proto.SubmitRunResponse
    ) async throws(LinkStatus) -> Proto.SubmitRunResponse {
        do {
            return try await submit()
        } catch let mistakes as Mistakes {
            return .with { $0.diagnostics = mistakes.diagnostics.map { Proto.Diagnostic($0) } }
        } catch let status as LinkStatus {
            throw status
        } catch {
            throw LinkStatus(.unavailable, "\(error)")
        }
    }

    /// The key of a submission together with whose it is.
    static func ownKey(_ key: String, _ who: Principal) throws(LinkStatus) -> String {
        guard (16...64).contains(key.utf8.count) else {
            throw LinkStatus(.invalid, "a submission's key has 16 to 64 characters")
        }
        return "\(who.role.rawValue):\(who.name)/\(key)"
    }

    /// The run that was submitted with this key; refused where that was for something else.
    func known(_ key: String, _ request: Proto.SubmitRunRequest) async throws(LinkStatus) -> RunID? {
        do throws(CoordinatorError) {
            let known = try await keeper.read { storage throws(StorageError) in
                try storage.run(key: key).flatMap { id throws(StorageError) in try storage.run(id) }
            }
            guard let known else { return nil }
            guard let other = request.difference(from: known.run.request) else { return known.run.id }
            throw CoordinatorError.conflict(
                "the key was used already, for \(known.run.id), whose \(other) was another; a new submission needs a new key"
            )
        } catch {
            throw error.status
        }
    }

    /// The submitted tree, whole, and given by this person: naming a digest grants nothing.
    private func checkedTree(_ bytes: [UInt8], _ who: Principal) async throws(LinkStatus) -> SubmittedTree? {
        guard !bytes.isEmpty else { return nil }
        guard let digest = Digest(bytes) else { throw LinkStatus(.invalid, "the tree's digest has 32 bytes") }
        let tree: SubmittedTree
        do throws(ArtifactError) {
            tree = try await DiskThreads.shared.run { [store] () throws(ArtifactError) in
                try SubmittedTree(digest, in: store)
            }
        } catch {
            throw LinkStatus(.conflict, "the code tree \(digest.short) is not whole: \(error); put it and submit again")
        }
        let scope = ObjectsService.scope(of: who)
        let asked = [digest] + tree.chunks
        let granted: Set<Digest>
        do throws(CoordinatorError) {
            granted = try await keeper.read { storage throws(StorageError) in try storage.granted(asked, to: scope) }
        } catch {
            throw error.status
        }
        if let other = asked.first(where: { !granted.contains($0) }) {
            throw LinkStatus(.conflict, "\(other.short) of the code tree was not put by \(who.title); put it first")
        }
        return tree
    }

    /// The run as it is: live, or as it was stored when it ended.
    func view(of run: RunID, _ who: Principal) async throws(LinkStatus) -> RunView {
        if let live = await coordinator.view(of: run) {
            guard who.mayRead(runsOf: live.owner) else { throw LinkStatus(.notFound, "there is no run \(run)") }
            return live
        }
        _ = try await owner(of: run, who)
        return try await library.view(of: run)
    }

    func watch(_ stream: LinkStream, _ who: Principal) async throws {
        guard let request = try await stream.receive(Proto.WatchRequest.self) else { return }
        let run = RunID(request.run)
        var known: [String: Proto.CellSummary] = [:]
        var notesSeen = 0
        try await pulses.watch(run) {
            let view = try await view(of: run, who)
            let changed = view.cells.filter { known["\($0.job)/\($0.cell)"] != $0 }
            for cell in changed { known["\(cell.job)/\(cell.cell)"] = cell }
            let fresh = view.notes.dropFirst(min(notesSeen, view.notes.count))
            notesSeen = max(notesSeen, view.notes.count)
            try await stream.send(
                Proto.WatchEvent.with {
                    $0.summary = view.summary
                    $0.cells = changed
                    $0.notes = Array(fresh)
                })
            return view.summary.state == "ended"
        }
        await stream.finish()
    }

    func list(_ request: Proto.ListRunsRequest, _ who: Principal) async throws(LinkStatus) -> Proto.ListRunsResponse {
        let most = min(max(1, Int(request.most)), Self.runsListedMax)
        let before = request.before == 0 ? nil : RunID(request.before)
        do throws(CoordinatorError) {
            let found = try await keeper.read { storage throws(StorageError) in
                try storage.runs(before: before, most: most, readableBy: who)
            }
            var summaries: [Proto.RunSummary] = []
            for stored in found {
                if let live = await coordinator.view(of: stored.run.id) {
                    summaries.append(live.summary)
                } else {
                    summaries.append(Proto.RunSummary(stored))
                }
            }
            return .with { $0.runs = summaries }
        } catch {
            throw LinkStatus(.unavailable, "\(error)")
        }
    }

    func cancel(_ request: Proto.CancelRequest, _ who: Principal) async throws(LinkStatus) -> Proto.CancelResponse {
        let run = RunID(request.run)
        let owner = try await owner(of: run, who)
        guard Self.mayCancel(owner, who) else {
            throw LinkStatus(.denied, "\(run) belongs to \(owner.name): only its owner or an admin may cancel it")
        }
        let reason = String(request.reason.prefix(1000))
        guard await coordinator.cancel(run, reason: reason, isForced: request.force, by: who) else {
            throw LinkStatus(.conflict, "\(run) has ended already")
        }
        let view = try await view(of: run, who)
        return .with { $0.summary = view.summary }
    }

    // MARK: Baselines

    func setBaseline(_ request: Proto.SetBaselineRequest, _ who: Principal) async throws(LinkStatus) -> Proto.Baseline {
        let run = RunID(request.run)
        _ = try await owner(of: run, who)
        guard Principal.isName(request.alias) else {
            throw LinkStatus(.invalid, "an alias has 1 to 64 characters of A-Z, a-z, 0-9, '.', '_' and '-'")
        }
        guard let stored = try await stored(run), let ending = stored.ending else {
            throw LinkStatus(.conflict, "\(run) has not ended; a baseline is a run that has its results")
        }
        guard ending.verdict <= .waived || !request.because.isEmpty else {
            throw LinkStatus(
                .conflict,
                "\(run) ended with '\(ending.verdict.rawValue)'; a baseline is a run that passed, or one of which somebody says why it is to be one: --because WHY"
            )
        }
        guard request.because.count <= 1000 else { throw LinkStatus(.invalid, "a reason has 1000 characters at most") }
        try await refuseForeign(request.alias, who)
        let record = BaselineRecord(alias: request.alias, run: run, setBy: who.title, setAt: clock.now)
        await coordinator.setBaseline(record, by: who, because: request.because)
        return Proto.Baseline(record)
    }

    /// An alias that names a run of another team is theirs to move.
    private func refuseForeign(_ alias: String, _ who: Principal) async throws(LinkStatus) {
        let found: BaselineRecord?
        do throws(CoordinatorError) {
            found = try await keeper.read { storage throws(StorageError) in
                try storage.baselines().first { $0.alias == alias }
            }
        } catch {
            throw error.status
        }
        guard let found, let owner = try await stored(found.run)?.run.owner, !who.mayRead(runsOf: owner) else { return }
        throw LinkStatus(
            .denied,
            "the baseline '\(alias)' belongs to \(owner.team.map { "team \($0)" } ?? owner.name); choose another name")
    }

    func baselines(_ request: Proto.ShowBaselineRequest) async throws(LinkStatus) -> Proto.ShowBaselineResponse {
        do throws(CoordinatorError) {
            let all = try await keeper.read { storage throws(StorageError) in try storage.baselines() }
            let chosen = all.filter { request.alias.isEmpty || $0.alias == request.alias }
            guard !chosen.isEmpty || request.alias.isEmpty else {
                throw CoordinatorError.notFound("there is no baseline '\(request.alias)'")
            }
            return .with { $0.baselines = chosen.map { Proto.Baseline($0) } }
        } catch {
            throw error.status
        }
    }

    // MARK: The farm

    func drain(
        _ request: Proto.DrainAgentRequest, _ who: Principal
    ) async throws(LinkStatus) -> Proto.DrainAgentResponse {
        try Self.onlyAdmins(who, "drain agents")
        let reason =
            "drained by \(who.title)"
            + (request.reason.isEmpty ? "" : ": \(request.reason.prefix(1000))")
        guard let agent = await coordinator.drain(request.name, !request.undo, reason: reason, by: who) else {
            throw LinkStatus(.notFound, "there is no agent '\(request.name.prefix(64))'")
        }
        return .with { $0.agent = agent }
    }

    func setPool(_ request: Proto.SetPoolRequest, _ who: Principal) async throws(LinkStatus) -> Proto.SetPoolResponse {
        try Self.onlyAdmins(who, "say what a pool takes")
        let pool = Pool(name: request.pool?.name ?? "", allowsUntrusted: request.pool?.allowUntrusted ?? false)
        try await coordinator.set(pool, by: who)
        return .with { $0.pool = Proto.Pool(pool) }
    }

    func moveAgent(
        _ request: Proto.MoveAgentRequest, _ who: Principal
    ) async throws(LinkStatus) -> Proto.MoveAgentResponse {
        try Self.onlyAdmins(who, "put agents into pools")
        let agent = try await coordinator.move(request.name, to: request.pool, by: who)
        return .with { $0.agent = agent }
    }

    func createToken(
        _ request: Proto.CreateTokenRequest, _ who: Principal
    ) async throws(LinkStatus) -> Proto.CreateTokenResponse {
        try Self.onlyAdmins(who, "create tokens")
        guard let role = Principal.Role(rawValue: request.role) else {
            throw LinkStatus(.invalid, "a token's role is user, agent or admin, not '\(request.role.prefix(40))'")
        }
        let principal = Principal(
            role: role, name: request.name, team: request.team.isEmpty ? nil : request.team)
        let made = try await roster.createToken(
            for: principal, validFor: request.validS == 0 ? nil : .seconds(Int64(request.validS)), by: who)
        return .with {
            $0.tokenFile = made.file
            $0.expiresAt = made.expires.nanoseconds
        }
    }

    func revoke(_ request: Proto.RevokeRequest, _ who: Principal) async throws(LinkStatus) -> Proto.RevokeResponse {
        try Self.onlyAdmins(who, "revoke certificates")
        guard let role = Principal.Role(rawValue: request.role), role != .coordinator else {
            throw LinkStatus(.invalid, "a role is user, agent or admin, not '\(request.role.prefix(40))'")
        }
        let reason = request.reason.isEmpty ? "revoked by \(who.title)" : String(request.reason.prefix(1000))
        let count = await roster.revoke(role, request.name, reason: reason, by: who)
        guard count > 0 else {
            throw LinkStatus(
                .notFound, "there is no valid certificate of \(role.rawValue) '\(request.name.prefix(64))'")
        }
        if role == .agent { await coordinator.remove(AgentID(request.name), reason: reason) }
        await disconnect(role, request.name, LinkStatus(.denied, "the certificate was revoked: \(reason)"))
        return .with { $0.certificates = UInt32(clamping: count) }
    }
}

extension Proto.SubmitRunRequest {
    /// What of a submission with the same key differs from this one, in a word; `nil` when it asks for the same.
    fileprivate func difference(from stored: [UInt8]) -> String? {
        guard let before = try? Proto.SubmitRunRequest(decoding: stored, limits: .large) else { return nil }
        if before.rerunOf != rerunOf || before.rerunFailed != rerunFailed {
            return "earlier run, or what of it is kept,"
        }
        if before.workflow != workflow { return "workflow" }
        if before.tree != tree { return "code" }
        if before.gates != gates { return "file of gates" }
        if before.eventName != eventName || before.eventJson != eventJson { return "event" }
        if before.untrusted != untrusted { return "trust" }
        return before.inputs != inputs || before.vars != vars ? "inputs or vars" : nil
    }
}

extension Proto.Baseline {
    init(_ record: BaselineRecord) {
        self.init()
        alias = record.alias
        run = record.run.number
        setBy = record.setBy
        setAt = record.setAt.nanoseconds
    }
}

extension Proto.Pool {
    init(_ pool: Pool) {
        self.init()
        name = pool.name
        allowUntrusted = pool.allowsUntrusted
    }
}

extension CoordinatorError {
    var status: LinkStatus {
        switch self {
        case .invalid(let text): LinkStatus(.invalid, text)
        case .notFound(let text): LinkStatus(.notFound, text)
        case .denied(let text): LinkStatus(.denied, text)
        case .conflict(let text): LinkStatus(.conflict, text)
        case .exhausted(let text): LinkStatus(.exhausted, text)
        case .store, .system: LinkStatus(.unavailable, "\(self)")
        }
    }
}
