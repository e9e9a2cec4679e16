import Glibc
import Model

/// Where a device sits in the machine, as the kernel names it.
struct PCIAddress: Hashable, Sendable {
    var domain, bus, device: UInt32

    init(domain: UInt32, bus: UInt32, device: UInt32) {
        self.domain = domain
        self.bus = bus
        self.device = device
    }

    /// - Parameter text: `0000:3b:00`, as in the kernel's log, or with a function behind it (`.0`).
    init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3 else { return nil }
        let numbers = parts.map { part in UInt32(part.prefix { $0 != "." }, radix: 16) }
        guard let domain = numbers[0], let bus = numbers[1], let device = numbers[2] else { return nil }
        self.init(domain: domain, bus: bus, device: device)
    }
}

/// What NVIDIA's driver has told the kernel's log of a device: an Xid, in NVIDIA's words.
struct GPUFault: Equatable, Sendable {
    var address: PCIAddress
    var xid: Int
    /// The driver's whole sentence.
    var text: String

    /// Those that a program brings about by itself, by NVIDIA's catalogue of Xids: it went beyond its memory or gave the device
    /// nonsense, and the device is as good as before.
    private static let ofPrograms: Set<Int> = [13, 31, 43, 45, 69]

    /// Whether the device failed, and not the program that used it.
    var isDevices: Bool { !Self.ofPrograms.contains(xid) }

    /// - Parameter text: `NVRM: Xid (PCI:0000:3b:00): 79, pid=…, GPU has fallen off the bus.`
    init?(_ text: some StringProtocol) {
        let mark = "NVRM: Xid (PCI:"
        guard let start = text.firstRange(of: mark)?.upperBound, let end = text[start...].firstRange(of: "): "),
            let address = PCIAddress(text[start..<end.lowerBound]),
            let xid = Int(text[end.upperBound...].prefix { $0.isNumber })
        else { return nil }
        self.address = address
        self.xid = xid
        self.text = String(text)
    }
}

/// The kernel's log from one moment on.
final class KernelLog: Sendable {
    static let path = "/dev/kmsg"
    /// More than the kernel keeps.
    private static let recordsMax = 100_000
    private static let recordBytesMax = 8 << 10

    private let raw: CInt

    /// - Returns: `nil` where this process may not read it.
    init?(at path: String = KernelLog.path) {
        raw = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard raw >= 0 else { return nil }
        _ = lseek(raw, 0, SEEK_END)
    }

    deinit { if raw >= 0 { close(raw) } }

    /// Why this process cannot read it, in the system's words; `nil` when it can.
    static func refusal(at path: String = KernelLog.path) -> String? {
        // That of opening it: nothing has come in between.
        KernelLog(at: path) == nil ? "\(AgentError.failed("open \(path)"))" : nil
    }

    /// What was said of GPUs since the last look.
    func faults() -> [GPUFault] {
        var faults: [GPUFault] = []
        var buffer = [UInt8](repeating: 0, count: Self.recordBytesMax)
        for _ in 0..<Self.recordsMax {
            // One record each: `6,1234,5678901,-;text`, with more lines behind it that start with a space.
            let count = unsafe Glibc.read(raw, &buffer, buffer.count)
            if count < 0, errno == EPIPE || errno == EINTR || errno == EINVAL { continue }
            guard count > 0 else { break }
            let record = String(decoding: buffer[..<count], as: UTF8.self)
            guard let text = record.split(separator: ";", maxSplits: 1).last,
                let line = text.split(separator: "\n").first
            else { continue }
            if let fault = GPUFault(line) { faults.append(fault) }
        }
        return faults
    }
}

/// What an attempt's own GPUs come to while it has them.
struct DeviceWatch: Sendable {
    private let log: KernelLog
    /// The attempt's, by name.
    private let places: [(uuid: String, address: PCIAddress)]
    private(set) var faults: [(uuid: String, fault: GPUFault)] = []

    /// - Parameter addresses: where the machine's devices sit, by their names.
    /// - Returns: `nil` for an attempt without devices, and where nobody can tell.
    init?(of gpus: [String], at addresses: [String: PCIAddress], log: KernelLog?) {
        let places = gpus.compactMap { uuid in addresses[uuid].map { (uuid, $0) } }
        guard let log, !places.isEmpty else { return nil }
        self.log = log
        self.places = places
    }

    /// Reads what the driver has said since the last look.
    mutating func look() {
        for fault in log.faults() {
            for place in places where place.address == fault.address { faults.append((place.uuid, fault)) }
        }
    }

    /// The first fault of a device of the attempt's, and what the driver said of it.
    var deviceFault: String? { Self.sentence(faults.first { $0.fault.isDevices }) }
    /// What a program of the attempt's did to a device.
    var programFault: String? { Self.sentence(faults.first { !$0.fault.isDevices }) }

    private static func sentence(_ found: (uuid: String, fault: GPUFault)?) -> String? {
        found.map { "the driver reported Xid \($0.fault.xid) for \($0.uuid): \($0.fault.text)" }
    }
}
