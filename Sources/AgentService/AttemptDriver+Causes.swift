import Artifacts
import Glibc
import Model

extension AttemptDriver {
    /// CPU time of the attempt until now: of all its processes where a cgroup counts, else of those that have ended.
    var cpuSoFar: UInt64 {
        (place?.enclosure.groups.cpuNanoseconds ?? cpuNanoseconds) + containersUsage.cpuNanoseconds
            + (place?.container?.counts?.cpuNanoseconds ?? 0)
    }

    /// How many processes the kernel has killed for memory so far; `nil` where nobody counts. A daemon's containers live in groups
    /// of its own.
    var oomKills: Int? {
        guard let place else { return nil }
        guard let counts = place.container?.counts else { return place.enclosure.groups.oomKills }
        return counts.oomKills.map { $0 + (place.enclosure.groups.oomKills ?? 0) }
    }

    /// Less than this on the agent's disk is none: programs fail before the last byte is taken.
    private static let noRoom = ByteCount.mebibytes(16)
    /// Whoever waits for a cause waits for no more of them.
    private static let entriesMax = 200_000

    /// Why a program's end makes the attempt fail; `nil` when it does not.
    ///
    /// What the kernel and the disk say counts more than what the program says, and that more than its code.
    ///
    /// - Parameter subject: `step 'train'`.
    /// - Parameter oomKilledBefore: what the kernel had counted when the program started; `nil` where nobody counts.
    func cause(of exit: ProcessExit, _ subject: String, isLate: Duration?, oomKilledBefore: Int?) -> Cause? {
        if let limit = isLate {
            return Cause(.timeout, evidence: "\(subject) reached its limit of \(Self.words(limit))")
        }
        guard exit.how != .code(0) else { return nil }
        let oomKills = oomKilledBefore.flatMap { before in self.oomKills.map { $0 - before } }
        if let oomKills, oomKills > 0, let place {
            if let counts = place.container?.counts, counts.oomKills ?? 0 > 0 {
                return Self.cause(
                    ofKills: oomKills, subject, limit: counts.memoryLimit, peak: counts.peakMemory)
            }
            let groups = place.enclosure.groups
            return Self.cause(ofKills: oomKills, subject, limit: groups.memoryLimit, peak: groups.peakMemory)
        }
        devices?.look()
        if let fault = devices?.deviceFault {
            return Cause(.gpuFault, evidence: "\(subject) failed, and \(fault)")
        }
        if let message = output.gpuMessage { return Cause(.gpuOOM, evidence: "\(subject): \(message)") }
        if let cause = fullDisk(subject) { return cause }
        let device = devices?.programFault.map { "; \($0)" } ?? ""
        switch exit.how {
        case .signal(let number):
            let memory = number == Int(SIGKILL) ? "; " + Self.words(ofOOMKills: oomKills) : ""
            return Cause(
                .signal, code: number,
                evidence: "\(subject) was ended by signal \(number)\(Self.signalName(number))\(memory)\(device)")
        case .code(let code):
            // A shell reports a child's signal as 128 + its number.
            var signal = ""
            if code > 128, code < 160 {
                signal = " (128 + \(code - 128), as a shell reports a process that was ended by signal \(code - 128)"
                signal += "\(Self.signalName(code - 128))"
                signal += code - 128 == Int(SIGKILL) ? "; \(Self.words(ofOOMKills: oomKills)))" : ")"
            }
            return Cause(.userExit, code: code, evidence: "\(subject) ended with exit code \(code)\(signal)\(device)")
        }
    }

    /// The kernel has killed for memory: at the attempt's own limit, else at one that it shares with others. Whoever kept
    /// within its own is not to blame for that.
    ///
    /// - Parameters:
    ///   - limit: the attempt's own; `nil`: it has none.
    ///   - peak: the most that it held at one time; `nil` where nobody counts.
    static func cause(ofKills kills: Int, _ subject: String, limit: ByteCount?, peak: ByteCount?) -> Cause {
        let killed = "\(subject): the kernel killed \(kills) of its processes at"
        let held = peak.map { "; the peak was \($0)" } ?? ""
        guard let limit else { return Cause(.oom, evidence: "\(killed) the limit of the agent or the machine\(held)") }
        // The kernel charges pages by the batch: a group is killed in a little below its limit.
        if let peak, peak.bytes < limit.bytes - limit.bytes / 16 {
            return Cause(
                .agentFault,
                evidence: "\(killed) the limit of the agent or the machine, which others had filled: its own peak was "
                    + "\(peak) of \(limit)")
        }
        return Cause(.oom, evidence: "\(killed) the attempt's limit of \(limit)\(held)")
    }

    /// A program that failed while its disk had no room. That it says so is not enough: other things run out with the same
    /// error (inotify watches), and it may mean memory that is mounted as a disk.
    private func fullDisk(_ subject: String) -> Cause? {
        guard let place else { return nil }
        let heard = output.diskMessage
        let free = min(ByteCount(Files.freeBytes(at: place.folder.path)), heard?.free ?? .init(.max))
        guard free < Self.noRoom else { return nil }
        let said = heard.map { ", and it said: \($0.text)" } ?? ""
        // Whoever reads it wants to know whether it was this attempt that filled it.
        let own = TreeSize(of: place.folder.path, entriesMax: Self.entriesMax)
        let held = "its own files took \(own.isPartial ? "at least " : "")\(ByteCount(own.bytes))"
        return Cause(
            .diskFull, evidence: "\(subject) failed while \(free) were free on the agent's disk; \(held)\(said)")
    }

    private static func words(ofOOMKills kills: Int?) -> String {
        kills == nil
            ? "whether for memory cannot be told, for nobody counts that here"
            : "the kernel killed none of them for memory"
    }

    private static func signalName(_ number: Int) -> String {
        let names = [
            1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 6: "ABRT", 7: "BUS", 8: "FPE", 9: "KILL", 11: "SEGV", 13: "PIPE",
            15: "TERM", 24: "XCPU", 25: "XFSZ", 31: "SYS",
        ]
        return names[number].map { ", SIG\($0)" } ?? ""
    }

    /// What the attempt comes to: its first failure, unless it was stopped before, its devices failed or its log is not whole.
    func endingCause() -> Cause {
        var cause = failure ?? Cause(.passed)
        switch watch.reason {
        case .timeout:
            cause = Cause(.timeout, evidence: "the job's limit of \(Self.words(assignment.timeout)) was reached")
        case .idle(let line):
            let idle = assignment.idleTimeout.map(Self.words) ?? ""
            cause = Cause(
                .idle, evidence: "no output for \(idle); the last line was: \(line.isEmpty ? "(none)" : line)")
        case .cancelled(let why): cause = Cause(.cancelled, evidence: why)
        case .excess(let held): cause = Cause(.userError, evidence: Self.words(ofExcess: held, assignment.disk))
        case .preempted(let why): cause = Cause(.preempted, evidence: why)
        case .leaseEnded: cause = Cause(.lostAgent, evidence: "the lease ended while the farm could not be reached")
        case nil: break
        }
        devices?.look()
        if let fault = devices?.deviceFault {
            switch watch.reason {
            // What hangs with its device is not slow, nor silent, by itself.
            case .timeout, .idle: cause = Cause(.gpuFault, evidence: "\(fault); \(cause.evidence)")
            case .cancelled, .excess, .preempted, .leaseEnded, nil: break
            }
            if case .passed = cause.kind { output.note("warning", "\(fault); the steps passed all the same") }
        }
        if let errors = memoryErrors() {
            switch cause.kind {
            // Whatever the program made of them: nothing that was computed there is believed.
            case .passed, .userExit, .signal, .gpuOOM, .timeout, .idle:
                cause = Cause(.gpuFault, evidence: cause.kind == .passed ? errors : "\(errors); \(cause.evidence)")
            case .userError, .oom, .cancelled, .notNeeded, .lostAgent, .agentFault, .gpuFault, .diskFull,
                .dataUnavailable, .preempted, .queueTimeout:
                break
            }
        }
        if let kills = oomKills, kills > 0, cause.kind != .oom, cause.kind != .agentFault {
            let told = "the kernel killed \(kills) of the attempt's processes for memory"
            output.note("warning", told)
            if cause.kind != .passed { cause.evidence += "; \(told)" }
        }
        if case .passed = cause.kind, output.log.isDiskFull {
            cause = Cause(.diskFull, evidence: "the agent's disk was full: the log is not whole")
        }
        return cause
    }

    // MARK: Errors

    static func cause(of error: any Error) -> Cause {
        var cause = plainCause(of: error)
        // Errors bring their help on a line of its own; evidence is one line.
        cause.evidence = cause.evidence.split(whereSeparator: \.isNewline)
            .map { $0.drop { $0 == " " } }.joined(separator: "; ")
        return cause
    }

    private static func plainCause(of error: any Error) -> Cause {
        switch error {
        case let error as AgentError:
            switch error {
            case .user: Cause(.userError, evidence: "\(error)")
            case .ended(let cause): cause
            case .dataUnavailable: Cause(.dataUnavailable, evidence: "\(error)")
            case .cancelled: Cause(.cancelled, evidence: "cancelled")
            case .configuration, .farm, .unknown: Cause(.agentFault, evidence: "\(error)")
            case .system: Cause(error.isDiskFull ? .diskFull : .agentFault, evidence: "\(error)")
            }
        case let error as ArtifactError:
            switch error.blame {
            case .user: Cause(.userError, evidence: "\(error)")
            case .sender: Cause(.agentFault, evidence: "\(error)")
            case .machine: Cause(error.isDiskFull ? .diskFull : .agentFault, evidence: "\(error)")
            }
        case is CancellationError: Cause(.cancelled, evidence: "cancelled")
        default: Cause(.agentFault, evidence: "\(error)")
        }
    }
}
