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

    /// Which of the locks and code trees that the farm was told of are there after something was removed. Blocks.
    static func stillKept(
        _ locks: [Digest], _ trees: [Digest], _ environments: Environments, _ cache: ObjectStore?
    ) -> Set<Digest> {
        let built = Set(environments.locks(most: .max))
        return Set(locks.filter(built.contains) + trees.filter { cache?.contains($0) ?? false })
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
        if freed > .zero {
            tell(.remark("\(freed) of environments and objects that nobody used were removed"))
            // What went while this looks is told wrongly at most until the next look: shards are placed a little worse.
            let (locks, trees) = (keptLocks, keptTrees)
            let there = await DiskThreads.shared.run {
                Self.stillKept(locks, trees, environments, cache)
            }
            keptLocks.removeAll { locks.contains($0) && !there.contains($0) }
            keptTrees.removeAll { trees.contains($0) && !there.contains($0) }
        }
        if let problem { tell(.remark("fetched objects cannot be looked through: \(problem)")) }
    }
}
