import Artifacts
import Expressions
import Glibc
import Model
import Transport
import Wire

/// The action whose steps run now.
struct ActionFrame: Sendable {
    /// Where its files lie.
    var folder: String
    /// What the step that uses it sets, and those around that one.
    var environment: [CommandFile.Entry]
    /// When the time of the step that uses it is over.
    var deadline: Instant?
    var failure: Cause?
}

/// What is done after a job's steps.
struct Post: Sendable {
    enum Work: Sendable {
        case node(file: String, environment: [CommandFile.Entry])
        case saveCache(CacheWish)
    }

    var name: String
    /// The text of an `if`.
    var condition: String
    var contexts: AttemptContexts
    var work: Work
}

/// Actions of the code tree and of other repositories: steps of their own, or a program for Node.js.
extension AttemptDriver {
    func run(
        _ local: LocalAction, _ given: [Template], _ step: Step, _ index: Int, name: String, own: [CommandFile.Entry]
    ) async throws -> Made {
        guard let place else { throw AgentError.cancelled }
        let where_ = Self.place(step, index)
        var root = place.folder.workspace
        if let source = local.source { root = try await unpack(source) }
        let folder = root + (local.path.isEmpty ? "" : "/" + local.path)
        guard local.source != nil || ["action.yml", "action.yaml"].contains(where: { Files.exists(folder + "/" + $0) })
        else {
            throw AgentError.user("\(where_): './\(local.path)' is not in the workspace: check the code out before it")
        }
        let inputs = try inputs(of: local, given, where_, own: own)
        let limit = try timeout(of: step, where_, own: own)
        switch local.body {
        case .steps(let steps, let outputs):
            return try await run(steps, outputs, in: folder, inputs, limit: limit, own: own)
        case .node(let program):
            return try await run(program, in: folder, inputs, limit: limit, name: name, own: own)
        }
    }

    /// The files of another repository, for this attempt alone: what it does to them, no other sees.
    ///
    /// - Returns: the folder that they lie in.
    private func unpack(_ source: ActionSource) async throws -> String {
        guard let place else { throw AgentError.cancelled }
        let folder = "\(place.folder.actions)/\(source.repository.lowercased())/\(source.commit)"
        guard !unpackedActions.contains(folder) else { return folder }
        let below = String(folder.dropFirst(place.folder.path.count + 1))
        let owner = place.account.map { Owner(user: $0.user, group: $0.group) }
        // An earlier step may have put something in its place: through no link.
        let root = try Folder(at: place.folder.path).subfolder(below, creating: true, owner: owner)
        let transfer = transfer
        _ = try await farm {
            let object = try await transfer.reference(to: source.tree, of: source.tree)
            return try await transfer.download(object, into: root, existing: .replace, owner: owner)
        }
        unpackedActions.insert(folder)
        return folder
    }

    /// A step's own limit, and no longer than what is left to the action around it.
    func timeout(of step: Step, _ place: String, own: [CommandFile.Entry]) throws(AgentError) -> Duration? {
        let own = try contexts.timeout(of: step, place, own: own)
        guard let deadline = action?.deadline else { return own }
        let left = max(.milliseconds(1), Clock.monotonic().duration(to: deadline))
        return own.map { min($0, left) } ?? left
    }

    private func inputs(
        of local: LocalAction, _ given: [Template], _ place: String, own: [CommandFile.Entry]
    ) throws(AgentError) -> [Value.Member] {
        var inputs: [Value.Member] = []
        for input in local.inputs {
            let text = given.last { CaseFolding.equal($0.name, input.name) }?.text ?? input.fallback ?? ""
            inputs.append(
                .init(input.name, .string(try contexts.text(of: text, "with.\(input.name) of \(place)", own: own))))
        }
        return inputs
    }

    private func run(
        _ steps: [Step], _ outputs: [Template], in folder: String, _ inputs: [Value.Member], limit: Duration?,
        own: [CommandFile.Entry]
    ) async throws -> Made {
        let (outerAction, outerContexts) = (action, contexts)
        action = ActionFrame(
            folder: folder, environment: own,
            deadline: limit.map { Clock.monotonic().advanced(by: $0) })
        contexts = contexts.inside(inputs: inputs, folder: folder)
        for (index, step) in steps.enumerated() { await take(step, index) }
        let inner = contexts
        var made = Made()
        made.failure = action?.failure
        action = outerAction
        contexts = outerContexts
        contexts.leave(inner)
        for output in outputs {
            made.outputs.append(
                CommandFile.Entry(
                    name: output.name, value: try inner.text(of: output.text, "the output '\(output.name)'", own: own)))
        }
        return made
    }

    private func run(
        _ program: LocalAction.NodeProgram, in folder: String, _ inputs: [Value.Member], limit: Duration?,
        name: String, own: [CommandFile.Entry]
    ) async throws -> Made {
        var variables = own
        for input in inputs {
            let key = "INPUT_" + input.key.replacing(" ", with: "_").uppercased()
            variables.append(CommandFile.Entry(name: key, value: input.value.string ?? ""))
        }
        let inner = contexts.inside(inputs: inputs, folder: folder)
        let made = try await node(folder + "/" + program.main, in: folder, variables, limit: limit, name: name)
        if let post = program.post {
            let state = made.state.map { CommandFile.Entry(name: "STATE_" + $0.name, value: $0.value) }
            posts.append(
                Post(
                    name: "Post \(name)", condition: program.postCondition ?? "always()", contexts: inner,
                    work: .node(file: folder + "/" + post, environment: variables + state)))
        }
        return made
    }

    private func node(
        _ file: String, in folder: String, _ variables: [CommandFile.Entry], limit: Duration?, name: String
    ) async throws -> Made {
        guard let place else { throw AgentError.cancelled }
        stepsRun += 1
        let files = try CommandFiles(in: place.folder, number: stepsRun)
        let outer = action
        action = ActionFrame(folder: folder, environment: [], deadline: outer?.deadline)
        let environment = environment(own: variables, commandFiles: files.variables)
        action = outer
        return try await execute(
            ["node", file], files, environment, in: place.folder.workspace, timeout: limit, name: name)
    }

    // MARK: Afterwards

    /// Does what actions have left for the end, the last first.
    func runPosts() async {
        while let post = posts.popLast() {
            haltIfStopped()
            guard !isOver else { return }
            var inner = post.contexts
            inner.status = contexts.status
            inner.environment = contexts.environment
            let began = Instant.wallClock()
            let cpuBefore = cpuSoFar
            var result = AttemptContexts.Finished(outcome: .skipped, conclusion: .skipped, outputs: [])
            var exitCode: Int?
            do {
                guard try inner.holds(post.condition, "post-if of \(post.name)") else { continue }
                output.say("step: \(post.name)")
                output.beginStep()
                switch post.work {
                case .saveCache(let wish): try await save(wish)
                case .node(let file, let environment):
                    let made = try await node(
                        file, in: file.parentPath, environment, limit: nil, name: post.name)
                    exitCode = made.exitCode
                    if let cause = made.failure { throw AgentError.ended(cause) }
                }
                result.outcome = .success
                result.conclusion = .success
            } catch {
                let cause = Self.cause(of: error)
                result.outcome = .failure
                result.conclusion = .failure
                output.say("failed: \(cause.evidence)")
                switch post.work {
                // What is not kept is made again.
                case .saveCache: output.note("warning", "\(post.name): nothing was kept: \(cause.evidence)")
                case .node: fail(cause)
                }
            }
            tell(post.name, result, began, exitCode: exitCode, cpuBefore: cpuBefore)
        }
    }
}
