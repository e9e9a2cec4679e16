import Model

/// Networks of attempts, and the services in them.
extension ContainerEngine {
    /// A container that serves the steps by itself: with the image's own program, or another.
    struct Service: Equatable, Sendable {
        var order: Order
        var ports: [ServicePort] = []
        var entrypoint: String?
        /// The program's arguments, instead of the image's.
        var command: [String] = []
    }

    /// Of what a service writes, the engine keeps so much: the end of it is the evidence of a failure.
    static let logWords = "max-size=8m"

    /// Starts a service; answers once it runs.
    func serve(_ service: Service) -> [String] {
        var words = ["run", "--detach"] + identity(service.order)
        words += ["--log-driver=\(kind == .podman ? "k8s-file" : "json-file")", "--log-opt=\(Self.logWords)"]
        if let entrypoint = service.entrypoint { words.append("--entrypoint=\(entrypoint)") }
        for port in service.ports {
            words.append("--publish=127.0.0.1:\(port.machine.map(String.init) ?? ""):\(port.name)")
        }
        return words + surroundings(service.order) + [Self.fullName(service.order.image)] + service.command
    }

    func words(for network: Network) -> [String] {
        var words = ["--network=\(network.name)"]
        if let address = network.address { words.append("--ip=\(address)") }
        if let alias = network.alias { words.append("--network-alias=\(alias)") }
        return words + network.hosts.map { "--add-host=\($0.name):\($0.value)" }
    }

    /// Whether containers of one network know each other's names by the engine. Podman's do only where a further program is
    /// installed: there they are told.
    var tellsNames: Bool { kind == .docker }

    /// Whether the owner has said which network containers are in: none of their own then.
    var hasOwnersNetwork: Bool {
        options.contains { $0 == "--network" || $0 == "--net" || $0.hasPrefix("--network=") || $0.hasPrefix("--net=") }
    }

    /// What it offers to jobs.
    var labels: [String] {
        // Apptainer knows none of docker's options, and makes networks for root alone.
        if kind == .apptainer { return [JobContainer.label] }
        return [JobContainer.label, JobContainer.optionsLabel] + (hasOwnersNetwork ? [] : [JobService.label])
    }

    func makeNetwork(_ name: String) -> [String] {
        ["network", "create", "--label=\(Self.ownerLabel)=\(owner)", name]
    }

    func inspectNetwork(_ name: String) -> [String] { ["network", "inspect", name] }

    /// Removes networks with nobody in them; podman's also with somebody.
    func removeNetworks(_ names: [String]) -> [String] {
        switch kind {
        case .podman: ["network", "rm", "--force"] + names
        case .docker, .apptainer: ["network", "rm"] + names
        }
    }

    /// The networks of this agent's attempts.
    var listNetworks: [String] { ["network", "ls", "--quiet", "--filter=label=\(Self.ownerLabel)=\(owner)"] }

    /// All that the engine knows about a container, in JSON.
    func describe(_ name: String) -> [String] { ["container", "inspect", name] }

    /// The end of what a container has written, both its streams.
    func logs(of name: String, lines: Int) -> [String] { ["logs", "--tail=\(lines)", name] }

    /// A script for a shell, with the engine's path as its `$0`: waits until its input ends, which is when the agent does, and
    /// removes then what the agent cannot remove any more. Names hold nothing that a shell would read.
    func farewell(_ names: [String], network: String) -> String {
        let words = { (words: [String]) in "\"$0\" " + words.joined(separator: " ") + " >/dev/null 2>&1" }
        return "cat >/dev/null; \(words(remove(names))); \(words(removeNetworks([network])))"
    }
}
