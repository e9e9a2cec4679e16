import Glibc
import Model

/// An attempt's own view of an environment: a virtual environment of its own, which finds everything that the shared one
/// holds and can write to none of it. What the attempt installs goes to the view and is gone with it.
struct EnvironmentView: Sendable {
    let path: String
    let interpreter: Interpreter
    var bin: String { path + "/bin" }

    private static let scriptBytesMax = 1 << 20

    /// Makes the view; takes milliseconds, for nothing is copied but small scripts.
    init(
        of built: BuiltEnvironment, interpreter: Interpreter, at path: String, in folder: AttemptFolder
    ) throws(AgentError) {
        self.path = path
        self.interpreter = interpreter
        Files.removeTree(path)
        let site = path + "/" + built.sitePackages
        var parents = [path, path + "/bin", path + "/lib", path + "/include"]
        parents += [path + "/" + built.sitePackages.parentPath, site]
        // The agent's own until it is whole: what still runs of earlier steps could put links in our way.
        for parent in parents { try Files.makeFolder(parent, mode: 0o700) }
        try Self.link("lib", at: path + "/lib64")

        let python = Files.resolved(interpreter.path) ?? interpreter.path
        let numbers = interpreter.version.split(separator: ".")
        let names = ["python", "python3", "python\(numbers.prefix(2).joined(separator: "."))"]
        for name in names { try Self.link(python, at: path + "/bin/" + name) }
        try Files.write(
            Array(
                "home = \(python.parentPath)\ninclude-system-site-packages = false\nversion = \(interpreter.version)\n"
                    .utf8),
            to: path + "/pyvenv.cfg", mode: 0o644)
        // addsitedir, not a plain path: the base's own .pth files count too.
        let base = Self.quoted(built.base + "/" + built.sitePackages)
        try Files.write(
            Array("import site; site.addsitedir(\(base))\n".utf8), to: site + "/_sheaf_base.pth", mode: 0o644)

        for name in Files.names(in: built.base + "/bin") where !names.contains(name) {
            try Self.adopt(name, from: built.base, to: path)
        }
        try folder.giveTree(path)
    }

    /// A script of the base runs with the view's Python; what is no script is linked.
    private static func adopt(_ name: String, from base: String, to path: String) throws(AgentError) {
        let source = base + "/bin/" + name
        guard let facts = Files.facts(source) else { return }
        if name.hasPrefix("python") { return }
        if facts.kind == .file, facts.sizeBytes <= scriptBytesMax {
            let bytes = try Files.read(source, bytesMax: scriptBytesMax)
            let shebang = Array("#!\(base)/bin/".utf8)
            if bytes.starts(with: Array("#!".utf8)) || name.hasPrefix("activate") {
                // Long paths are started through sh, with the interpreter's path in the script's second line.
                var text = String(decoding: bytes, as: UTF8.self)
                if bytes.starts(with: shebang) || text.contains(base) { text = text.replacing(base, with: path) }
                return try Files.write(Array(text.utf8), to: path + "/bin/" + name, mode: facts.mode | 0o700)
            }
        }
        try link(source, at: path + "/bin/" + name)
    }

    private static func link(_ target: String, at path: String) throws(AgentError) {
        guard unsafe symlink(target, path) == 0 else { throw .failed("make the link \(path)") }
    }

    /// A text as a literal of Python.
    private static func quoted(_ text: String) -> String {
        "'" + text.replacing("\\", with: "\\\\").replacing("'", with: "\\'") + "'"
    }
}
