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

    /// - Parameter steps: the setup's commands as they will run.
    /// - Parameter environment: the job's variables; they are the commands' too.
    /// - Parameter tree: where the code tree is unpacked; files that commands name are read from there.
    /// - Parameter treeDigest: counts only where a command builds from the tree itself.
    /// - Parameter isUntrusted: what strangers' code builds, or could have, serves no run that is trusted; nor the other way.
    init(
        steps: [SetupScript], environment: [CommandFile.Entry], interpreter: Interpreter?, tree: String?,
        treeDigest: Digest?, isUntrusted: Bool = false
    ) throws(AgentError) {
        var text = Self.format + "\n" + Discovery.architecture + "\n"
        text += interpreter.map { "python \($0.version) \(Files.resolved($0.path) ?? $0.path)\n" } ?? "no python\n"
        if isUntrusted { text += "untrusted\n" }
        for step in steps {
            let recipe = step.recipe(with: environment)
            text += "step \(recipe.utf8.count)\n\(recipe)\n"
        }
        if let tree {
            var files: [String: Digest] = [:]
            var buildsFromTree = false
            for step in steps {
                let words = Self.words(step, environment)
                let folder = (step.directory ?? "").standardizedPath
                buildsFromTree = buildsFromTree || Self.buildsFromTree(words, in: tree, folder)
                for name in words + Self.wellKnown {
                    try Self.add(name, in: tree, depth: 0, &files)
                    if !folder.isEmpty { try Self.add(folder + "/" + name, in: tree, depth: 0, &files) }
                }
            }
            if buildsFromTree, let treeDigest { text += "tree \(treeDigest)\n" }
            for name in files.keys.sorted() { if let digest = files[name] { text += "file \(name) \(digest)\n" } }
        }
        digest = Digest(hashing: Array(text.utf8))
    }

    /// The words of a command as far as they could be names of files, and those of the variables that it reads.
    private static func words(_ step: SetupScript, _ environment: [CommandFile.Entry]) -> [String] {
        let separators: Set<Character> = [
            " ", "\t", "\n", "\r", "\"", "'", "=", ";", "|", "&", "<", ">", "(", ")", "[", "`", ",",
        ]
        let read = (environment + step.own).filter { step.text.contains($0.name) }.map(\.value)
        return ([step.text] + read).flatMap { $0.split { separators.contains($0) } }.map { word in
            // `-rrequirements.txt` and `-cconstraints.txt` are usual too.
            word.hasPrefix("-r") || word.hasPrefix("-c") ? String(word.dropFirst(2)) : String(word)
        }.filter { !$0.isEmpty }
    }

    /// Whether a command installs or runs what lies in the tree: then all of it belongs to the environment.
    private static func buildsFromTree(_ words: [String], in tree: String, _ folder: String) -> Bool {
        func isFolder(_ word: String) -> Bool {
            !word.hasPrefix("/") && Files.isFolder([tree, folder, word].filter { !$0.isEmpty }.joined(separator: "/"))
        }
        let names = words.contains { word in
            // `pip install .`, `-e ./core`, `packages/metrics`; scripts read whatever they like.
            word == "." || word == "-e." || [".py", ".sh", ".bash"].contains(where: word.hasSuffix)
                || ["./", "../", "-e./", "-e../"].contains(where: word.hasPrefix)
                || word.contains("/") && isFolder(word)
        }
        return names
            || zip(words, words.dropFirst()).contains { tool, command in
                ["-e", "--editable"].contains(tool) && isFolder(command)
                    || ["uv", "poetry", "pdm"].contains(tool) && ["sync", "install"].contains(command)
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
        for line in String(decoding: bytes, as: UTF8.self).linesOfFile {
            let line = String(line).trimmed
            for option in ["-r", "--requirement", "-c", "--constraint"] where line.hasPrefix(option) {
                let rest = String(line.dropFirst(option.count)).trimmed
                // As pip reads it: a comment begins behind a space.
                let words = (rest.hasPrefix("=") ? rest.dropFirst() : rest[...]).split(separator: /\s+#/, maxSplits: 1)
                let named = words.first.map { String($0).trimmed } ?? ""
                let folder = path.contains("/") ? path.parentPath + "/" : ""
                try add(folder + named, in: tree, depth: depth + 1, &files)
            }
        }
    }
}
