import Testing

@testable import AgentService

@Suite struct `What the driver says of GPUs` {
    @Test func `is read from the kernel's log`() throws {
        let fault = try #require(
            GPUFault("NVRM: Xid (PCI:0000:3b:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus."))
        #expect(fault.address == PCIAddress(domain: 0, bus: 0x3b, device: 0))
        #expect(fault.xid == 79 && fault.isDevices)
        // Older drivers name no process.
        #expect(
            GPUFault("[drm] NVRM: Xid (PCI:0001:af:1f): 48, An uncorrectable double bit error")?.address.bus == 0xaf)
        for text in [
            "NVRM: loading NVIDIA UNIX x86_64 Kernel Module", "NVRM: Xid (PCI:here): 79, x",
            "NVRM: Xid (PCI:0000:3b:00) 79",
            "NVRM: Xid (PCI:0000:3b:00): , x", "",
        ] { #expect(GPUFault(text) == nil, "\(text)") }
    }

    @Test func `is the program's doing where it went beyond its memory`() throws {
        for (xid, isDevices) in [
            (13, false), (31, false), (43, false), (48, true), (74, true), (95, true), (119, true),
        ] {
            #expect(GPUFault("NVRM: Xid (PCI:0000:01:00): \(xid), pid=7, x")?.isDevices == isDevices, "\(xid)")
        }
    }

    @Test func `is looked for where an attempt has devices, and nowhere else`() {
        let place = PCIAddress(domain: 0, bus: 1, device: 0)
        #expect(DeviceWatch(of: [], at: ["GPU-1": place], log: KernelLog(at: "/dev/null")) == nil)
        #expect(DeviceWatch(of: ["GPU-2"], at: ["GPU-1": place], log: KernelLog(at: "/dev/null")) == nil)
        #expect(DeviceWatch(of: ["GPU-1"], at: ["GPU-1": place], log: nil) == nil)
        #expect(DeviceWatch(of: ["GPU-1"], at: ["GPU-1": place], log: KernelLog(at: "/dev/null")) != nil)
    }
}
