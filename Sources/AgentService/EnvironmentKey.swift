import Artifacts
import Model

/// What an environment is made of; equal keys mean equal environments.
struct EnvironmentKey: Hashable, Sendable {
    /// Raised when environments are built differently, so that old ones are not taken for new.
    private static let format = "sheaf environment 1"
    private static let lockFileBytesMax = 16 << 20
    private static let lockFilesMax = 1_000

    /// Files that tools read without being told.
    private static let wellKnown = [
        "pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "uv.lock", "poetry.lock", "pdm.lock", "Pipfile",
        "Pipfile.lock", "environment.yml", "conda-lock.yml", "package-lock.json",
    ]

    let digest: Digest

    /// - Parameter steps: the setup's commands as they will run, with their environment.
    /// - Parameter tree: where the code tree is unpacked; files that commands name are read from there.
    /// - Parameter treeDigest: counts only where a command installs the tree itself.
    init(
        steps: [String], interpreter: Interpreter?, tree: String?, treeDigest: Digest?
    ) throws(AgentError) {
        var text = Self.format + "\n" + Discovery.architecture + "\n"
        text += interpreter.map { "python \($0.version) \(Files.resolved($0.path) ?? $0.path)\n" } ?? "no python\n"
        for step in steps { text += "step \(step.utf8.count)\n\(step)\n" }
        if let tree, !steps.isEmpty {
            let words = steps.flatMap(Self.words)
            if Self.installsTree(words), let treeDigest { text += "tree \(treeDigest)\n" }
            var files: [String: Digest] = [:]
            for name in words + Self.wellKnown { try Self.add(name, in: tree, depth: 0, &files) }
            for name in files.keys.sorted() { if let digest = files[name] { text += "file \(name) \(digest)\n" } }
        }
        digest = Digest(hashing: Array(text.utf8))
    }

    /// The words of a command as far as they could be names of files.
    private static func words(_ command: String) -> [String] {
        let separators: Set<Character> = [
            " ", "\t", "\n", "\r", "\"", "'", "=", ";", "|", "&", "<", ">", "(", ")", "[", "`", ",",
        ]
        return command.split { separators.contains($0) }.map { word in
            // `-rrequirements.txt` and `-cconstraints.txt` are usual too.
            word.hasPrefix("-r") || word.hasPrefix("-c") ? String(word.dropFirst(2)) : String(word)
        }.filter { !$0.isEmpty }
    }

    /// Whether a command installs what lies in the tree: then all of it belongs to the environment.
    private static func installsTree(_ words: [String]) -> Bool {
        words.contains { $0 == "." || $0 == "./" || $0 == "-e" || $0 == "setup.py" || $0.hasPrefix("./") }
            || zip(words, words.dropFirst()).contains {
                ($0 == "uv" || $0 == "poetry" || $0 == "pdm") && ($1 == "sync" || $1 == "install")
            }
    }

    /// Adds a file below the tree and, for lists of requirements, those that it names.
    private static func add(
        _ name: String, in tree: String, depth: Int, _ files: inout [String: Digest]
    ) throws(AgentError) {
        let path = name.standardizedPath
        guard depth < 10, files[path] == nil, files.count < lockFilesMax, !path.hasPrefix("/"), !path.isEmpty,
            let real = Files.resolved(tree + "/" + path), let root = Files.resolved(tree), real.isInside(root),
            let facts = Files.facts(real), facts.kind == .file
        else { return }
        guard facts.sizeBytes <= lockFileBytesMax else { return }
        let bytes = try Files.read(real, bytesMax: lockFileBytesMax)
        files[path] = Digest(hashing: bytes)
        guard path.hasSuffix(".txt") || path.hasSuffix(".in") else { return }
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let line = String(line).trimmed
            for option in ["-r", "--requirement", "-c", "--constraint"] where line.hasPrefix(option) {
                let rest = String(line.dropFirst(option.count)).trimmed
                let named = rest.hasPrefix("=") ? String(rest.dropFirst()).trimmed : rest
                let folder = path.contains("/") ? path.parentPath + "/" : ""
                try add(folder + named, in: tree, depth: depth + 1, &files)
            }
        }
    }
}
