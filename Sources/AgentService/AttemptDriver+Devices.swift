import Model

/// The attempt's GPUs, as the driver sees them before and after it.
extension AttemptDriver {
    private static let lookEvery = Duration.milliseconds(500)

    private func health() -> [String: GPUHealth] {
        host.gpuHealth().filter { assignment.gpus.contains($0.key) }
    }

    /// Lets nothing begin on a device that somebody else still has, or whose memory is broken.
    func checkDevices() async throws {
        guard !assignment.gpus.isEmpty else { return }
        let until = Clock.monotonic().advanced(by: host.gpuPatience)
        while true {
            devicesBefore = health()
            let unfit = assignment.gpus.compactMap { uuid in
                devicesBefore[uuid]?.ailment(isUsed: host.sharesGPUs).map { "\(uuid): \($0)" }
            }
            guard let first = unfit.first else { return }
            guard stopReason == nil, Clock.monotonic() < until else {
                throw AgentError.ended(Cause(.gpuFault, evidence: "before the attempt had begun: \(first)"))
            }
            // Nobody says when a device is free: it is looked at again.
            try await stoppable { try await Task.sleep(for: Self.lookEvery) }
        }
    }

    /// What the memory of its devices could not correct while the attempt had them, in a sentence; `nil`: nothing, or nobody says.
    func memoryErrors() -> String? {
        guard devicesBefore.values.contains(where: { $0.uncorrected != nil }) else { return nil }
        let now = health()
        for uuid in assignment.gpus {
            guard let before = devicesBefore[uuid], let errors = now[uuid]?.errors(since: before), errors > 0 else {
                continue
            }
            return
                "\(Spelling.counted(errors, "error")) in the memory of \(uuid) could not be corrected while the attempt had it"
        }
        return nil
    }
}
