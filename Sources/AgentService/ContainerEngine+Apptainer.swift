import Glibc
import JSON
import Model
import Programs

/// Apptainer: no daemon, and no storage of containers. A container is an *instance*, which stays in the attempt's own cgroup like
/// podman's, and what it writes lies in a folder of the attempt's. Its flags are those of apptainer 1.1 and later.
///
/// Started by root it would give a container's root all that root may do. It gets what docker gives by default, without
/// `mknod`. Started by anybody else it makes a user namespace, in which nobody may do anything outside.
extension ContainerEngine {
    /// What docker leaves to a container's root, and podman too, but `MKNOD`.
    private static let capabilitiesKept: Set<Int> = [0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 29, 31]

    /// All that apptainer knows by name, in the kernel's order (capability.h); it refuses no name of these.
    private static let capabilities = [
        "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
        "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
        "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
        "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
        "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
    ]

    static var capabilitiesDropped: String {
        capabilities.indices.filter { !capabilitiesKept.contains($0) }.map { "CAP_" + capabilities[$0] }
            .joined(separator: ",")
    }

    /// Later kernels have capabilities that apptainer does not know, and leaves to root: it is started without them.
    ///
    /// - Parameter last: the kernel's last capability, by number.
    static func unknownCapabilities(last: Int) -> [String] {
        guard last >= capabilities.count else { return [] }
        return ["--bounding-set=" + (capabilities.count...last).map { "-cap_\($0)" }.joined(separator: ",")]
    }

    /// What runs apptainer so that a container's root may not do more than it should; empty where nothing has to.
    static func guardWords(isRoot: Bool, path: String) -> Result<[String], Programs.Program.Failure> {
        guard isRoot else { return .success([]) }
        let last = Files.value("/proc/sys/kernel/cap_last_cap").flatMap { Int($0) } ?? 0
        let words = unknownCapabilities(last: last)
        guard !words.isEmpty else { return .success([]) }
        let found = path.split(separator: ":").map { "\($0)/setpriv" }.first(where: Files.isExecutable)
        guard let found else {
            return .failure(
                Programs.Program.Failure(
                    problem:
                        "started by root it needs setpriv (of util-linux) on PATH, to take from containers what it does not know"
                )
            )
        }
        return .success([found] + words)
    }

    /// What bounds a container, and a program in it.
    private var bounds: [String] { isRoot ? ["--drop-caps=\(Self.capabilitiesDropped)"] : [] }

    /// Waits until its input ends, as the first process of podman's containers does; then the instance goes, too. The shell's `$0`
    /// is the engine, its arguments are what starts the instance. Names hold nothing that a shell would read.
    func lifeline(_ name: String) -> String {
        "\"$@\" >&2 && echo \(Self.ready) && cat >/dev/null; \"$0\" instance stop --signal KILL \(name) >/dev/null 2>&1"
    }

    func startInstance(_ order: Order) -> [String] {
        var words = [
            "instance", "start", "--containall", "--no-home", "--no-umask", "--overlay=\(order.layer)/overlay",
            "--workdir=\(order.layer)/tmp",
        ]
        words += isRoot ? bounds : ["--userns"]
        if !order.gpus.isEmpty { words.append("--nv") }
        for mount in order.mounts {
            var fields = ["type=bind", "source=\(mount.source)", "destination=\(mount.target)"]
            if mount.isReadOnly { fields.append("ro") }
            words.append("--mount=" + fields.map(Self.field).joined(separator: ","))
        }
        return words + options + [source(of: order.image), order.name]
    }

    /// A field of a record, as RFC 4180 has it: quoted where it holds a comma or a quote.
    private static func field(_ text: String) -> String {
        guard text.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) else { return text }
        return "\"" + text.replacing("\"", with: "\"\"") + "\""
    }

    /// Where an image comes from: the owner's folder, where it lies under its own name, or else its registry.
    func source(of image: String) -> String {
        if let images {
            let place = (images + "/" + image).standardizedPath
            for path in [place + ".sif", place] where path.isInside(images) && path != images && Files.exists(path) {
                return path
            }
        }
        return "docker://" + Self.fullName(image)
    }

    /// Runs the script that `environmentScript` wrote, with the program behind it.
    func executeInInstance(_ arguments: [String], in name: String, script: String, directory: String) -> [String] {
        ["--silent", "exec", "--cleanenv", "--no-umask"] + bounds
            + ["--pwd=\(directory)", "instance://\(name)", "/bin/sh", script] + arguments
    }

    /// The image's own PATH. Blocks.
    func searchPath(in name: String) -> Result<String, Programs.Program.Failure> {
        let words =
            guardWords + [path, "--silent", "exec", "--cleanenv"] + bounds
            + ["instance://\(name)", "/bin/sh", "-c", "printf %s \"$PATH\""]
        return ask(words[0], Array(words.dropFirst()), timeout: Self.answerMax).map {
            String(decoding: $0.output, as: UTF8.self)
        }
    }

    /// A script that sets variables to just these values, and becomes the program that it is given. Apptainer's own ways would
    /// read values as shell does, set no HOME, and lose all of them with one name that no shell takes.
    static func environmentScript(_ environment: [String]) -> String {
        var lines = environment.compactMap { entry -> String? in
            guard let sign = entry.firstIndex(of: "="), isShellName(entry[..<sign]) else { return nil }
            let value = entry[entry.index(after: sign)...].replacing("'", with: "'\\''")
            return "export \(entry[..<sign])='\(value)'"
        }
        lines.append("exec \"$@\"")
        return lines.joined(separator: "\n") + "\n"
    }

    private static func isShellName(_ name: Substring) -> Bool {
        guard let first = name.utf8.first, !(0x30...0x39).contains(first) else { return false }
        return name.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x5F
        }
    }

    /// The same for instances; also finds out by what apptainer has to be started.
    mutating func clearInstances() -> Result<Int, Programs.Program.Failure> {
        let path = environment.first { $0.hasPrefix("PATH=") }.map { String($0.dropFirst(5)) } ?? ""
        switch Self.guardWords(isRoot: isRoot, path: path) {
        case .success(let words): guardWords = words
        case .failure(let failure): return .failure(failure)
        }
        return ask(["instance", "list", "--json"]).flatMap { answer in
            guard let all = Instance.all(answer.output) else {
                return .failure(Programs.Program.Failure(problem: "it does not list its instances in JSON"))
            }
            let own = all.map(\.name).filter { $0.hasPrefix(Self.prefix(of: owner)) }
            for name in own { _ = ask(remove([name])) }
            return .success(own.count)
        }
    }

    /// Instances of this agent's, by their names: those are of the user, whichever agent started them.
    static func prefix(of owner: String) -> String { "sheaf-\(owner.split(separator: "-").last ?? "")-" }

    /// An instance, as `instance list --json` tells of it.
    struct Instance: Equatable {
        var name: String
        var pid: pid_t
        var image: String

        /// - Returns: `nil` for what is no such list.
        static func all(_ json: [UInt8]) -> [Instance]? {
            guard let value = try? JSONParser.value(String(decoding: json, as: UTF8.self)),
                let list = value["instances"]
            else { return nil }
            return (list.array ?? []).compactMap { item in
                guard let name = item["instance"]?.string, let pid = item["pid"]?.number else {
                    return nil
                }
                return Instance(
                    name: name, pid: pid_t(exactly: pid) ?? 0, image: item["img"]?.string ?? "")
            }
        }
    }
}
