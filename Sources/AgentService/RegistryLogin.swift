import JSON
import Model

/// A name and a password for the registry of one image, in a folder that an engine reads them from.
///
/// It is there while the engine fetches the image, before the job's steps begin, and belongs to the agent.
struct RegistryLogin: Equatable, Sendable {
    var username: String
    var password: String

    static let fileName = "config.json"

    /// What podman and docker read: who one is, by registry. Docker Hub has another name there for each of them.
    func config(for image: String) -> String {
        let registry = String(ContainerEngine.fullName(image).prefix { $0 != "/" })
        let names = registry == "docker.io" ? [registry, "https://index.docker.io/v1/"] : [registry]
        let entry: Value = ["auth": .string(Base64.standard.text(of: Array("\(username):\(password)".utf8)))]
        return JSONWriter.text(.object([.init("auths", .object(names.map { .init($0, entry) }))]))
    }

    /// - Parameter folder: must not be there yet.
    func write(for image: String, to folder: String) throws(AgentError) {
        try Files.makeFolder(folder, mode: 0o700)
        try Files.write(config(for: image), to: folder + "/" + Self.fileName)
    }
}
