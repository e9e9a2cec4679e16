import AgentService
import Artifacts
import Client
import Glibc
import JSON
import Model
import Reporting
import Transport
import Wire

extension Commands {
    static let doctor = Command(
        name: "doctor",
        summary: "check this machine: rights, cgroups, shell, Pythons, GPUs, disk, certificate, clock, farm",
        discussion: """
            Says what is there, what is missing, and what to do about it. Changes nothing. The exit code is 1 when
            something is wrong; a warning leaves it 0. Run it as the user that the agent runs as: what it says of rights and
            Pythons is what that user's attempts would find.

              sheaf doctor
              sheaf doctor --work /var/lib/sheaf-agent/work --home /var/lib/sheaf-agent/identity
            """,
        options: [
            .value("work", "FOLDER", "whose disk to look at; the current folder by default"),
            .value("format", "FORMAT", "text or json"),
        ] + Farming.homeOptions,
        run: { arguments in
            let format = try arguments.choice("format", of: ["text", "json"])
            let findings = await Doctor(
                profile: Farming.profile(arguments), workFolder: arguments.value("work") ?? "."
            ).examine()
            if format == "json" {
                Terminal.write(Doctor.json(findings))
            } else {
                for finding in findings { Terminal.print(finding.text) }
            }
            return findings.contains { $0.state == .wrong } ? .failed : .passed
        })
}

/// Looks at this machine as an agent or a person would need it.
struct Doctor: Sendable {
    enum State: String, Sendable { case fine = "ok", warning, wrong }

    struct Finding: Sendable {
        var subject: String
        var state: State
        var fact: String
        /// What to do.
        var help: String?

        var text: String {
            let mark = state.rawValue + String(repeating: " ", count: 8 - state.rawValue.count)
            return "\(mark) \(subject): \(PlainText.line(fact))" + (help.map { "\n         help: \($0)" } ?? "")
        }
    }

    /// With less an agent takes no work.
    static let diskFreeLeast = ByteCount.gibibytes(1)
    /// An agent keeps environments and attempts' folders: with less it will soon decline work.
    static let diskFreeMin = ByteCount.gibibytes(10)
    static let expiryWarning = Duration.seconds(30 * 86_400)

    let profile: Profile
    let workFolder: String

    func examine() async -> [Finding] {
        let outlook = await AgentOutlook.look(workFolder: Commands.absolute(workFolder))
        var findings = [
            processors(), disk(), users(outlook), chambers(outlook), cgroups(outlook), shell(outlook),
            openFiles(outlook),
            git(), clock(),
        ]
        findings += devices(outlook)
        findings += await farm()
        return findings
    }

    // MARK: The machine

    private func processors() -> Finding {
        let discovery = Discovery()
        return Finding(
            subject: "processors", state: .fine,
            fact: "\(Spelling.counted(discovery.cores(), "core")) and \(discovery.memory()) of memory for this process")
    }

    private func disk() -> Finding {
        do {
            let free = ByteCount(Int64(try Folder(at: workFolder).freeBytes()))
            return Finding(
                subject: "disk",
                state: free < Self.diskFreeLeast ? .wrong : free < Self.diskFreeMin ? .warning : .fine,
                fact: "\(free) free below \(workFolder)",
                help: free < Self.diskFreeMin
                    ? "environments and artifacts need room: free some, or give the agent --work on a larger disk" : nil
            )
        } catch {
            return Finding(
                subject: "disk", state: .wrong,
                // Its own help is for whoever packs files.
                fact: String("\(error)".prefix { $0 != "\n" }), help: "--work names a folder that is there")
        }
    }

    private func users(_ outlook: AgentOutlook) -> Finding {
        guard !outlook.isRoot else {
            return Finding(subject: "users", state: .fine, fact: "as root: each attempt gets a user of its own")
        }
        return Finding(
            subject: "users", state: .warning,
            fact: "not root: steps run as this user, and could read the agent's key and impersonate it",
            help: "start the agent as root (cluster/systemd has a unit) where jobs are not all your own")
    }

    private func chambers(_ outlook: AgentOutlook) -> Finding {
        guard let refusal = outlook.chamberRefusal else {
            return Finding(
                subject: "chambers", state: .fine,
                fact: "attempts get process numbers and a view of files of their own; nothing outlives them")
        }
        return Finding(
            subject: "chambers", state: .warning,
            fact:
                "attempts cannot be closed off (\(refusal)): their processes are found by looking, and they share /tmp",
            help: outlook.isRoot
                ? "in a container, give it CAP_SYS_ADMIN and a seccomp profile that lets it call clone and mount; else see "
                    + "sysctl user.max_pid_namespaces and user.max_mnt_namespaces"
                : "start the agent as root")
    }

    private func cgroups(_ outlook: AgentOutlook) -> Finding {
        let missing = outlook.missingControllers
        guard !missing.isEmpty || !outlook.canMakeGroups else {
            return Finding(
                subject: "cgroups", state: .fine, fact: "memory, processes and cores of attempts can be limited")
        }
        return Finding(
            subject: "cgroups", state: .warning,
            fact: outlook.canMakeGroups
                ? "groups can be made, but not limited: \(missing.joined(separator: ", "))"
                : "no groups can be made: what attempts use is neither limited nor counted, and oom cannot be told",
            help: "start the agent as root, or by systemd with Delegate=yes (cluster/systemd)")
    }

    private func shell(_ outlook: AgentOutlook) -> Finding {
        if let bash = outlook.bash { return Finding(subject: "shell", state: .fine, fact: bash) }
        return Finding(
            subject: "shell", state: .warning, fact: "there is no bash: steps that name no shell run with sh",
            help: "install it (apt-get install bash), or have workflows say shell: sh")
    }

    /// An attempt takes about ten, a connection one; programs of steps inherit the limit.
    private static let openFilesLeast = 4_096

    private func openFiles(_ outlook: AgentOutlook) -> Finding {
        let isLow = outlook.openFilesMax < Self.openFilesLeast
        return Finding(
            subject: "open files", state: isLow ? .warning : .fine,
            fact: "at most \(outlook.openFilesMax) at a time",
            help: isLow ? "LimitNOFILE=65536 in the unit, or: ulimit -n 65536" : nil)
    }

    private func git() -> Finding {
        let folders = (Terminal.environment("PATH") ?? "/usr/bin:/bin").split(separator: ":")
        let names = folders.map { (folder: Substring) -> String in "\(folder)/git" }
        if let path = names.first(where: { access($0, X_OK) == 0 }) {
            return Finding(subject: "git", state: .fine, fact: path)
        }
        return Finding(
            subject: "git", state: .warning, fact: "not on PATH",
            help: "submit and run then pack every file beside the workflow, and know no commit; install git")
    }

    /// Files that time services keep while they work: systemd's, chrony's, ntpd's, OpenNTPD's.
    private static let timeServices = [
        "/run/systemd/timesync/synchronized", "/run/chrony/chronyd.pid", "/run/chronyd.pid", "/run/ntpd.pid",
        "/run/ntpd.sock",
    ]

    private func clock() -> Finding {
        let now = "it is \(Instant.wallClock().utc) here"
        if Self.timeServices.contains(where: { access($0, F_OK) == 0 }) {
            return Finding(subject: "clock", state: .fine, fact: "\(now), kept by a time service")
        }
        return Finding(
            subject: "clock", state: .warning, fact: "\(now), and no time service is seen",
            help: "certificates are judged by this clock: look whether it is right, or run chrony")
    }

    private func devices(_ outlook: AgentOutlook) -> [Finding] {
        let gpus = outlook.gpus
        let pythons = outlook.interpreters
        let seen = outlook.stepUser == nil ? "" : ", as attempts' users see them"
        var findings = [
            Finding(
                subject: "gpus", state: .fine,
                fact: gpus.isEmpty
                    ? "none" : gpus.map { "\($0.model) with \($0.memory), \($0.uuid)" }.joined(separator: "; ")),
            pythons.isEmpty
                ? Finding(
                    subject: "python", state: .warning, fact: "none found\(seen)",
                    help: "install one (apt-get install python3 python3-venv, or uv, pyenv, conda)")
                : Finding(
                    subject: "python", state: .fine,
                    fact: pythons.map { "\($0.version) (\($0.path))" }.joined(separator: ", ") + seen),
        ]
        findings += outlook.gpuTroubles.map {
            Finding(
                subject: "gpu", state: .warning, fact: $0, help: "an agent does not give it out until that is done")
        }
        // Of attempts, if an agent works here.
        findings += outlook.gpuUses.map {
            Finding(subject: "gpu", state: .fine, fact: "\($0); an agent gives it out once that has ended")
        }
        findings.append(kernelLog(outlook))
        findings += outlook.remarks.map {
            Finding(
                subject: "found", state: .warning, fact: $0,
                help: "an agent leaves it out; whoever needs it makes its folder readable to others")
        }
        return findings
    }

    /// By what the driver says there a failed device is told from a failed program.
    private func kernelLog(_ outlook: AgentOutlook) -> Finding {
        guard let refusal = outlook.kernelLogRefusal else {
            return Finding(
                subject: "kernel log", state: .fine, fact: "it can be read: gpu_fault is told by the driver's Xid")
        }
        guard !outlook.gpus.isEmpty else {
            return Finding(
                subject: "kernel log", state: .fine, fact: "it cannot be read, which only GPUs need (\(refusal))")
        }
        return Finding(
            subject: "kernel log", state: .warning,
            fact: "\(refusal): attempts that fail with their GPU look as if they failed by themselves",
            help: outlook.isRoot
                ? "show this container the machine's /dev/kmsg, and give it CAP_SYSLOG"
                : "run the agent as root, or give it CAP_SYSLOG and the right to read /dev/kmsg")
    }

    // MARK: The farm

    private func farm() async -> [Finding] {
        guard profile.exists else {
            return [
                Finding(
                    subject: "identity", state: .warning, fact: "none in \(profile.folder)",
                    help: "sheaf run needs none; for a farm: sheaf enrol --token-file FILE")
            ]
        }
        let identity: Identity
        let address: Address
        do throws(ClientError) { (identity, address) = try profile.load() } catch {
            return [Finding(subject: "identity", state: .wrong, fact: error.problem, help: error.help)]
        }
        let bearer = identity.principal
        let left = Instant.wallClock().duration(to: identity.certificate.notAfter)
        let isEnding = left < Self.expiryWarning
        let renewal =
            bearer.role == .agent && left > .zero
            ? "an agent renews it by itself: is it running, and does the farm answer it?"
            : "ask an admin for a new token, then: "
                + (bearer.role == .agent ? "sheaf agent --token-file FILE" : "sheaf enrol --replace --token-file FILE")
        let certificate = Finding(
            subject: "identity", state: left <= .zero ? .wrong : isEnding ? .warning : .fine,
            fact: "\(bearer.role.rawValue) \(bearer.name), until \(identity.certificate.notAfter.utc)",
            help: isEnding ? renewal : nil)
        return [certificate] + (await connection(identity, address))
    }

    /// Differences of clocks that leave certificates and logs of use.
    private static let clockLeadMax = Duration.seconds(60)

    private func connection(_ identity: Identity, _ address: Address) async -> [Finding] {
        do throws(ClientError) {
            let client = try await FarmClient.connect(to: address, as: identity, on: try Farming.loop())
            let lead = await client.link.peerClockLead
            await client.link.close()
            var findings = [Finding(subject: "farm", state: .fine, fact: "\(address) answers and takes this identity")]
            guard let lead else { return findings }
            let seconds = abs(lead.inSeconds)
            let isFar = seconds > Self.clockLeadMax.inSeconds
            findings.append(
                Finding(
                    subject: "farm's clock", state: isFar ? .warning : .fine,
                    fact: seconds < 1
                        ? "agrees with this one"
                        : "\(Int(seconds.rounded())) s \(lead > .zero ? "ahead of" : "behind") this one",
                    help: isFar ? "one of the two is wrong: keep both by a time service (chrony)" : nil))
            return findings
        } catch {
            return [Finding(subject: "farm", state: .wrong, fact: error.problem, help: error.help)]
        }
    }

    static func json(_ findings: [Finding]) -> [UInt8] {
        var writer = JSONWriter(indent: 2)
        writer.value(
            .array(
                findings.map { finding in
                    [
                        "subject": .string(finding.subject), "state": .string(finding.state.rawValue),
                        "fact": .string(finding.fact), "help": finding.help.map { .string($0) } ?? .null,
                    ]
                }))
        writer.newline()
        return writer.bytes
    }
}
