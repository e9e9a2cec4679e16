import Model

/// What agents keep of what they made for one shard and another may need: environments, by the digest of their lock, and
/// code trees, by that of their manifest. Among agents that can take a shard now, those are preferred that keep what it
/// needs: nothing ever waits for one of them.
extension Farm {
    /// How many things an agent is known to keep; those that it used longest ago are forgotten.
    static let keptMax = 128

    /// What a shard needs and agents may keep.
    struct Wants: Sendable {
        /// Who keeps what is dearest to make, then who keeps the next.
        var keepers: [OrderedKeys<Int>] = []

        /// What it is worth to place the shard on an agent: the dearest thing more than all others.
        func worth(of agent: Int) -> Int {
            var worth = 0
            for keepers in keepers { worth = worth * 2 + (keepers.contains(agent) ? 1 : 0) }
            return worth
        }

        /// What an agent is worth that keeps everything that anybody keeps.
        var most: Int { (1 << keepers.count) - 1 }

        /// Those who keep the dearest thing that not too many keep.
        func few(_ most: Int) -> [Int]? { keepers.first { $0.count <= most }.map { Array($0.elements) } }
    }

    func wants(_ place: Place) -> Wants {
        var wants = Wants()
        if let lock = self[cell: place].lock ?? self[cell: place].planned.environmentLock, let known = keepers[lock] {
            wants.keepers.append(known)
        }
        if let tree = runs[place.run].tree, let known = keepers[tree] { wants.keepers.append(known) }
        return wants
    }

    /// The agent keeps this, too, or has just used it again.
    mutating func keep(_ digest: Digest, on agent: Int) {
        if let at = agents[agent].keeps.firstIndex(of: digest) {
            guard at > 0 else { return }
            agents[agent].keeps.remove(at: at)
        } else {
            keepers[digest, default: OrderedKeys()].insert(agent)
        }
        agents[agent].keeps.insert(digest, at: 0)
        if agents[agent].keeps.count > Self.keptMax, let oldest = agents[agent].keeps.popLast() {
            loseKeeper(of: oldest, agent)
        }
    }

    /// The agent says all that it keeps.
    mutating func keep(only digests: [Digest], on agent: Int) {
        for digest in agents[agent].keeps { loseKeeper(of: digest, agent) }
        agents[agent].keeps = []
        for digest in digests.prefix(Self.keptMax).reversed() { keep(digest, on: agent) }
    }

    private mutating func loseKeeper(of digest: Digest, _ agent: Int) {
        keepers[digest]?.remove(agent)
        if keepers[digest]?.isEmpty == true { keepers[digest] = nil }
    }

    /// An attempt has its environment: whoever works on it keeps that, and it is what shards of its cell need.
    mutating func enter(_ attempt: AttemptID, by agent: AgentID, lock: Digest) {
        hear(agent)
        guard let slot = agentSlots[agent] else { return }
        keep(lock, on: slot)
        guard let lease = record(of: attempt), lease.agent == slot,
            let place = place(of: attempt.shard.cell)
        else { return }
        self[cell: place].lock = lock
    }
}
