import Artifacts
import Glibc
import Model

/// What an agent lends to each of its attempts.
struct AttemptHost: Sendable {
    var agent: String
    /// `attempts/` and `environments/` lie here; traversable, but each attempt's folder only by its user.
    var workFolder: String
    /// Logs and reports, until the farm has them: the agent's alone.
    var spoolFolder: String
    var interpreters: [Interpreter]
    var cgroups: Cgroups
    var accounts: AccountPool
    var environments: Environments
    /// What the owner offers: checked when the agent starts, and again before an attempt reads it.
    var inputs: InputCheck
    /// The farm's objects, over whatever connection there is.
    var objects: FarmObjects
    var cache: ObjectStore?
    /// What the owner gives to every step: proxies, package indexes, certificates. Never the agent's own environment.
    var environment: [CommandFile.Entry]
    /// What the owner lets steps read; hidden in all that attempts give away.
    var secrets = HeldSecrets.none
    var hasCUDA: Bool
    /// Where GPUs sit, by their names.
    var gpuAddresses: [String: PCIAddress] = [:]
    /// How they are now, by their names, as far as the driver says; asking blocks.
    var gpuHealth: @Sendable () -> [String: GPUHealth] = { [:] }
    /// Programs of others may compute on them.
    var sharesGPUs = false
    /// For how long an attempt waits for a device that is not fit: what had it before may be about to go.
    var gpuPatience = Duration.seconds(10)
    /// Where the driver says what became of them.
    var kernelLog = KernelLog.path
    var processesMax = 8192
    /// Attempts' folders stay, for whoever looks for a mistake.
    var keepsWorkspaces = false
    /// How long steps that always run may take after a job was stopped.
    var wrapUp = Duration.minutes(5)
    /// Where programs are searched after everything that the job put in front.
    var searchPath = AttemptHost.searchPathStandard
    static let searchPathStandard = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    /// Makes part of the names of cgroups: one that was killed is not used again, even by the agent's next life.
    var incarnation: String
    /// Whether each attempt lives in a chamber of its own; else its processes are found by looking.
    var hasChambers = Chamber.refusal == nil
    /// Plans what attempts see of the file system; `nil`: what the agent sees.
    var views: PrivateViews?
    /// Where there are no chambers.
    var warden: Warden?
    /// Starts the containers of jobs that have one.
    var engine: ContainerEngine?
    /// Held for as long as attempts can begin here.
    var attempts: AttemptsFolder?
    /// Which of the machine's ports attempts' services have.
    var ports = HostPorts()
    /// Where attempts live, one after the other.
    var berths = Berths()
    /// Hears that an attempt has its environment, and the digest of its lock.
    var entered: @Sendable (AttemptID, Digest) -> Void = { _, _ in }
    /// Makes a descriptor's file or folder outlive a loss of power: 0, or -1 and `errno`.
    var sync: @Sendable (CInt) -> CInt = { fsync($0) }

    var attemptsFolder: String { AttemptsFolder.path(below: workFolder) }
}
