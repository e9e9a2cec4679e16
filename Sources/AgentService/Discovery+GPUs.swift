import CLinux
import Glibc
import Model

extension Discovery {
    static let gpusMax = 64

    /// A device, where it sits if the driver says so, and how it is.
    typealias Device = (gpu: GPU, address: PCIAddress?, health: GPUHealth?)

    /// NVIDIA's devices, asked of the driver's library, else of `nvidia-smi`; none where neither is there.
    func devices(remarks: inout [String]) async -> [Device] {
        for name in places.nvml {
            let (devices, count) = Self.ask(name)
            if count == -ENOENT { continue }
            guard count >= 0 else {
                remarks.append(
                    "\(name) is installed and does not work (NVML error \(-count - 1000)): is the driver loaded?")
                continue
            }
            return devices.map { device in
                let gpu = GPU(
                    uuid: Self.text(device.uuid), model: Self.text(device.model),
                    memory: ByteCount(Int64(clamping: device.memory)))
                let address = PCIAddress(domain: device.domain, bus: device.bus, device: device.device)
                return (gpu, device.has_place == 0 ? nil : address, Self.health(of: device, gpu.memory))
            }
        }
        return await askTool(remarks: &remarks).map { ($0, nil, nil) }
    }

    /// The devices that a driver's library knows of; how many these are, or what went wrong: less than 0.
    private static func ask(_ library: String) -> (devices: ArraySlice<clinux_gpu>, count: CInt) {
        var devices = [clinux_gpu](repeating: clinux_gpu(), count: gpusMax)
        let count = unsafe clinux_nvml_devices(library, &devices, gpusMax)
        return (devices.prefix(Int(max(0, count))), count)
    }

    private static func health(of device: clinux_gpu, _ memory: ByteCount) -> GPUHealth {
        GPUHealth(
            memory: memory, memoryUsed: device.memory_used < 0 ? nil : ByteCount(device.memory_used),
            processes: device.processes < 0 ? nil : Int(clamping: device.processes), process: Int(device.process),
            uncorrected: device.uncorrected < 0 ? nil : Int(clamping: device.uncorrected),
            hasRowsPending: device.rows_pending != 0, hasRowsFailed: device.rows_failed != 0)
    }

    /// How the devices are now, by their names; nothing where the driver's library does not say. Blocks.
    static func gpuHealth(_ libraries: [String]) -> [String: GPUHealth] {
        for name in libraries {
            let (devices, count) = ask(name)
            guard count >= 0 else { continue }
            return Dictionary(
                devices.map { device in
                    (text(device.uuid), health(of: device, ByteCount(Int64(clamping: device.memory))))
                }, uniquingKeysWith: { $1 })
        }
        return [:]
    }

    private func askTool(remarks: inout [String]) async -> [GPU] {
        let folders = (places.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
        guard let tool = folders.map({ $0 + "/nvidia-smi" }).first(where: { Files.isExecutable(String($0)) }) else {
            return []
        }
        let query = ["--query-gpu=uuid,name,memory.total", "--format=csv,noheader,nounits"]
        guard let answer = await Probe.ask(String(tool), query, within: .seconds(30)), answer.exit == .code(0) else {
            remarks.append("\(tool) is installed and does not answer: is the driver loaded?")
            return []
        }
        return Self.gpus(listing: answer.text)
    }

    /// Lines of `UUID, model, MiB`.
    static func gpus(listing: String) -> [GPU] {
        listing.split(separator: "\n").prefix(gpusMax).compactMap { line in
            let fields = line.split(separator: ",").map { String($0).trimmed }
            guard fields.count == 3, fields[0].hasPrefix("GPU-") || fields[0].hasPrefix("MIG-"),
                let mebibytes = Int64(fields[2]), mebibytes >= 0, mebibytes < 1 << 40
            else { return nil }
            return GPU(uuid: fields[0], model: fields[1], memory: .mebibytes(mebibytes))
        }
    }

    private static func text<Raw>(_ raw: Raw) -> String {
        unsafe withUnsafeBytes(of: raw) { unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
