import Artifacts
import Model
import Testing

@testable import AgentService

@Suite struct `The key of an environment` {
    private let python = Interpreter(version: "3.11.2", path: "/bin/false", source: "system")

    /// The key of one command over a tree of these files, whose digest is that of all of them.
    private func key(
        of command: String, in directory: String? = nil, over files: [String: String],
        environment: [CommandFile.Entry] = [], isUntrusted: Bool = false
    ) async throws -> Digest {
        let workshop = try await Workshop()
        let tree = workshop.path + "/tree"
        try Files.makeFolder(tree)
        for (path, text) in files {
            try Files.makeFolder((tree + "/" + path).parentPath)
            try Files.write(text, to: tree + "/" + path)
        }
        defer { withExtendedLifetime(workshop) {} }
        let all = files.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ";")
        let step = SetupScript(text: command, own: [], directory: directory)
        return try EnvironmentKey(
            steps: [step], environment: environment, interpreter: python, tree: tree,
            treeDigest: Digest(hashing: Array(all.utf8)), isUntrusted: isUntrusted
        ).digest
    }

    /// What a stranger's code has built, no trusted run gets.
    @Test func `is another for a run that nobody trusts`() async throws {
        let trusted = try await key(of: "pip install numpy", over: [:])
        #expect(try await key(of: "pip install numpy", over: [:], isUntrusted: true) != trusted)
    }

    @Test(arguments: [
        "pip install -r requirements.txt", "python -m pip install --quiet numpy==2.0", "pip install -rrequirements.txt",
        "set -e\npip install numpy", "pip install core",
    ]) func `stays with a commit that changes nothing it is built from`(command: String) async throws {
        let files = ["requirements.txt": "numpy", "eval.py": "1", "core/a.py": "1"]
        let before = try await key(of: command, over: files)
        #expect(try await key(of: command, over: files.merging(["eval.py": "2"]) { $1 }) == before)
    }

    @Test(arguments: [
        "pip install .", "pip install .[dev]", "pip install -e .", "pip install -e core", "pip install -e./core",
        "pip install ./core", "pip install packages/metrics", "bash install.sh", "./install", "python setup.py develop",
        "uv sync", "poetry install", "pip install $WHAT",
    ]) func `changes with a tree that is installed or run itself`(command: String) async throws {
        let files = ["packages/metrics/a.py": "1", "core/a.py": "1", "install.sh": "", "install": ""]
        let variables = [CommandFile.Entry(name: "WHAT", value: ".")]
        let before = try await key(of: command, over: files, environment: variables)
        let changed = files.merging(["core/a.py": "2"]) { $1 }
        #expect(try await key(of: command, over: changed, environment: variables) != before)
    }

    @Test func `changes with the files that it names, those that they name, and those that tools read`() async throws {
        let files = [
            "requirements.txt": "-r more/base.txt", "more/base.txt": "numpy", "pyproject.toml": "", "sub/own.txt": "a",
        ]
        for changed in ["requirements.txt", "more/base.txt", "pyproject.toml"] {
            let command = "pip install -r requirements.txt"
            let after = files.merging([changed: files[changed, default: ""] + "\nscipy"]) { $1 }
            #expect(
                try await key(of: command, over: files) != key(of: command, over: after), "\(changed)")
        }
        // However its lines end, and whatever is said beside.
        for text in ["-r more/base.txt\r\nrich\r\n", "-r more/base.txt  # the base\n", "--requirement=more/base.txt"] {
            let listed = files.merging(["requirements.txt": text]) { $1 }
            let after = listed.merging(["more/base.txt": "scipy"]) { $1 }
            let command = "pip install -r requirements.txt"
            #expect(try await key(of: command, over: listed) != key(of: command, over: after), "\(text)")
        }
        // Names are looked for where the command runs, too, and in the variables that it reads.
        let after = files.merging(["sub/own.txt": "b"]) { $1 }
        #expect(
            try await key(of: "pip install -r own.txt", in: "sub", over: files)
                != key(of: "pip install -r own.txt", in: "sub", over: after))
        let variables = [CommandFile.Entry(name: "LIST", value: "sub/own.txt")]
        #expect(
            try await key(of: "pip install -r $LIST", over: files, environment: variables)
                != key(of: "pip install -r $LIST", over: after, environment: variables))
        #expect(
            try await key(of: "pip install numpy", over: files, environment: variables)
                == key(of: "pip install numpy", over: after, environment: variables))
    }
}
