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
        name: "doctor", summary: "check this machine: Pythons, GPUs, cgroups, disk, certificate, clock, farm",
        discussion: """
            Says what is there, what is missing, and what to do about it. Changes nothing. The exit code is 1 when
            something is wrong; a warning leaves it 0.

              sheaf doctor
              sheaf doctor --work /var/lib/sheaf-agent/work --home /var/lib/sheaf-agent/identity
            """,
        options: [
            .value("work", "FOLDER", "whose disk to look at; the current folder by default"),
            .value("format", "FORMAT", "text or json"),
        ] + Farming.options,
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

    /// An agent keeps environments and attempts' folders: with less it will soon decline work.
    static let diskFreeMin = ByteCount.gibibytes(10)
    static let expiryWarning = Duration.seconds(30 * 86_400)

    let profile: Profile
    let workFolder: String

    func examine() async -> [Finding] {
        var findings = [processors(), disk(), cgroups(), git(), clock()]
        findings += await devices()
        findings += await farm()
        return findings
    }

    // MARK: The machine

    private func processors() -> Finding {
        let discovery = Discovery()
        return Finding(
            subject: "processors", state: .fine,
            fact: "\(discovery.cores()) cores and \(discovery.memory()) of memory for this process")
    }

    private func disk() -> Finding {
        do {
            let free = ByteCount(Int64(try Folder(at: workFolder).freeBytes()))
            return Finding(
                subject: "disk", state: free < Self.diskFreeMin ? .warning : .fine,
                fact: "\(free) free below \(workFolder)",
                help: free < Self.diskFreeMin
                    ? "environments and artifacts need room: free some, or give the agent --work on a larger disk" : nil
            )
        } catch {
            return Finding(
                subject: "disk", state: .wrong, fact: "\(error)", help: "--work names a folder that is there")
        }
    }

    private func cgroups() -> Finding {
        let outlook = Cgroups.look()
        if outlook.limitsMemory {
            return Finding(
                subject: "cgroups", state: .fine,
                fact: "attempts end with all of their processes, and memory limits can be enforced")
        }
        return Finding(
            subject: "cgroups", state: .warning,
            fact: outlook.isUsable
                ? "groups can be made, memory cannot be limited in them"
                : "no groups can be made: processes of attempts are swept from /proc, memory limits are not enforced",
            help: "start the agent as root, or by systemd with Delegate=yes (cluster/systemd)")
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

    private func devices() async -> [Finding] {
        var remarks: [String] = []
        let discovery = Discovery()
        let gpus = await discovery.gpus(remarks: &remarks)
        let pythons = await discovery.interpreters(remarks: &remarks)
        var findings = [
            Finding(
                subject: "gpus", state: .fine,
                fact: gpus.isEmpty
                    ? "none" : gpus.map { "\($0.model) with \($0.memory), \($0.uuid)" }.joined(separator: "; ")),
            pythons.isEmpty
                ? Finding(
                    subject: "python", state: .warning, fact: "none found",
                    help: "install one (apt-get install python3 python3-venv, or uv, pyenv, conda)")
                : Finding(
                    subject: "python", state: .fine,
                    fact: pythons.map { "\($0.version) (\($0.path))" }.joined(separator: ", ")),
        ]
        findings += remarks.map { Finding(subject: "found", state: .warning, fact: $0) }
        return findings
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
        let certificate = Finding(
            subject: "identity", state: left <= .zero ? .wrong : isEnding ? .warning : .fine,
            fact: "\(bearer.role.rawValue) \(bearer.name), until \(identity.certificate.notAfter.utc)",
            help: isEnding ? "ask an admin for a new token, then: sheaf enrol --replace --token-file FILE" : nil)
        return [certificate, await connection(identity, address)]
    }

    private func connection(_ identity: Identity, _ address: Address) async -> Finding {
        do throws(ClientError) {
            let client = try await FarmClient.connect(to: address, as: identity, on: try Farming.loop())
            await client.link.close()
            return Finding(subject: "farm", state: .fine, fact: "\(address) answers and takes this identity")
        } catch {
            return Finding(subject: "farm", state: .wrong, fact: error.problem, help: error.help)
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
