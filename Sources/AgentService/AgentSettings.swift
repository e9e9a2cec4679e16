import Glibc
package import Model
package import Transport

/// How one agent is run.
package struct AgentSettings: Sendable {
    package var address: Address
    /// At the agent's start; it renews it by itself.
    package var identity: Identity
    /// Stores a renewed identity where the next start finds it.
    package var keepIdentity: @Sendable (Identity) throws -> Void = { _ in }
    /// Attempts' folders and environments.
    package var workFolder: String
    /// Logs and reports until the farm has them: the agent's alone.
    package var spoolFolder: String
    /// What attempts have no business in, the agent's identity above all.
    package var hiddenFolders: [String] = []
    /// What the owner lets attempts see, though it lies below `/tmp` or a folder that is closed to them.
    package var shownFolders: [String] = []
    /// What the agent offers at most; `nil`: all that the machine has.
    package var cpus: Int?
    package var memory: ByteCount?
    /// What attempts' files may take together; `nil`: all that is free when the agent starts, but `diskFreeMin`.
    package var disk: ByteCount?
    package var labels: [String] = []
    package var inputs: [InputCheck.Offer] = []
    /// What the owner gives to every step: proxies, package indexes. Never the agent's own environment.
    package var stepEnvironment: [(name: String, value: String)] = []
    /// What the owner lets steps read by `${{ secrets.NAME }}`.
    package var secrets = HeldSecrets.none
    package var accounts: StepAccounts
    package var keepsWorkspaces = false
    /// GPUs are given out also where programs of others compute on them.
    package var sharesGPUs = false
    /// How often GPUs are looked at.
    package var gpuLookEvery = Duration.seconds(15)
    /// Whose containers jobs may run in.
    package var containers = Containers.any
    /// The owner's words for each container: `--network=host`.
    package var containerOptions: [String] = []
    /// A folder with images for apptainer, by their names; `nil`: all come from registries.
    package var containerImages: String?
    /// Whether the agent ends, with `AgentError.unknown`, where the farm has no record of its certificate, because its owner
    /// has a token for a new one. Else it goes on trying: the farm may have been restored from a copy that is too old.
    package var endsWhereUnknown = false
    /// Room on the disk of `workFolder` below which nothing new begins.
    package var diskFreeMin = ByteCount.gibibytes(1)
    /// How much of built environments and fetched objects is kept for later attempts, together.
    package var keptMax = ByteCount.gibibytes(100)
    /// How long what nobody uses is kept.
    package var keptUnusedMax = Duration.seconds(30 * 86_400)

    /// How long a report waits for the last lines of its log. A log is no evidence: no verdict waits for a slow one.
    package var logFirstMax = Duration.seconds(20)
    package var links = LinkSettings.standard

    package init(
        address: Address, identity: Identity, workFolder: String, spoolFolder: String, accounts: StepAccounts
    ) {
        self.address = address
        self.identity = identity
        self.workFolder = workFolder
        self.spoolFolder = spoolFolder
        self.accounts = accounts
    }

    /// Which engine is used.
    package enum Containers: String, CaseIterable, Sendable {
        /// The first that works.
        case any
        case podman, docker, apptainer, none
    }

    package var name: String { identity.principal.name }

    /// Why nothing may begin now on the disk of `workFolder`; `nil` when it may.
    package var diskShortage: String? { diskShortage(for: nil) }

    /// The same for an attempt that has asked for so much of it.
    func diskShortage(for asked: ByteCount?) -> String? {
        let free = ByteCount(Files.freeBytes(at: workFolder))
        guard free - diskFreeMin < asked ?? .zero else { return nil }
        let wanted = asked.map { " beside the \($0) that are asked for" } ?? ""
        return "\(free) are free on the disk of \(workFolder), and \(diskFreeMin) must stay free\(wanted)"
    }

    /// What attempts' files may take of the disk of `workFolder` together, as far as one can tell before they begin.
    var diskOffered: ByteCount {
        // An agent that names none is asked for any: there is always a byte.
        let free = max(ByteCount(1), ByteCount(Files.freeBytes(at: workFolder)) - diskFreeMin)
        return disk.map { min($0, free) } ?? free
    }
}

/// What an agent tells its owner.
package enum AgentEvent: Sendable, CustomStringConvertible {
    case remark(String)
    case joined(Address)
    /// The connection is away; the agent goes on and looks for it.
    case lost(String)
    case attemptStarted(AttemptID, String)
    case attemptEnded(AttemptID, Cause.Kind)
    /// The farm has its report, and has said that it is stored and counts.
    case reportCounted(AttemptID)
    case draining(String)

    package var description: String {
        switch self {
        case .remark(let text): "note: \(text)"
        case .joined(let address): "joined the farm at \(address)"
        case .lost(let why): "the farm is away: \(why)"
        case .attemptStarted(let attempt, let name): "\(attempt) started: \(name)"
        case .attemptEnded(let attempt, let cause): "\(attempt) ended: \(cause.rawValue)"
        case .reportCounted(let attempt): "\(attempt) reported: the farm has it"
        case .draining(let reason): "no new attempts: \(reason)"
        }
    }
}
