import Glibc
import Model

/// The services of a job: started before its steps, and anew for steps that always run once everything was killed.
extension AttemptDriver {
    /// Starts the job's services, unless they run already or it has none.
    func startServices() async throws {
        guard let place, place.services == nil, !assignment.work.services.isEmpty else { return }
        guard !isOver else { throw AgentError.cancelled }
        let named = try servicesWanted(place)
        defer { for one in named { forget(one.service.order) } }
        guard !named.isEmpty else { return }
        guard let engine = host.engine else {
            throw AgentError.farm("this agent starts no containers, and was given a job with services")
        }
        containersStarted += 1
        let order = AttemptServices.Order(
            network: "sheaf-\(assignment.id.fileName)-\(host.incarnation)-\(containersStarted)", services: named)
        let groups = Groups(
            in: place.enclosure.groups.below, name: "services-\(containersStarted)",
            limits: Cgroups.Limits(processesMax: host.processesMax), areKilled: true)
        let enclosure = Enclosure(in: groups, mark: place.enclosure.mark, ownUser: nil)
        let output = output
        do {
            try await takePorts(named.flatMap(\.service.ports))
            let services = try await stoppable {
                try await AttemptServices.start(order, by: engine, in: enclosure, output)
            }
            self.place?.services = services
        } catch {
            giveBackPorts()
            throw error
        }
        tellContexts(named)
    }

    /// What to start: services whose image comes to nothing are none, as at GitHub.
    private func servicesWanted(_ place: Place) throws -> [AttemptServices.Named] {
        var wanted: [AttemptServices.Named] = []
        for service in assignment.work.services {
            let whose = "the service '\(service.name)'"
            guard let image = try image(service.container.image, whose) else {
                if containersStarted == 0 {
                    output.say("service \(service.name): its image comes to nothing, so it is not started")
                }
                continue
            }
            guard wanted.count < AttemptServices.servicesMax else {
                throw AgentError.user("the job has more than \(AttemptServices.servicesMax) services")
            }
            let name = "sheaf-\(assignment.id.fileName)-\(host.incarnation)-\(containersStarted + 1)-\(wanted.count)"
            var made = ContainerEngine.Service(
                order: try order(service.container, image, name: name, whose: whose, in: place))
            do {
                // Steps in a container are in the services' own network: nothing has to be opened for them.
                if place.image == nil {
                    for template in service.container.ports {
                        made.ports.append(try ServicePort(try contexts.text(of: template, "a port of \(whose)")))
                    }
                }
                if let template = service.container.command {
                    made.command = try ContainerOptions.parts(
                        of: try contexts.text(of: template, "the command of \(whose)"))
                }
            } catch let refusal as ContainerOptions.Refusal {
                throw AgentError.user("\(refusal.problem); \(refusal.help)")
            }
            made.entrypoint = try service.container.entrypoint.map {
                try contexts.text(of: $0, "the entrypoint of \(whose)")
            }
            if made.entrypoint?.isEmpty ?? false { made.entrypoint = nil }
            wanted.append(.init(id: service.name, service: made))
        }
        return wanted
    }

    /// Ports of the machine that are named can be had once; whoever comes later waits, and its time stands still.
    private func takePorts(_ ports: [ServicePort]) async throws {
        let named = Set(
            ports.filter { $0.machine != nil }.map { HostPorts.Port(number: $0.machine ?? 0, kind: $0.kind) })
        guard !named.isEmpty else { return }
        let (held, id) = (host.ports, assignment.id)
        if !held.takeAtOnce(named, for: id) {
            let words = named.map { String($0.number) }.sorted().joined(separator: ", ")
            hold("waits for port \(words) of this machine, which services of another attempt have")
            defer { goOn("the port is free") }
            try await stoppable {
                try await held.take(named, for: id)
                try Task.checkCancellation()
            }
        }
    }

    private func giveBackPorts() { host.ports.giveBack(of: assignment.id) }

    private func tellContexts(_ named: [AttemptServices.Named]) {
        guard let services = place?.services else { return }
        contexts.setJob(
            "services",
            .object(
                services.members.map { member in
                    var ports = member.ports.map { Value.Member(Self.contextName($0.name), .string("\($0.machine)")) }
                    if place?.image != nil, let given = assignment.work.services.first(where: { $0.name == member.id })
                    {
                        // There they are reached by the service's name, at its own ports.
                        ports = given.container.ports.compactMap { template in
                            guard let text = try? contexts.text(of: template, "a port"),
                                let port = try? ServicePort(text)
                            else { return nil }
                            return .init(Self.contextName(port.name), .string("\(port.number)"))
                        }
                    }
                    return Value.Member(
                        member.id,
                        .object([
                            .init("id", .string(member.container)), .init("network", .string(services.network)),
                            .init("ports", .object(ports)),
                        ]))
                }))
    }

    /// `6379` for `6379/tcp`, as GitHub has it; `53/udp` keeps its kind.
    private static func contextName(_ port: String) -> String {
        port.hasSuffix("/tcp") ? String(port.dropLast(4)) : port
    }

    /// Ends the services with all that they hold. Where the attempt has failed what they wrote is evidence.
    func endServices() {
        guard let services = place?.services else { return }
        place?.services = nil
        let lost = services.lost
        for id in lost { output.note("warning", "the service '\(id)' has ended under the job's steps") }
        if !isOver, failure != nil || stopReason != nil || !lost.isEmpty { services.tellLogs(output) }
        if let problem = services.end() { output.note("error", problem) }
        giveBackPorts()
    }
}
