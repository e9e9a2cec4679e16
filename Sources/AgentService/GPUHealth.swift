import Model
import Scheduling

/// What the driver says of a device at one moment.
struct GPUHealth: Equatable, Sendable {
    /// What the driver keeps for itself is part of what is used: at most so much, or so small a part of the whole.
    static let ownMemoryMax = ByteCount.gibibytes(1)
    static let ownPartMax = 0.02

    var memory: ByteCount
    /// `nil` here and below: the driver does not say.
    var memoryUsed: ByteCount?
    /// How many programs compute on it, and the number of one.
    var processes: Int?
    var process = 0
    /// Errors that its memory could not correct, since the driver was loaded.
    var uncorrected: Int?
    /// Rows of its memory wait for a reset to be replaced.
    var hasRowsPending = false
    /// Rows of its memory could not be replaced.
    var hasRowsFailed = false

    /// Why no attempt should get it; `nil` when one may.
    ///
    /// - Parameter isUsed: an attempt has it, or its owner shares it: who computes on it says nothing then.
    func ailment(isUsed: Bool) -> String? {
        if hasRowsFailed { return "rows of its memory have failed and cannot be replaced: have it exchanged" }
        if hasRowsPending { return "rows of its memory wait to be replaced: reset it (nvidia-smi --gpu-reset)" }
        return isUsed ? nil : use.map { "\($0), for nobody's attempt" }
    }

    /// Who has it, as far as that shows; `nil`: nobody.
    var use: String? {
        if let processes, processes > 0 {
            let one = process > 0 ? "process \(process)" : "a program"
            return processes == 1
                ? "\(one) computes on it"
                : "\(processes) programs compute on it" + (process > 0 ? ", process \(process) among them" : "")
        }
        let most = max(Self.ownMemoryMax, ByteCount(Int64(Double(memory.bytes) * Self.ownPartMax)))
        if let memoryUsed, memoryUsed > most { return "\(memoryUsed) of its memory are in use" }
        return nil
    }

    /// How many errors its memory could not correct since an earlier look.
    func errors(since before: GPUHealth) -> Int {
        guard let uncorrected, let earlier = before.uncorrected else { return 0 }
        return max(0, uncorrected - earlier)
    }
}

/// Decides which devices the farm hears are unfit. What is seen once may be an attempt's end: memory is given back a moment after
/// its last process has gone.
struct GPURounds: Sendable {
    private var suspected: [String: String] = [:]
    /// As the farm was told last; `nil`: it was told nothing on this connection.
    private var told: [Farm.UnfitDevice]?

    /// A connection begins: the farm is told anew.
    mutating func forget() { told = nil }

    /// - Parameter health: by the devices' names.
    /// - Returns: what to tell; `nil`: it is as the farm knows it.
    mutating func look(_ health: [String: GPUHealth], isUsed: (String) -> Bool) -> [Farm.UnfitDevice]? {
        var ailing: [String: String] = [:]
        for (uuid, health) in health { ailing[uuid] = health.ailment(isUsed: isUsed(uuid)) }
        let unfit = ailing.filter { suspected[$0.key] != nil }.map { Farm.UnfitDevice(uuid: $0.key, reason: $0.value) }
            .sorted { $0.uuid < $1.uuid }
        suspected = ailing
        guard unfit != told ?? [] else {
            told = told ?? []
            return nil
        }
        told = unfit
        return unfit
    }
}
