import Artifacts
import Glibc
import Model

/// The container of a job: started before its steps, and anew for steps that always run once everything was killed.
extension AttemptDriver {
    /// The image that the job's steps run in; `nil` when they run on the agent itself.
    func containerImage() throws(AgentError) -> String? {
        guard let container = assignment.work.container else { return nil }
        return try image(container.image, "the container")
    }

    /// The name of an image; `nil` for one that comes to nothing.
    func image(_ template: String, _ whose: String) throws(AgentError) -> String? {
        let image = try contexts.text(of: template, "the image of \(whose)")
        guard !image.isEmpty else { return nil }
        // What begins with a dash would be an option, a blank or a line break nobody's image.
        guard !image.hasPrefix("-"), image.utf8.count <= Self.imageBytesMax,
            image.utf8.allSatisfy({ $0 > 32 && $0 < 127 })
        else { throw .user("'\(image.prefix(200))' is no name of an image") }
        return image
    }

    private static let imageBytesMax = 1024

    /// Starts the job's container, unless it runs already or the job has none.
    func startContainer() async throws {
        guard let place, let image = place.image, place.container == nil else { return }
        guard !isOver else { throw AgentError.cancelled }
        guard let engine = host.engine else {
            throw AgentError.farm("this agent starts no containers, and was given a job that runs in one")
        }
        let order = try containerOrder(image, place)
        defer { forget(order) }
        output.say("container: \(image)")
        let (enclosure, output) = (place.enclosure, output)
        running += 1
        defer { running -= 1 }
        let container = try await stoppable {
            try await AttemptContainer.start(order, by: engine, in: enclosure, output)
        }
        self.place?.container = container
        contexts.setJob(
            "container",
            .object([.init("id", .string(container.name)), .init("network", .string(place.services?.network ?? ""))]))
        output.say("runs in \(container.name), image \(container.image)")
    }

    private func containerOrder(_ image: String, _ place: Place) throws -> ContainerEngine.Order {
        guard let given = assignment.work.container else { throw AgentError.cancelled }
        containersStarted += 1
        var order = try order(
            given, image,
            name: "\(prefix)\(assignment.id.fileName)-\(host.incarnation)-\(containersStarted)",
            whose: "the container", in: place)
        let folder = place.folder
        if host.engine?.kind == .apptainer { try makeLayer(&order, folder) }
        let folders = [folder.workspace, folder.home, folder.temporary, folder.files, folder.actions]
        order.mounts = folders.map { ContainerEngine.Mount(source: $0, target: $0) } + order.mounts
        order.network = place.services.map { ContainerEngine.Network(name: $0.network, hosts: $0.hosts) }
        return order
    }

    /// Whose containers these are, where only their names can tell.
    private var prefix: String {
        guard let engine = host.engine, engine.kind == .apptainer else { return "sheaf-" }
        return ContainerEngine.prefix(of: engine.owner)
    }

    /// Makes room for what a container writes, and for its volumes, where its engine makes none.
    private func makeLayer(_ order: inout ContainerEngine.Order, _ folder: AttemptFolder) throws(AgentError) {
        order.layer = "\(folder.path)/container-\(containersStarted)"
        order.scripts = folder.files
        for path in ["", "/overlay", "/tmp"] { try Files.makeFolder(order.layer + path, mode: 0o755) }
        for (number, target) in order.volumes.enumerated() {
            let source = "\(order.layer)/volume-\(number)"
            try Files.makeFolder(source, mode: 0o777)
            order.mounts.append(.init(source: source, target: target))
        }
        order.volumes = []
    }

    /// What a container gets that the workflow describes, whatever it is for.
    func order(
        _ given: JobContainer, _ image: String, name: String, whose: String, in place: Place
    ) throws -> ContainerEngine.Order {
        var order = ContainerEngine.Order(name: name, image: image, processesMax: host.processesMax)
        (order.memory, order.cpus) = (assignment.memory, assignment.cpus)
        if host.hasCUDA { order.gpus = assignment.gpus }
        for template in given.environment {
            let text = try contexts.text(of: template.text, "env.\(template.name) of \(whose)")
            order.environment.append(.init(name: template.name, value: text))
        }
        order.environment.append(.init(name: Enclosure.markName, value: place.enclosure.mark))
        let workspace = place.folder.workspace
        do {
            if let text = given.options {
                order.options = try ContainerOptions(try contexts.text(of: text, "the options of \(whose)")).words
            }
            for template in given.volumes {
                let volume = try ContainerVolume(try contexts.text(of: template, "a volume of \(whose)"))
                guard let source = try volume.folder(inWorkspace: workspace) else {
                    order.volumes.append(volume.target)
                    continue
                }
                // Through no link: what an earlier container left here must not lead the engine out. Nothing of the
                // attempt runs now, so it stays what it is.
                if source != workspace {
                    _ = try Folder(at: workspace).subfolder(
                        String(source.dropFirst(workspace.count + 1)), creating: true)
                }
                order.mounts.append(.init(source: source, target: volume.target, isReadOnly: volume.isReadOnly))
            }
        } catch let refusal as ContainerOptions.Refusal {
            throw AgentError.user("\(refusal.problem); \(refusal.help)")
        }
        order.login = try login(given, image, whose, at: place.folder.path + "/login-" + name)
        return order
    }

    /// Whom the image's registry gives it to; `nil` where nothing is said, or what is said comes to nothing.
    private func login(
        _ given: JobContainer, _ image: String, _ whose: String, at folder: String
    ) throws(AgentError) -> ContainerEngine.Login? {
        guard let credentials = given.credentials else { return nil }
        let login = RegistryLogin(
            username: try contexts.text(of: credentials.username, "credentials.username of \(whose)"),
            password: try contexts.text(of: credentials.password, "credentials.password of \(whose)"))
        if login.username.isEmpty && login.password.isEmpty { return nil }
        guard !login.username.isEmpty, !login.password.isEmpty, !login.username.contains(":") else {
            throw .user(
                login.username.contains(":")
                    ? "the username of \(whose) holds a colon, which no registry takes"
                    : "the \(login.username.isEmpty ? "username" : "password") in the credentials of \(whose) is empty")
        }
        try login.write(for: image, to: folder)
        return ContainerEngine.Login(folder: folder, person: login)
    }

    /// Steps never see what the engine needed for its image.
    func forget(_ order: ContainerEngine.Order) {
        if let login = order.login { Files.removeTree(login.folder) }
    }

    /// Ends the container with everything in it.
    func endContainer() {
        guard let container = place?.container else { return }
        place?.container = nil
        if let counts = container.counts {
            containersUsage.peakMemory = max(containersUsage.peakMemory, counts.peakMemory ?? .zero)
            containersUsage.cpuNanoseconds += counts.cpuNanoseconds ?? 0
        }
        if let problem = container.end() { output.note("error", problem) }
    }
}
