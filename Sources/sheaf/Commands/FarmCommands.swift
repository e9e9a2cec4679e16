import Client
import CoordinatorService
import Glibc
import Model
import Transport
import Wire

/// What all commands that talk to a farm share.
enum Farming {
    /// For what needs a farm that goes on working.
    static let homeOptions: [Command.Option] = [
        .value("home", "FOLDER", "where your identity lies; $SHEAF_HOME or ~/.config/sheaf by default")
    ]

    /// For what only looks, which can be done where no farm runs, too.
    static let options: [Command.Option] =
        homeOptions + [
            .value("state", "FOLDER", "what sheaf run left; .sheaf/state by default where you have no identity")
        ]

    static func profile(_ arguments: Arguments) -> Profile {
        arguments.value("home").map { Profile(folder: $0) } ?? Profile.standard(Terminal.environment)
    }

    /// Connects to the farm that the words mean, or to what `sheaf run` left.
    static func connect(_ arguments: Arguments) async throws -> FarmClient {
        let connect = try door(arguments)
        return try await failing { () async throws(ClientError) in try await connect() }
    }

    /// What connects to that farm, once or many times.
    static func door(_ arguments: Arguments) throws -> @Sendable () async throws(ClientError) -> FarmClient {
        if let state = localState(arguments) {
            return { () async throws(ClientError) in try await LocalState.connect(state) }
        }
        let profile = profile(arguments)
        let loop = try loop()
        return { () async throws(ClientError) in try await FarmClient.connect(profile, on: loop) }
    }

    /// The folder of `sheaf run` that is meant; `nil` when a farm is.
    static func localState(_ arguments: Arguments) -> String? {
        guard arguments.knows("state") else { return nil }
        if let state = arguments.value("state") { return Commands.absolute(state) }
        let standard = Commands.absolute(LocalState.standard)
        guard arguments.value("home") == nil, !profile(arguments).exists, LocalState.exists(standard) else {
            return nil
        }
        return standard
    }

    /// The name that the farm's runs have at code hosts, once it was connected to: the first digits of its authority's
    /// fingerprint.
    static func farm(_ arguments: Arguments) throws(ClientError) -> String {
        let profile = localState(arguments).map(LocalState.profile) ?? profile(arguments)
        return CodeHosts.farmName(try profile.load().identity.authority.fingerprint)
    }

    static func loop() throws(ClientError) -> EventLoop {
        do { return try EventLoop(name: "sheaf-client") } catch { throw ClientError("no event loop: \(error)") }
    }

    /// A refusal is the user's mistake, everything else the farm's fault.
    static func failing<Answer>(_ body: () async throws(ClientError) -> Answer) async throws -> Answer {
        do throws(ClientError) { return try await body() } catch { throw failure(error) }
    }

    static func failure(_ error: ClientError) -> CommandFailure {
        CommandFailure(error.problem, help: error.help, exitCode: error.isRefusal ? .usage : .farm)
    }

    static func call<Method: ProtoMethod & SendableMetatype>(
        _ arguments: Arguments, _: Method.Type, _ request: Method.Request
    ) async throws -> Method.Response {
        let client = try await connect(arguments)
        return try await failing { () async throws(ClientError) in try await client.call(Method.self, request) }
    }
}

/// `r17`, `r17/eval`, `r17/eval/eval_3_11`, `r17/eval/eval_3_11/2`: a run, or a part of it. Positions, as the farm and its agents
/// write them, do as well: `r17/0/3/2#1`, where `#1` is the first attempt.
struct PartName {
    var run: RunID
    var job = ""
    var cell = ""
    var shard: UInt32?
    var attempt: UInt32?

    init(_ text: String) throws {
        var parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard let run = RunID(parts[0]), parts.count <= 4, !parts.contains("") else {
            throw UsageError(
                "'\(text)' names no run", help: "write r17, r17/JOB, r17/JOB/CELL or r17/JOB/CELL/SHARD")
        }
        self.run = run
        if parts.count > 3, let mark = parts[3].lastIndex(of: "#") {
            guard let number = UInt32(parts[3][mark...].dropFirst()), number > 0 else {
                throw UsageError("'\(parts[3])' names no attempt", help: "attempts count from 1: r17/JOB/CELL/0#1")
            }
            attempt = number
            parts[3] = String(parts[3][..<mark])
        }
        if parts.count > 1 { job = parts[1] }
        if parts.count > 2 { cell = parts[2] }
        if parts.count > 3 {
            guard let number = UInt32(parts[3]) else {
                throw UsageError("'\(parts[3])' is no shard", help: "shards count from 0")
            }
            shard = number
        }
    }
}

extension RunID {
    /// The run that a command takes as a whole: a part of one is a mistake, not a run.
    init(whole text: String) throws {
        let part = try PartName(text)
        guard part.job.isEmpty else {
            throw UsageError(
                "'\(text)' names a part of \(part.run), and this is about whole runs", help: "write \(part.run)")
        }
        self = part.run
    }
}

extension Commands {
    static let enrol = Command(
        name: "enrol", summary: "turn a token file into your identity",
        discussion: """
            The key is made here and never leaves this machine. The farm's authority is compared with the token's
            fingerprint before the token is sent.

              sheaf enrol --token-file alice.token
            """,
        options: [
            .value("token-file", "FILE", "what an admin gave you (sheaf token create)"),
            .flag("replace", "an identity that is there already is replaced"),
        ] + Farming.homeOptions,
        run: { arguments in
            let profile = Farming.profile(arguments)
            let text = try Files.read(try arguments.required("token-file"), bytesMax: EnrolmentToken.fileBytesMax)
            let (identity, address) = try await Farming.failing { () async throws(ClientError) in
                try await Enrolling.enrol(
                    tokenFile: String(decoding: text, as: UTF8.self), as: [.user, .admin], into: profile,
                    replacing: arguments.has("replace"))
            }
            let team = identity.principal.team.map { ", team \($0)" } ?? ""
            Terminal.print(
                "you are \(identity.principal.role.rawValue) \(identity.principal.name)\(team) at \(address), "
                    + "until \(identity.certificate.notAfter.utc)")
            return .passed
        })

    static let agents = Command(
        name: "agents", summary: "list the farm's agents",
        discussion: """
            What each has, whether it is there, and how many attempts it works on.

              sheaf agents
              sheaf agents --format json
            """,
        options: [.value("format", "FORMAT", "text or json")] + Farming.homeOptions,
        run: { arguments in
            let format = try arguments.choice("format", of: ["text", "json"])
            let answer = try await Farming.call(arguments, Proto.Farm.ListAgents.self, .init())
            format == "json"
                ? Terminal.write(AgentText.json(answer.agents)) : Terminal.print(AgentText.text(answer.agents))
            return .passed
        })

    static let agentsDrain = Command(
        name: "agents drain", summary: "let an agent finish what it has, and give it nothing new",
        discussion: """
            Admins only. What the agent works on is finished; agents undrain gives it work again.

              sheaf agents drain gpu-3 --reason "new driver"
            """,
        operands: [.init(name: "NAME", help: "the agent")],
        options: [.value("reason", "TEXT", "shown to whoever asks why")] + Farming.homeOptions,
        run: { try await drain($0, undo: false) })

    static let agentsUndrain = Command(
        name: "agents undrain", summary: "give a drained agent work again",
        discussion: """
            Admins only.

              sheaf agents undrain gpu-3
            """,
        operands: [.init(name: "NAME", help: "the agent")], options: Farming.homeOptions,
        run: { try await drain($0, undo: true) })

    static let agentsRemove = Command(
        name: "agents remove", summary: "take an agent's certificates away: what it works on goes elsewhere",
        discussion: """
            Admins only. The same as sheaf revoke --role agent; agents drain lets it finish first.

              sheaf agents remove gpu-3 --reason "sold"
            """,
        operands: [.init(name: "NAME", help: "the agent")],
        options: [.value("reason", "TEXT", "told to the agent and kept in the record")] + Farming.homeOptions,
        run: { arguments in try await revoke(arguments, role: "agent", name: arguments.operands[0]) })

    private static func revoke(_ arguments: Arguments, role: String, name: String) async throws -> ExitCode {
        let answer = try await Farming.call(
            arguments, Proto.Farm.Revoke.self,
            .with {
                $0.role = role
                $0.name = name
                $0.reason = arguments.value("reason") ?? ""
            })
        Terminal.print("revoked: \(Spelling.counted(Int(answer.certificates), "certificate"))")
        return .passed
    }

    private static func drain(_ arguments: Arguments, undo: Bool) async throws -> ExitCode {
        let answer = try await Farming.call(
            arguments, Proto.Farm.DrainAgent.self,
            .with {
                $0.name = arguments.operands[0]
                $0.undo = undo
                $0.reason = arguments.value("reason") ?? ""
            })
        Terminal.print(AgentText.text(answer.agent.map { [$0] } ?? []))
        return .passed
    }

    static let tokenCreate = Command(
        name: "token create", summary: "make a token file that is good for one enrolment",
        discussion: """
            Admins only. Whoever has the file can enrol once, under the name that you give here.

              sheaf token create --role agent --name gpu-3 --output gpu-3.token
            """,
        options: [
            .value("role", "ROLE", "user, agent or admin"), .value("name", "NAME", "whom the certificate names"),
            .value("team", "TEAM", "the bearer's team"),
            .value("valid", "SECONDS", "until it is used; 3600 by default"),
            .value("output", short: "o", "FILE", "of mode 0600; standard output by default"),
        ] + Farming.homeOptions,
        run: { arguments in
            let validity = try arguments.number("valid", in: 1...2_592_000) ?? 0
            let request = Proto.CreateTokenRequest.with {
                $0.role = arguments.value("role") ?? ""
                $0.name = arguments.value("name") ?? ""
                $0.team = arguments.value("team") ?? ""
                $0.validS = UInt32(validity)
            }
            guard !request.role.isEmpty, !request.name.isEmpty else {
                throw UsageError(
                    "--role and --name are needed", help: "sheaf token create --role agent --name gpu-3")
            }
            if let path = arguments.value("output"), access(path, F_OK) == 0 {
                throw UsageError(
                    "\(path) exists, and may hold a token that nobody has used yet",
                    help: "name another file, or remove that one")
            }
            let answer = try await Farming.call(arguments, Proto.Farm.CreateToken.self, request)
            guard let path = arguments.value("output") else {
                Terminal.write(Array(answer.tokenFile.utf8))
                return .passed
            }
            do { try PrivateFile.write(answer.tokenFile, to: path) } catch {
                throw CommandFailure("\(path): \(error)", exitCode: .usage)
            }
            return .passed
        })

    static let revoke = Command(
        name: "revoke", summary: "take away the certificates of a person or an agent",
        discussion: """
            Admins only. Connections of the bearer end at once; an agent's attempts are tried elsewhere.

              sheaf revoke --role agent --name gpu-3 --reason "sold"
            """,
        options: [
            .value("role", "ROLE", "user, agent or admin"), .value("name", "NAME", "whom the certificates name"),
            .value("reason", "TEXT", "told to the bearer and kept in the record"),
        ] + Farming.homeOptions,
        run: { arguments in
            try await revoke(
                arguments, role: try arguments.required("role"), name: try arguments.required("name"))
        })

    static let baselineSet = Command(
        name: "baseline set", summary: "give a run a name that gates compare with",
        discussion: """
            A run that has a name is also a baseline of the branch that its commit is on, whatever it came to.

              sheaf baseline set champion r17
              sheaf baseline set smaller-model r23 --because "half the size for two points: #31"
            """,
        operands: [
            .init(name: "ALIAS", help: "the name"), .init(name: "RUN", help: "a run that passed, or was waived"),
        ],
        options: [
            .value("because", "WHY", "why one that did not pass is one all the same; kept in the audit log")
        ] + Farming.options,
        run: { arguments in
            let run = try RunID(whole: arguments.operands[1])
            let answer = try await Farming.call(
                arguments, Proto.Farm.SetBaseline.self,
                .with {
                    $0.alias = arguments.operands[0]
                    $0.run = run.number
                    $0.because = arguments.value("because") ?? ""
                })
            Terminal.print("\(answer.alias) is r\(answer.run)")
            return .passed
        })

    static let baselineShow = Command(
        name: "baseline show", summary: "list the names that gates compare with",
        discussion: """
              sheaf baseline show
              sheaf baseline show champion
            """,
        operands: [.init(name: "ALIAS", help: "only this one", isOptional: true)],
        options: [.value("format", "text|json", "how to show it")] + Farming.options,
        run: { arguments in
            let format = try arguments.choice("format", of: ["text", "json"])
            let answer = try await Farming.call(
                arguments, Proto.Farm.ShowBaseline.self, .with { $0.alias = arguments.operand(0) ?? "" })
            if format == "json" {
                Terminal.write(StatusText.json(answer.baselines))
                return .passed
            }
            if answer.baselines.isEmpty { Terminal.print("there are no baselines") }
            for baseline in answer.baselines {
                let at = Instant(nanoseconds: baseline.setAt).utc
                Terminal.print("\(baseline.alias)  r\(baseline.run)  set by \(baseline.setBy) at \(at)")
            }
            return .passed
        })
}
