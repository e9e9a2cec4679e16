package import Model

extension Discovery {
    static let interpretersMax = 200

    /// Pythons of the system, pyenv, uv and conda that say their version when they are asked; each once.
    ///
    /// Whoever will run them asks, in the view that it will have of the file system.
    package func interpreters(remarks: inout [String]) async -> [Interpreter] {
        await reachable(remarks: &remarks).interpreters
    }

    /// The same, and the views in which they can be reached.
    func reachable(remarks: inout [String]) async -> (interpreters: [Interpreter], views: PrivateViews?) {
        var paths: [(path: String, source: String)] = []
        var seen: Set<String> = []
        for (path, source) in candidates().prefix(Self.interpretersMax) {
            // A dead link resolves to nothing; two names of one file are one interpreter.
            guard let real = Files.resolved(path), Files.isExecutable(real), seen.insert(real).inserted else {
                continue
            }
            paths.append((path, source))
        }
        var all = views
        for (path, _) in paths where all?.closedInstallations(of: path).isEmpty == false {
            all?.show(interpreter: path)
        }
        var chamber: Chamber?
        if let all {
            do throws(AgentError) { chamber = try Chamber(all.mounts(for: nil)) } catch {
                remarks.append("Pythons below closed folders cannot be used: \(error)")
            }
        }
        var found: [Interpreter] = []
        var views = views
        for (path, source) in paths {
            switch await ask(path, in: chamber) {
            case .version(let version):
                found.append(Interpreter(version: version, path: path, source: source))
                if views?.closedInstallations(of: path).isEmpty == false { views?.show(interpreter: path) }
            case .unreachable:
                remarks.append("\(path) cannot be used: user \(account?.name ?? "") may not reach it")
            case .silent: remarks.append("\(path) cannot be used: it does not say its version")
            }
        }
        return (found.sorted(), views)
    }

    private enum Asked { case version(String), unreachable, silent }

    private func ask(_ path: String, in chamber: Chamber?) async -> Asked {
        let script = "import sys; print('.'.join(map(str, sys.version_info[:3])))"
        guard
            let answer = await Probe.ask(
                path, ["-I", "-S", "-c", script], account: account, in: chamber, within: .seconds(10))
        else {
            // Without the account it would start: then it is the way there that is closed.
            return account == nil ? .silent : .unreachable
        }
        let version = answer.text.trimmed
        let numbers = version.split(separator: ".")
        guard answer.exit == .code(0), numbers.count == 3, numbers.allSatisfy({ UInt($0) != nil }) else {
            return .silent
        }
        return .version(version)
    }

    /// Where Pythons may be, best names first.
    func candidates() -> [(path: String, source: String)] {
        var paths: [(String, String)] = []
        for folder in places.system { for name in Self.pythons(in: folder) { paths.append((name, "system")) } }
        var pyenvs = [places.home + "/.pyenv"]
        if let root = places.environment["PYENV_ROOT"], !pyenvs.contains(root) { pyenvs.insert(root, at: 0) }
        for root in pyenvs {
            for version in Files.names(in: root + "/versions") {
                // Environments that pyenv-virtualenv made are no interpreters.
                let folder = root + "/versions/" + version
                guard !Files.exists(folder + "/pyvenv.cfg") else { continue }
                paths.append((folder + "/bin/python3", "pyenv"))
            }
        }
        let data = places.environment["XDG_DATA_HOME"] ?? places.home + "/.local/share"
        for root in [places.environment["UV_PYTHON_INSTALL_DIR"], data + "/uv/python"].compactMap({ $0 }) {
            for version in Files.names(in: root) where version.hasPrefix("cpython-") || version.hasPrefix("pypy-") {
                paths.append((root + "/" + version + "/bin/python3", "uv"))
            }
        }
        var condas =
            ["miniconda3", "miniforge3", "mambaforge", "anaconda3"].map { places.home + "/" + $0 } + places.conda
        if let executable = places.environment["CONDA_EXE"] {
            condas.insert(executable.parentPath.parentPath, at: 0)
        }
        for root in condas where Files.isFolder(root + "/conda-meta") {
            paths.append((root + "/bin/python3", "conda"))
            for name in Files.names(in: root + "/envs") {
                paths.append((root + "/envs/" + name + "/bin/python3", "conda"))
            }
        }
        for name in Files.names(in: places.home + "/.conda/envs") {
            paths.append((places.home + "/.conda/envs/" + name + "/bin/python3", "conda"))
        }
        return paths
    }

    /// `python3`, `python3.9`, `python3.12` in a folder.
    private static func pythons(in folder: String) -> [String] {
        Files.names(in: folder).filter { name in
            guard name.hasPrefix("python3") else { return false }
            let rest = name.dropFirst("python3".count)
            return rest.isEmpty || (rest.first == "." && rest.dropFirst().allSatisfy(\.isNumber) && rest.count > 1)
        }.map { folder + "/" + $0 }
    }
}
