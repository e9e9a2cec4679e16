import AgentService
import Client
import CoordinatorService
import Glibc
import Model
import Reporting
import Scheduling
import Storage
import Transport
import Wire
import Workflows

extension Commands {
    static let run = Command(
        name: "run", summary: "run a workflow on this machine: a whole farm in one process",
        discussion: """
            Coordinator, agent and store live in this process and talk over mutual TLS on loopback. The same file gives the
            same verdict as on a farm. State is kept: sheaf run later finds its baselines and its environments.

              sheaf run docs/examples/iris/eval.yml --tree docs/examples/iris --input trees=10
            """,
        operands: [.init(name: "FILE", help: "the workflow")],
        options: [
            .value("state", "FOLDER", "\(LocalState.standard) by default"),
            .value("cpus", "N", "use at most so many cores"), .value("memory", "SIZE", "use at most so much: 64GiB"),
            .value("disk", "SIZE", "let attempts' files take at most so much"),
            .value("disk-free", "SIZE", "refuse to run with less free on the disk of the state; 1GiB by default"),
            .value("label", "LABEL", repeats: true, "what runs-on can name, beside self-hosted, linux, gpu"),
            .value("pass-env", "NAME", repeats: true, "a variable of this process that every step gets: PIP_INDEX_URL"),
            secretsOption,
            .value("step-user", "USER", "run all attempts as this user (as root; a user per attempt by default)"),
            .flag("same-user", "run steps as you, also as root"),
            .flag("shared-gpus", "use GPUs also where programs of others compute on them"),
            .value(
                "show", "FOLDER", repeats: true,
                "a folder below /tmp or a closed one that steps see all the same, where users are changed"),
            .value("baseline", "ALIAS", "when the run passes, gates compare with it under this name from now on"),
            withBaseline, .value("key", "KEY", "16 to 64 characters; the same key is the same run"),
        ] + containerOptions + actionOptions + submissionOptions,
        run: { arguments in
            guard let submission = try submission(arguments) else { return .usage }
            let signals = Signals.stream([SIGINT, SIGTERM])
            let state = absolute(arguments.value("state") ?? LocalState.standard)
            let home = try await LocalFarm.start(state, arguments)
            defer { home.agentTask.cancel() }
            let client = try await Farming.failing { () async throws(ClientError) in
                try await FarmClient.connect(to: home.address, as: home.person, on: home.loop)
            }
            try home.refuse(submission.plan)
            try await tellOpenRuns(client, state)
            let follow = { (run: RunID) in
                let following = Following(
                    run: run,
                    connect: { () async throws(ClientError) in
                        try await FarmClient.connect(to: home.address, as: home.person, on: home.loop)
                    }, comeBack: nil)
                return try await following.follow(signals)
            }
            if arguments.has("with-baseline"),
                let ended = try await runBaselines(submission, arguments, client, follow: follow)
            {
                await home.stop()
                return ended
            }
            guard let run = try await submit(submission, arguments, state: state, to: client) else {
                await home.stop()
                return .usage
            }
            Terminal.complain("\(run) is on its way, in \(state)")
            let code = try await follow(run)
            if code == .passed, let alias = arguments.value("baseline") {
                _ = try await Farming.failing { () async throws(ClientError) in
                    try await client.call(
                        Proto.Farm.SetBaseline.self,
                        .with {
                            $0.alias = alias
                            $0.run = run.number
                        })
                }
                Terminal.complain("baseline \(alias) is \(run)")
            } else if let alias = arguments.value("baseline") {
                Terminal.complain("baseline \(alias) is not \(run), which did not pass")
            }
            await home.stop()
            let named = arguments.value("state").map { " --state \($0)" } ?? ""
            Terminal.complain("look closer: sheaf explain \(run)\(named) · logs · artifacts ls · report --format html")
            return code
        })

    /// A `sheaf run` that was killed leaves its run open; it is worked on again, which should surprise nobody.
    private static func tellOpenRuns(_ client: FarmClient, _ state: String) async throws {
        let runs = try await Farming.failing { () async throws(ClientError) in try await LocalState.openRuns(client) }
        for run in runs {
            Terminal.complain(
                "r\(run.run) (\(PlainText.line(run.name))) of \(Instant(nanoseconds: run.submittedAt).utc) was not finished "
                    + "and goes on beside this one; to end it: sheaf cancel r\(run.run) --state \(state)")
        }
    }
}

/// A coordinator and an agent in this process.
struct LocalFarm: Sendable {
    let server: CoordinatorServer
    let agentTask: Task<Void, any Error>
    let address: Address
    let person: Identity
    let loop: EventLoop
    let capacity: Capacity

    static func start(_ state: String, _ arguments: Arguments) async throws -> LocalFarm {
        let server: CoordinatorServer
        let person: Identity
        let actions = try Commands.actionRules(arguments)
        do {
            (server, person) = try await LocalState.serve(state, actions: actions)
        } catch let error as StorageError {
            // Another sheaf run there, or a folder that is none: the caller's to mend.
            throw CommandFailure("the farm in \(state) cannot start: \(error)", exitCode: .usage)
        } catch let error as CertificateError {
            throw CommandFailure("the farm in \(state) cannot start: \(error)", exitCode: .usage)
        } catch {
            throw CommandFailure("the farm in \(state) cannot start: \(error)")
        }
        do {
            try await server.set(LocalState.pool)
            let identity = try await server.makeIdentity(for: Principal(role: .agent, name: "local"))
            var settings = try Commands.agentSettings(
                arguments, identity, server.addresses[0], home: state + "/agent", work: state + "/agent/work")
            if let closed = settings.accounts.closedFolder(above: settings.workFolder) {
                Terminal.complain(
                    "note: steps run as root, for users of their own could not pass \(closed) on the way to their folders"
                )
                settings.accounts = .own
            }
            let agent = try await Agent.make(settings, tell: { _ in })
            if let shortage = settings.diskShortage {
                throw CommandFailure(
                    shortage, help: "free some, name another disk with --state, or less with --disk-free 100MiB",
                    exitCode: .usage)
            }
            return LocalFarm(
                server: server, agentTask: Task { try await agent.run() }, address: server.addresses[0],
                person: person, loop: try Farming.loop(), capacity: agent.capacity)
        } catch let error as UsageError {
            await server.stop()
            throw error
        } catch let error as CommandFailure {
            await server.stop()
            throw error
        } catch {
            await server.stop()
            throw CommandFailure("the agent cannot start: \(error)")
        }
    }

    /// Names everything that a cell needs and this machine has not, before anything starts.
    func refuse(_ plan: Plan) throws {
        var farm = Farm(seed: 0)
        var effects: [Farm.Effect] = []
        farm.handle(
            .agentJoined(AgentID("local"), team: nil, capacity: capacity, holds: []), at: .epoch, into: &effects)
        // Whose code it is, whoever runs it here has decided.
        farm.handle(.agentPooled(AgentID("local"), LocalState.pool), at: .epoch, into: &effects)
        var problems: [String] = []
        for cell in plan.jobs.flatMap({ $0.cells ?? [] }) where cell.skipped == nil {
            let unmet = farm.allUnmet(cell, isUntrusted: plan.untrusted != nil)
            if !unmet.isEmpty { problems.append("\(cell.name): \(unmet.joined(separator: "; "))") }
        }
        guard problems.isEmpty else {
            // What is missing decides what helps: a label can be given, an interpreter or a GPU cannot.
            let lacks = { (label: String) in problems.contains { $0.contains("no agent has label \(label)") } }
            let lacksSecret = lacks(SecretName.labelStart)
            let help =
                (lacksSecret ? "--secrets FILE gives steps what they read by ${{ secrets.NAME }}; " : "")
                + (!lacksSecret && lacks("") ? "--label NAME gives this machine a label; " : "")
                + "a farm has more machines: sheaf submit"
            throw CommandFailure(
                "this machine cannot run \(Spelling.counted(problems.count, "cell")):\n  "
                    + problems.prefix(20).joined(separator: "\n  "),
                help: help, exitCode: .usage)
        }
    }

    func stop() async {
        agentTask.cancel()
        // Its error was told by the run's own end.
        _ = try? await agentTask.value
        await server.stop()
    }
}
