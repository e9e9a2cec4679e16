import Artifacts
import Model
import Scheduling
import Wire

/// GPUs that are not fit for an attempt: the farm gives none of them out until they are.
extension Agent {
    func keepDevices() async {
        guard !capacity.gpus.isEmpty else { return }
        while !Task.isCancelled {
            do { try await Task.sleep(for: settings.gpuLookEvery) } catch { return }
            await lookAtDevices()
        }
    }

    /// Looks at all of them, and tells the farm what has changed.
    func lookAtDevices() async {
        guard !capacity.gpus.isEmpty else { return }
        let health = await DiskThreads.shared.run { [host] in host.gpuHealth() }
        let lent = Set(held.values.flatMap(\.share.gpus))
        let isUsed = { [host] uuid in host.sharesGPUs || lent.contains(uuid) }
        guard let unfit = rounds.look(health, isUsed: isUsed) else { return }
        for device in unfit { tell(.remark("\(device.uuid) is not given out: \(device.reason)")) }
        let told = unfit.map { device in
            Proto.UnfitDevice.with {
                $0.uuid = device.uuid
                $0.reason = device.reason
            }
        }
        say(.devices(.with { $0.unfit = told }))
    }
}
