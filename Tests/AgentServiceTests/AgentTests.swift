import Artifacts
import Glibc
import Locks
import Model
import Testing
import Transport
import Wire

@testable import AgentService

@Suite(.timeLimit(.minutes(10)), .serialized) struct `An agent and its farm` {
    private let folder = Folder()

    private final class Folder: Sendable {
        let path: String
        init() {
            var template = Array("/tmp/sheaf-agent-test-XXXXXX".utf8CString)
            precondition(mkdtemp(&template) != nil, "no temporary folder")
            path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        deinit { Files.removeTree(path) }
    }

    private var spool: String { folder.path + "/spool" }

    private func agent(
        _ foreman: Foreman, cpus: Int = 2, identity: Identity? = nil, kept: Kept? = nil,
        logFirstMax: Duration = .seconds(20), endsWhereUnknown: Bool = false,
        tell: @escaping @Sendable (AgentEvent) -> Void = { _ in }
    ) async throws -> Agent {
        var settings = AgentSettings(
            address: foreman.farm.server.addresses[0], identity: identity ?? foreman.farm.agent,
            workFolder: folder.path + "/work",
            spoolFolder: spool, accounts: .own)
        settings.cpus = cpus
        settings.logFirstMax = logFirstMax
        settings.endsWhereUnknown = endsWhereUnknown
        settings.keepIdentity = { identity in kept?.identities.withLock { $0.append(identity) } }
        return try await Agent.make(settings, tell: tell)
    }

    private func offer(_ run: UInt64, cpus: UInt32 = 1, _ script: String) -> Proto.ToAgent {
        let attempt = AttemptID(shard: ShardID(run: RunID(run), job: 0, cell: 0, shard: 0), number: 1)
        return .with {
            $0.kind = .offer(
                .with {
                    $0.leaseMs = 60_000
                    $0.assignment = .with {
                        $0.attempt = Proto.AttemptRef(attempt)
                        $0.jobId = "eval"
                        $0.cellId = "eval"
                        $0.work = Proto.JobWork(JobWork(steps: [AgentServiceTests.run(script)]))
                        $0.resources = .with { $0.cpus = cpus }
                    }
                })
        }
    }

    @Test func `joins, works, declines what is too much, beats, and is forgotten`() async throws {
        let foreman = try await Foreman()
        let agent = try await agent(foreman)
        let running = Task { try await agent.run() }
        let (joined, stream) = try await foreman.joined()
        #expect(joined.capacity?.cpus == 2)
        #expect(joined.holds.isEmpty && !joined.incarnation.isEmpty)
        try await stream.send(offer(1, cpus: 2, "echo working; exec sleep 1000"))
        let started = try await foreman.next { if case .said(.started(let started)) = $0 { started } else { nil } }
        #expect(started.attempt?.run == 1)
        try await stream.send(offer(2, "echo too much"))
        let declined = try await foreman.next { if case .said(.declined(let declined)) = $0 { declined } else { nil } }
        #expect(declined.attempt?.run == 2)
        #expect(declined.reason == "2 of 2 cores are in use")
        let beat = try await foreman.next { if case .said(.heartbeat(let beat)) = $0 { beat } else { nil } }
        #expect(beat.running.map(\.run) == [1])
        #expect(beat.diskFree > 0)
        try await stream.send(
            Proto.ToAgent.with {
                $0.kind = .cancel(
                    .with {
                        $0.attempt = started.attempt
                        $0.reason = "somebody cancelled the run"
                    })
            })
        let report = try await foreman.reported()
        #expect(report.cause == "cancelled" && report.evidence == "somebody cancelled the run")
        _ = try await foreman.next { event -> Bool? in
            if case .said(.heartbeat(let beat)) = event, beat.running.isEmpty { true } else { nil }
        }
        #expect(foreman.log.contains("cancelled: somebody cancelled the run"))
        running.cancel()
        try await running.value
    }

    @Test func `that leaves takes back what it works on, tells the farm, and takes nothing more`() async throws {
        let foreman = try await Foreman()
        let agent = try await agent(foreman)
        let running = Task { try await agent.run() }
        let (_, stream) = try await foreman.joined()
        try await stream.send(offer(1, "trap '' TERM; echo working; while :; do sleep 1000; done"))
        try await foreman.logged("working")
        #expect(await !agent.leave(because: "the agent was stopped by SIGTERM"))
        // Its first attempt holds out until it is killed.
        try await stream.send(offer(2, "echo more"))
        let declined = try await foreman.next { if case .said(.declined(let declined)) = $0 { declined } else { nil } }
        #expect(declined.attempt?.run == 2 && declined.reason == "the agent is being stopped")
        let report = try await foreman.reported()
        #expect(report.cause == "preempted" && report.evidence == "the agent was stopped by SIGTERM")
        // By itself, once the farm has the report.
        try await running.value
    }

    @Test func `a report is repeated until the farm has it, over lost connections and full disks`() async throws {
        var settings = Foreman.Settings()
        settings.droppedReports = 1
        settings.refusedReports = 1
        let foreman = try await Foreman(settings)
        let agent = try await agent(foreman)
        let running = Task { try await agent.run() }
        let (_, stream) = try await foreman.joined()
        try await stream.send(offer(1, "echo done; exit 3"))
        let (again, _) = try await foreman.joined()
        #expect(again.holds.map(\.run) == [1], "an agent names what it holds when it comes back")
        let report = try await foreman.reported()
        #expect(report.cause == "user_exit" && report.code == 3)
        running.cancel()
        try await running.value
    }

    /// An agent's life that ends with a report and a log that nobody took.
    private func unheard(_ script: String) async throws {
        var settings = Foreman.Settings()
        settings.isDeaf = true
        let deaf = try await Foreman(settings)
        let ended = AsyncStream.makeStream(of: Void.self)
        let agent = try await agent(deaf) { if case .attemptEnded = $0 { ended.continuation.finish() } }
        let running = Task { try await agent.run() }
        let (_, stream) = try await deaf.joined()
        try await stream.send(offer(1, script))
        for await _ in ended.stream {}
        running.cancel()
        try await running.value
    }

    @Test func `a report and its log outlive the agent that made them, the log first`() async throws {
        try await unheard("seq 1 20000; echo last words; exit 4")
        let path = spool + "/r1-0-0-0-1.log"
        let kept = try Files.read(path, bytesMax: 64 << 20)
        // As if the agent had been killed while it wrote.
        try Files.write(kept + Array("1234567890 o half a li".utf8), to: path)
        let foreman = try await Foreman()
        let agent = try await agent(foreman)
        let running = Task { try await agent.run() }
        let (joined, _) = try await foreman.joined()
        #expect(joined.holds.map(\.run) == [1])
        let report = try await foreman.reported()
        #expect(report.code == 4)
        #expect(foreman.log == String(decoding: kept, as: UTF8.self), "the whole log, whole lines, before the report")
        #expect(report.logBytes == UInt64(kept.count))
        running.cancel()
        try await running.value
    }

    private var kept: String { spool + "/r1-0-0-0-1.results" }

    /// No farm is needed for an attempt to end: what its report names waits beside it.
    @Test func `metrics outlive the agent that took them, and are forgotten once the farm has them`() async throws {
        try await unheard("echo '{\"accuracy\": 1}' > $SHEAF_METRICS; echo words > $GITHUB_STEP_SUMMARY")
        #expect(Files.names(in: kept).count == 2)
        let foreman = try await Foreman()
        let agent = try await agent(foreman)
        let running = Task { try await agent.run() }
        let (_, stream) = try await foreman.joined()
        let report = try await foreman.reported()
        #expect(report.cause == "passed", "\(report.evidence)")
        #expect(try foreman.farm.objects.text(report.metrics) == "{\"accuracy\": 1}\n")
        #expect(try foreman.farm.objects.text(report.summary) == "words\n")
        // An offer's work shows that the agent has gone on.
        try await stream.send(offer(2, "true"))
        _ = try await foreman.reported()
        #expect(!Files.exists(kept))
        running.cancel()
        try await running.value
    }

    @Test(arguments: [true, false])
    func `metrics that its disk has lost make an attempt the agent's fault`(isThere: Bool) async throws {
        try await unheard("echo '{\"accuracy\": 1}' > $SHEAF_METRICS")
        for name in Files.names(in: kept) {
            if isThere { try Files.write("{}", to: kept + "/" + name) } else { Files.remove(kept + "/" + name) }
        }
        let farm = Foreman.Settings(refusesUnknownObjects: true)
        let foreman = try await Foreman(farm)
        let agent = try await agent(foreman)
        let running = Task { try await agent.run() }
        let report = try await foreman.reported()
        #expect(report.cause == "agent_fault" && report.metrics == nil, "\(report.evidence)")
        running.cancel()
        try await running.value
    }

    /// What an agent was killed over came to nothing.
    @Test func `results without a report are removed`() async throws {
        try Files.makeFolder(kept, mode: 0o700)
        try Files.write("x", to: kept + "/new")
        let agent = try await agent(Foreman())
        #expect(!Files.exists(kept))
        withExtendedLifetime(agent) {}
    }

    @Test func `what an attempt said until its agent was killed is not lost`() async throws {
        try Files.makeFolder(spool, mode: 0o700)
        try Files.write("17 o epoch 1\n18 o epoch 2\n19 o epo", to: spool + "/r3-0-2-listing-2.log")
        try Files.write("no log of an attempt", to: spool + "/notes.log")
        let remarks = Mutex([String]())
        let foreman = try await Foreman()
        let agent = try await agent(foreman) { event in
            if case .remark(let text) = event { remarks.withLock { $0.append(text) } }
        }
        let running = Task { try await agent.run() }
        let (joined, stream) = try await foreman.joined()
        #expect(joined.holds.isEmpty, "nobody works on it any more")
        try await foreman.logged("the agent was ended while it worked on this attempt")
        #expect(foreman.log.hasPrefix("17 o epoch 1\n18 o epoch 2\n"))
        #expect(!foreman.log.contains("epo\n") && !foreman.log.contains("19 o"))
        #expect(remarks.withLock { $0.contains { $0.contains("notes.log is no log of an attempt") } })
        // The log is forgotten once the farm has it; an offer's work shows that the agent has gone on.
        try await stream.send(offer(1, "true"))
        #expect(try await foreman.reported().cause == "passed")
        #expect(!Files.exists(spool + "/r3-0-2-listing-2.log") && Files.exists(spool + "/notes.log"))
        running.cancel()
        try await running.value
    }

    @Test func `a report that the farm refuses for good becomes one that it can take, and the owner hears of it`()
        async throws
    {
        var settings = Foreman.Settings()
        settings.refusal = LinkStatus(.conflict, "the report names 5fd3, which the agent has not put")
        let remarks = Mutex([String]())
        let foreman = try await Foreman(settings)
        let agent = try await agent(foreman) { event in
            if case .remark(let text) = event { remarks.withLock { $0.append(text) } }
        }
        let running = Task { try await agent.run() }
        let (_, stream) = try await foreman.joined()
        try await stream.send(offer(1, "exit 3"))
        let report = try await foreman.reported()
        #expect(report.cause == "agent_fault" && report.artifacts.isEmpty && report.metrics == nil)
        #expect(
            report.evidence.hasPrefix(
                "the attempt ended as user_exit (3), and the farm refused its report: the report names"),
            "\(report.evidence)")
        #expect(remarks.withLock { $0.contains { $0.contains("does not take the report of r1/0/0/0#1") } })
        running.cancel()
        try await running.value
    }

    /// What an agent stores of itself.
    private final class Kept: Sendable { let identities = Mutex([Identity]()) }

    /// An agent's identity that ends in a moment.
    private func ending(in left: Duration, _ foreman: Foreman) throws -> Identity {
        try foreman.farm.authority.makeIdentity(
            for: Principal(role: .agent, name: "node7"), at: Instant.wallClock().advanced(by: left - .seconds(3_600)),
            validFor: .seconds(3_600))
    }

    @Test func `a certificate is renewed in time, and the agent comes back under the new one`() async throws {
        var settings = Foreman.Settings()
        settings.renews = true
        let foreman = try await Foreman(settings)
        let kept = Kept()
        let old = try ending(in: .seconds(600), foreman)
        let agent = try await agent(foreman, identity: old, kept: kept)
        let running = Task { try await agent.run() }
        let go = folder.path + "/go"
        mkfifo(go, 0o600)
        // It renews as soon as it has joined, and comes back under the new certificate.
        let (_, first) = try await foreman.joined()
        #expect(first.peer?.serial == old.certificate.serial)
        let (_, second) = try await foreman.joined()
        let renewed = try #require(kept.identities.withLock { $0.first })
        #expect(
            second.peer?.serial == renewed.certificate.serial && renewed.certificate.serial != old.certificate.serial)
        #expect(renewed.certificate.notAfter > old.certificate.notAfter && kept.identities.withLock { $0.count } == 1)
        try await second.send(offer(1, "read line < \(go)"))
        _ = try await foreman.next { if case .said(.started) = $0 { true } else { nil } }
        try Files.append("go\n", to: go)
        #expect(try await foreman.reported().cause == "passed")
        running.cancel()
        try await running.value
    }

    /// An agent at work whose certificate ends in a moment: a longer one each time that it ended before the agent had joined.
    private func atWorkUntilItsCertificateEnds(
        _ lost: AsyncStream<String>.Continuation
    ) async throws -> (foreman: Foreman, running: Task<Void, any Error>, stream: LinkStream) {
        for left in [3, 10, 40] as [Int64] {
            let foreman = try await Foreman()
            let agent = try await agent(foreman, identity: try ending(in: .seconds(left), foreman)) { event in
                if case .lost(let why) = event { lost.yield(why) }
            }
            let (ended, end) = AsyncStream.makeStream(of: Void.self)
            let running = Task {
                defer { end.finish() }
                try await agent.run()
            }
            let joined = try await withThrowingTaskGroup(of: LinkStream?.self) { group in
                group.addTask { try await foreman.joined().1 }
                group.addTask {
                    for await _ in ended {}
                    return nil
                }
                defer { group.cancelAll() }
                return try await group.next() ?? nil
            }
            if let joined { return (foreman, running, joined) }
        }
        throw CancellationError()
    }

    @Test func `a certificate that ends unrenewed ends no work, and no report is lost`() async throws {
        let losses = AsyncStream.makeStream(of: String.self)
        let (foreman, running, stream) = try await atWorkUntilItsCertificateEnds(losses.continuation)
        let go = folder.path + "/go"
        mkfifo(go, 0o600)
        try await stream.send(offer(1, "read line < \(go)"))
        _ = try await foreman.next { if case .said(.started) = $0 { true } else { nil } }
        // The connection ends with the certificate; then the agent's own attempts to connect fail.
        for await why in losses.stream where why.contains("expired on") { break }
        try Files.append("go\n", to: go)
        await #expect {
            try await running.value
        } throws: { error in
            "\(error)".contains("enrol it again with a new token")
        }
        let report = try Proto.AttemptReport(decoding: Files.read(spool + "/r1-0-0-0-1.report", bytesMax: 1 << 20))
        #expect(report.cause == "passed")
    }

    /// What is wrong with the farm's own certificate is no reason for an agent to end: its operator mends it.
    @Test func `a farm whose certificate has ended is come back to once it has another`() async throws {
        var settings = Foreman.Settings()
        settings.certificateLeft = .seconds(3)
        let foreman = try await Foreman(settings)
        let losses = AsyncStream.makeStream(of: String.self)
        let agent = try await agent(foreman) { event in
            if case .lost(let why) = event { losses.continuation.yield(why) }
        }
        let running = Task { try await agent.run() }
        // The connection ends with the certificate; then, idle as it is, the agent tries again and again. One that is slow to
        // join has never had a connection.
        var refused = 0
        for await why in losses.stream where why.contains("the other side's certificate expired on") {
            refused += 1
            if refused == 3 { break }
        }
        let main = Principal(role: .coordinator, name: "main")
        try await foreman.farm.server.use(foreman.farm.authority.makeIdentity(for: main))
        while true {
            let (_, stream) = try await foreman.joined()
            if (try? await stream.send(offer(1, "true"))) != nil { break }
        }
        #expect(try await foreman.reported().cause == "passed")
        running.cancel()
        try await running.value
    }

    /// A farm that takes no logs until it is let go.
    private func slowToLog() async throws -> (foreman: Foreman, letGo: AsyncStream<Void>.Continuation) {
        let (held, hold) = AsyncStream.makeStream(of: Void.self)
        var settings = Foreman.Settings()
        settings.logsAfter = Task { for await _ in held {} }
        return (try await Foreman(settings), hold)
    }

    /// Offers work that says something, and has its report taken before its log; then the farm has forgotten the attempt.
    private func reportFirst(_ foreman: Foreman) async throws {
        let (_, stream) = try await foreman.joined()
        try await stream.send(offer(1, "seq 1 1000; echo the last word"))
        let report = try await foreman.reported()
        try await stream.send(
            Proto.ToAgent.with { $0.kind = .forget(.with { $0.attempt = report.attempt }) })
        _ = try await foreman.next { event -> Bool? in
            if case .said(.heartbeat(let beat)) = event, beat.running.isEmpty { true } else { nil }
        }
        #expect(foreman.log.isEmpty)
    }

    @Test func `a log that is slower than its report is sent all the same`() async throws {
        let (foreman, letGo) = try await slowToLog()
        let agent = try await agent(foreman, logFirstMax: .zero)
        let running = Task { try await agent.run() }
        try await reportFirst(foreman)
        #expect(!Files.exists(spool + "/r1-0-0-0-1.report"))
        letGo.finish()
        try await foreman.logged(" o the last word\n")
        #expect(foreman.log.contains(" o 1\n"))
        while Files.names(in: spool).contains(where: { $0.hasPrefix("r1-") }) { await Task.yield() }
        running.cancel()
        try await running.value
    }

    /// An agent's life whose report was taken and whose log was not.
    private func unlogged() async throws {
        let (foreman, letGo) = try await slowToLog()
        let agent = try await agent(foreman, logFirstMax: .zero)
        let running = Task { try await agent.run() }
        try await reportFirst(foreman)
        running.cancel()
        try await running.value
        letGo.finish()
    }

    @Test func `a log whose report was faster outlives its agent, and counts as whole`() async throws {
        try await unlogged()
        let next = try await Foreman()
        let other = try await self.agent(next)
        let going = Task { try await other.run() }
        let (joined, _) = try await next.joined()
        #expect(joined.holds.isEmpty)
        try await next.logged(" o the last word\n")
        while Files.names(in: spool).contains(where: { $0.hasPrefix("r1-") }) { await Task.yield() }
        #expect(!next.log.contains("the agent was ended"), "\(next.log.suffix(200))")
        going.cancel()
        try await going.value
    }

    @Test func `a folder to show that is not there is told before anything begins`() async throws {
        let foreman = try await Foreman()
        var settings = AgentSettings(
            address: foreman.farm.server.addresses[0], identity: foreman.farm.agent, workFolder: folder.path + "/work",
            spoolFolder: spool, accounts: .own)
        settings.shownFolders = [folder.path + "/nowhere"]
        await #expect { _ = try await Agent.make(settings, tell: { _ in }) } throws: { error in
            "\(error)".contains("there is no folder \(folder.path)/nowhere")
        }
    }

    @Test func `what attempts of a killed agent left is removed at the next start, unless workspaces are kept`()
        async throws
    {
        let foreman = try await Foreman()
        let left = folder.path + "/work/attempts/r1-0-0-0-1/workspace"
        for path in [folder.path + "/work", left.parentPath.parentPath, left.parentPath, left] {
            try Files.makeFolder(path, mode: 0o711)
        }
        try Files.write("weights\n", to: left + "/checkpoint")
        chmod(left, 0)
        var settings = AgentSettings(
            address: foreman.farm.server.addresses[0], identity: foreman.farm.agent, workFolder: folder.path + "/work",
            spoolFolder: spool, accounts: .own)
        settings.keepsWorkspaces = true
        var agent: Agent? = try await Agent.make(settings, tell: { _ in })
        #expect(Files.names(in: folder.path + "/work/attempts") == ["r1-0-0-0-1"])
        // Another home, and the same folder to work in: what the first one's attempts have there is not its to remove.
        var other = settings
        other.spoolFolder = folder.path + "/other"
        other.keepsWorkspaces = false
        await #expect(
            throws: AgentError.configuration(
                "another agent works in \(folder.path)/work", help: "give each agent a --work of its own")
        ) { _ = try await Agent.make(other, tell: { _ in }) }
        #expect(Files.exists(left))
        withExtendedLifetime(agent) {}
        agent = nil
        settings.keepsWorkspaces = false
        let said = Mutex([String]())
        agent = try await Agent.make(settings) { event in said.withLock { $0.append("\(event)") } }
        #expect(Files.names(in: folder.path + "/work/attempts").isEmpty)
        #expect(said.withLock { $0.contains { $0.contains("what 1 attempt of an earlier life had left") } })
        withExtendedLifetime(agent) {}
    }

    @Test func `a refusal ends the agent and tells why`() async throws {
        var settings = Foreman.Settings()
        settings.admit = { peer in peer.principal.role == .agent ? LinkStatus(.denied, "node7 was revoked") : nil }
        let foreman = try await Foreman(settings)
        let agent = try await agent(foreman)
        await #expect(throws: AgentError.farm("the farm refuses this agent: node7 was revoked")) {
            try await agent.run()
        }
    }

    /// As after a restore from a copy that is older than its certificate: a newer one may follow.
    @Test func `a farm that has no record of the agent is tried again, and told of`() async throws {
        let left = Mutex(2)
        var settings = Foreman.Settings()
        settings.admit = { _ in
            left.withLock { left -> LinkStatus? in
                guard left > 0 else { return nil }
                left -= 1
                return LinkStatus(.notFound, "this farm has no record of the certificate")
            }
        }
        let foreman = try await Foreman(settings)
        let (said, saying) = AsyncStream.makeStream(of: String.self)
        let agent = try await agent(foreman) { saying.yield("\($0)") }
        let going = Task { try await agent.run() }
        _ = try await foreman.joined()
        let rest = left.withLock { $0 }
        #expect(rest == 0)
        for await word in said where word.contains("has no record of the certificate") { break }
        going.cancel()
        try await going.value
    }

    @Test func `a farm that has no record of the agent ends it where its owner has a new token`() async throws {
        var settings = Foreman.Settings()
        settings.admit = { _ in LinkStatus(.notFound, "this farm has no record of the certificate") }
        let foreman = try await Foreman(settings)
        let agent = try await agent(foreman, endsWhereUnknown: true)
        await #expect(throws: AgentError.unknown("this farm has no record of the certificate")) {
            try await agent.run()
        }
    }
}

@Suite struct `An offer` {
    private let capacity = Capacity(
        cpus: 8, memory: .gibibytes(16), disk: .gibibytes(100),
        gpus: ["GPU-a", "GPU-b"].map { GPU(uuid: $0, model: "H200", memory: .gibibytes(141)) })

    @Test(arguments: [
        (Share(cpus: 4, memory: .gibibytes(8), gpus: ["GPU-b"]), nil),
        (Share(cpus: 4), nil),
        (Share(cpus: 5), "4 of 8 cores are in use"),
        (
            Share(cpus: 1, memory: .gibibytes(9)),
            "8 GiB of 16 GiB of memory are promised to others, and 9 GiB are wanted"
        ),
        (Share(cpus: 1, disk: .gibibytes(70)), nil),
        (
            Share(cpus: 1, disk: .gibibytes(71)),
            "30 GiB of 100 GiB of disk are promised to others, and 71 GiB are wanted"
        ),
        (
            Share(cpus: 1, disk: ByteCount(.max)),
            "30 GiB of 100 GiB of disk are promised to others, and 8388608 TiB are wanted"
        ),
        (Share(cpus: 1, gpus: ["GPU-b", "GPU-a"]), "GPU GPU-a is in use"),
        (Share(cpus: 1, gpus: ["GPU-c"]), "this agent has no GPU GPU-c; was it taken out, or divided anew?"),
    ])
    func `is taken where it fits, and declined in words where it does not`(wanted: Share, refusal: String?) {
        let others = [
            Share(cpus: 1, memory: .gibibytes(8), gpus: ["GPU-a"]), Share(cpus: 3, disk: .gibibytes(30)), Share(),
        ]
        #expect(wanted.refusal(of: capacity, beside: others) == refusal)
    }
}

extension Files {
    /// Writes to a FIFO that somebody will read.
    fileprivate static func append(_ text: String, to path: String) throws {
        let raw = open(path, O_RDWR | O_CLOEXEC)
        defer { close(raw) }
        try writeAll(Array(text.utf8), to: raw, naming: path)
        // Until it was taken: with the last descriptor what nobody has read is gone.
        var left: CInt = 1
        while left > 0, ioctl(raw, UInt(FIONREAD), &left) == 0 { sched_yield() }
    }
}
