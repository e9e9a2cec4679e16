import Glibc
import Model

extension AttemptDriver {
    /// CPU time of the attempt until now: of all its processes where a cgroup counts, else of those that have ended.
    var cpuSoFar: UInt64 { place?.enclosure.groups.cpuNanoseconds ?? cpuNanoseconds }

    /// How many processes the kernel has killed for memory so far; `nil` where nobody counts: a daemon's containers live in
    /// groups of its own.
    var oomKills: Int? { place?.container?.engine.kind == .docker ? nil : place?.enclosure.groups.oomKills }

    /// Less than this on the agent's disk is none: programs fail before the last byte is taken.
    private static let noRoom = ByteCount.mebibytes(16)

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
        let oomKills = oomKilledBefore.flatMap { before in place?.enclosure.groups.oomKills.map { $0 - before } }
        if let oomKills, oomKills > 0 {
            let limit =
                place?.enclosure.groups.memoryLimit.map { "the attempt's limit of \($0)" }
                ?? "the limit of the agent or the machine"
            let peak = place?.enclosure.groups.peakMemory.map { "; the peak was \($0)" } ?? ""
            return Cause(
                .oom, evidence: "\(subject): the kernel killed \(oomKills) of its processes at \(limit)\(peak)")
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
                signal = " (128 + \(code - 128): a process in it was ended by signal \(code - 128)"
                signal += "\(Self.signalName(code - 128))"
                signal += code - 128 == Int(SIGKILL) ? "; \(Self.words(ofOOMKills: oomKills)))" : ")"
            }
            return Cause(.userExit, code: code, evidence: "\(subject) ended with exit code \(code)\(signal)\(device)")
        }
    }

    /// A program that failed while its disk had no room. That it says so is not enough: other things run out with the same
    /// error (inotify watches), and it may mean memory that is mounted as a disk.
    private func fullDisk(_ subject: String) -> Cause? {
        guard let place else { return nil }
        let heard = output.diskMessage
        let free = min(ByteCount(Files.freeBytes(at: place.folder.path)), heard?.free ?? .init(.max))
        guard free < Self.noRoom else { return nil }
        let said = heard.map { ", and it said: \($0.text)" } ?? ""
        return Cause(
            .diskFull, evidence: "\(subject) failed while \(free) were free on the agent's disk\(said)")
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
}
