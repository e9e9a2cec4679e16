import CLinux
import Glibc
import Locks
import Model
import Programs

/// The services of an attempt, from their start to their end: containers on a network of the attempt's own.
///
/// A watchman, a shell that reads a pipe whose other end is the agent's, removes all of them when the agent is killed.
final class AttemptServices: Sendable {
    /// What to start.
    struct Order: Sendable {
        var network: String
        var services: [Named]
    }

    struct Named: Sendable {
        /// As the workflow names it.
        var id: String
        var service: ContainerEngine.Service
    }

    /// One that was started.
    struct Member: Sendable {
        var id: String
        var name: String
        var container: String
        var ports: [ServiceFacts.Published]
        let end: ProcessEnd?
    }

    /// Hears of the end of a process that is not the agent's child.
    final class ProcessEnd: Sendable {
        private let pidfd: CInt
        init?(_ pid: pid_t) {
            pidfd = clinux_pidfd_open(pid)
            guard pidfd >= 0 else { return nil }
        }
        deinit { close(pidfd) }
        var hasCome: Bool {
            var polled = pollfd(fd: pidfd, events: Int16(POLLIN), revents: 0)
            return unsafe poll(&polled, 1, 0) != 0
        }
    }

    let engine: ContainerEngine
    let network: String
    /// Where the engine's programs and, if the engine has no daemon, the services live.
    let enclosure: Enclosure
    /// Names with their addresses, where the engine tells the containers nothing.
    let hosts: [CommandFile.Entry]
    private let names: [String]
    private let watchman: StepProcess
    private let lifeline: Mutex<CInt>
    private let started = Mutex([Member]())

    /// Of one job.
    static let servicesMax = 100
    /// Lines of a service's output that a failed attempt's log shows.
    static let logLinesMax = 100

    private init(
        _ order: Order, _ engine: ContainerEngine, _ enclosure: Enclosure, hosts: [CommandFile.Entry],
        watchman: StepProcess, lifeline: CInt
    ) {
        self.engine = engine
        self.enclosure = enclosure
        self.hosts = hosts
        self.watchman = watchman
        self.lifeline = Mutex(lifeline)
        network = order.network
        names = order.services.map(\.service.order.name)
    }

    deinit { letGo() }

    var members: [Member] { started.withLock { $0 } }

    // MARK: Beginning

    /// Makes the network, starts the services one after the other, and waits until those that can say so are well.
    ///
    /// - Throws: what ends the attempt; nothing of them is left then.
    static func start(
        _ order: Order, by engine: ContainerEngine, in enclosure: Enclosure, _ output: StepOutput
    ) async throws -> AttemptServices {
        let (watchman, lifeline) = try watchman(order, engine)
        var hosts: [CommandFile.Entry] = []
        do {
            try await made(engine.makeNetwork(order.network), "make a network", engine, enclosure)
            if !engine.tellsNames {
                let told = try await made(
                    engine.inspectNetwork(order.network), "look at the attempt's network", engine, enclosure)
                guard let facts = NetworkFacts(told) else {
                    throw AgentError.farm(
                        "\(engine.kind.rawValue) has made a network without room for names and addresses: "
                            + String(decoding: told.prefix(300), as: UTF8.self))
                }
                hosts = order.services.enumerated().map { .init(name: $1.id, value: facts.address($0)) }
            }
        } catch {
            remove(order.services.map(\.service.order.name), order.network, engine)
            close(lifeline)
            watchman.signal(SIGKILL)
            throw error
        }
        let services = AttemptServices(order, engine, enclosure, hosts: hosts, watchman: watchman, lifeline: lifeline)
        do {
            var checks: [(Member, HealthCheck, Instant)] = []
            for (index, named) in order.services.enumerated() {
                let (member, check) = try await services.start(named, index, output)
                if let check { checks.append((member, check, Clock.monotonic())) }
            }
            for (member, check, began) in checks {
                try await services.waitUntilWell(member, check, from: began, output)
            }
            return services
        } catch {
            if !(error is CancellationError) { services.tellLogs(output) }
            _ = services.end()
            throw error
        }
    }

    /// Removes everything when the agent is no more: it is started before there is anything.
    private static func watchman(
        _ order: Order, _ engine: ContainerEngine
    ) throws(AgentError) -> (StepProcess, CInt) {
        var ends: [CInt] = [-1, -1]
        let answer = unsafe clinux_pipe(&ends, 4096)
        guard answer == 0 else { throw AgentError.system("make a pipe", -answer) }
        defer { close(ends[0]) }
        let script = engine.farewell(order.services.map(\.service.order.name), network: order.network)
        do throws(AgentError) {
            // In none of the attempt's groups: what ends those must not end it.
            let process = try StepProcess.start(
                Program(
                    path: "/bin/sh", arguments: ["sh", "-c", script, engine.path], environment: engine.environment,
                    directory: "/"), in: nil, input: ends[0]
            ) { _, _ in }
            return (process, ends[1])
        } catch {
            close(ends[1])
            throw error
        }
    }

    @discardableResult
    private static func made(
        _ words: [String], _ what: String, _ engine: ContainerEngine, _ enclosure: Enclosure
    ) async throws -> [UInt8] {
        let answer = try await EngineCommand.run(words, by: engine, in: enclosure, limit: ContainerEngine.answerMax)
        guard answer.isSuccess else {
            throw AgentError.ended(
                Cause(.agentFault, evidence: "\(engine.kind.rawValue) cannot \(what): \(answer.complaint)"))
        }
        return answer.out
    }

    private func start(
        _ named: Named, _ index: Int, _ output: StepOutput
    ) async throws -> (Member, HealthCheck?) {
        var service = named.service
        service.order.network = ContainerEngine.Network(
            name: network, address: hosts.isEmpty ? nil : hosts[index].value,
            alias: engine.tellsNames ? named.id : nil, hosts: hosts)
        output.say("service \(named.id): \(service.order.image)")
        // Its image may have to be fetched, which takes as long as it takes: what the engine says is told.
        let signedIn = engine.signedIn(for: service.order)
        let answer = try await EngineCommand.run(engine.serve(service), by: signedIn, in: enclosure) { _ in
            output.touch()
        }
        guard answer.isSuccess else {
            throw AttemptContainer.failure(of: service.order.image, answer.err, whose: "service '\(named.id)'")
        }
        let facts = try await facts(of: service.order.name)
        let member = Member(
            id: named.id, name: service.order.name, container: facts.id, ports: facts.ports,
            end: facts.first > 1 ? ProcessEnd(facts.first) : nil)
        started.withLock { $0.append(member) }
        output.say("service \(named.id) runs in \(member.name), image \(facts.image)" + Self.words(for: facts.ports))
        return (member, facts.check)
    }

    private static func words(for ports: [ServiceFacts.Published]) -> String {
        ports.isEmpty ? "" : ", " + ports.map { "port \($0.name) at 127.0.0.1:\($0.machine)" }.joined(separator: ", ")
    }

    private func facts(of name: String) async throws -> ServiceFacts {
        let told = try await Self.made(engine.describe(name), "look at \(name)", engine, enclosure)
        guard let facts = ServiceFacts(told) else {
            throw AgentError.farm("\(engine.kind.rawValue) says nothing that can be read about \(name)")
        }
        return facts
    }

    /// Looks again and again until the service says that it is well.
    private func waitUntilWell(
        _ member: Member, _ check: HealthCheck, from began: Instant, _ output: StepOutput
    ) async throws {
        let until = began.advanced(by: check.patience)
        while true {
            guard member.end?.hasCome == false else { throw try await ended(member) }
            let answer = try await EngineCommand.run(
                engine.execute(check.words, in: member.name, environment: [], directory: nil), by: engine,
                in: enclosure, limit: check.timeout)
            if answer.isSuccess {
                output.say("service \(member.id) is well")
                return
            }
            guard Clock.monotonic() < until else {
                throw AgentError.ended(
                    Cause(
                        .timeout,
                        evidence:
                            "the service '\(member.id)' was not well after \(AttemptDriver.words(check.patience)); its check "
                            + "(\(check.words.last ?? "")) said last: \(answer.complaint)"))
            }
            // The service knows when it is well, and tells nobody who does not ask.
            try await Task.sleep(for: check.pause)
        }
    }

    private func ended(_ member: Member) async throws -> AgentError {
        let code = try await facts(of: member.name).exitCode
        return .ended(
            Cause(
                .userExit, code: code,
                evidence: "the service '\(member.id)' ended with exit code \(code) before it was well"))
    }

    // MARK: Ending

    /// Services that have ended by themselves.
    var lost: [String] { members.filter { $0.end?.hasCome ?? true }.map(\.id) }

    /// The end of what each has written, into the attempt's log. Blocks.
    func tellLogs(_ output: StepOutput) {
        for member in members {
            let words = engine.logs(of: member.name, lines: Self.logLinesMax)
            switch engine.ask(words, timeout: .seconds(10)) {
            case .success(let answer):
                // Two streams, each in its own order.
                let text = String(decoding: answer.output, as: UTF8.self) + "\n" + answer.complaint
                let lines = text.split(whereSeparator: \.isNewline)
                if lines.isEmpty { output.say("service \(member.id) has written nothing") }
                for line in lines.suffix(2 * Self.logLinesMax) { output.say("service \(member.id): \(line)") }
            case .failure(let failure):
                output.say("what service \(member.id) has written cannot be read: \(failure.words)")
            }
        }
    }

    private func letGo() {
        lifeline.withLock { lifeline in
            if lifeline >= 0 { close(lifeline) }
            lifeline = -1
        }
    }

    /// Ends all of them, with their network and all that they wrote. Blocks until they are gone.
    ///
    /// - Returns: why they are not, in words.
    func end() -> String? {
        let problem = Self.remove(names, network, engine)
        let left = enclosure.killAll()
        enclosure.groups.remove()
        // What it would remove is gone, or cannot be removed.
        watchman.signal(SIGKILL)
        letGo()
        if let problem { return "the attempt's services cannot be removed: \(problem)" }
        return left.isEmpty ? nil : "\(left.count) processes of services cannot be killed"
    }

    private static let removalsMax = 5

    @discardableResult
    private static func remove(_ names: [String], _ network: String, _ engine: ContainerEngine) -> String? {
        var problem: String?
        for _ in 0..<removalsMax {
            problem = nil
            // An engine may be at one of them still: what remains is asked for, and not what it complains of.
            _ = engine.ask(engine.remove(names))
            _ = engine.ask(engine.removeNetworks([network]))
            for name in names {
                if case .success = engine.ask(engine.describe(name)) { problem = "\(name) is there still" }
            }
            if case .success = engine.ask(engine.inspectNetwork(network)) {
                problem = problem ?? "the network \(network) is there still"
            }
            if problem == nil { return nil }
            usleep(100_000)
        }
        return problem
    }
}
