import Artifacts
import Model
import Transport

extension Agent {
    private static let lookEvery = Duration.seconds(3_600)
    /// The share of objects in what is kept: an environment takes minutes to build, an object seconds to fetch.
    private static let objectsShare = 4

    /// Removes what was kept for later and is not worth its room, now and every hour. Ends when it is cancelled.
    func keepHouse() async {
        while !Task.isCancelled {
            await trim(settings.keptMax)
            do { try await Task.sleep(for: Self.lookEvery) } catch { return }
        }
    }

    /// Makes room when the disk is nearly full: nothing that is not in use is worth more than an attempt.
    func makeRoom() {
        guard !isMakingRoom else { return }
        isMakingRoom = true
        Task {
            await trim(.zero)
            self.isMakingRoom = false
        }
    }

    private func trim(_ most: ByteCount) async {
        let (environments, cache) = (host.environments, host.cache)
        let unused = settings.keptUnusedMax
        let (freed, problem) = await DiskThreads.shared.run { () -> (ByteCount, String?) in
            let now = Instant.wallClock()
            var freed = environments.trim(.init(bytesMax: most, unusedMax: unused), at: now)
            do throws(ArtifactError) {
                let objects = try cache?.trim(
                    bytesMax: Int(most.bytes) / Self.objectsShare, unusedMax: unused, at: now)
                freed = ByteCount(freed.bytes + Int64(objects?.bytes ?? 0))
                return (freed, nil)
            } catch {
                return (freed, "\(error)")
            }
        }
        if freed > .zero { tell(.remark("\(freed) of environments and objects that nobody used were removed")) }
        if let problem { tell(.remark("fetched objects cannot be looked through: \(problem)")) }
    }
}
