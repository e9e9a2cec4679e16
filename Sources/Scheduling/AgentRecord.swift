import Model

/// What the farm knows of an agent.
struct AgentRecord: Sendable {
    /// More of anything than this is an agent's mistake, and counted as this.
    static let cpusMax = 65_535
    static let gpusMax = 1_024

    struct Device: Sendable {
        var gpu: GPU
        var model: String
        var isLeased = false
        var tally = FaultTally()
        var quarantine: Quarantine?
        /// It was in quarantine: the next attempt on it shows whether it is well.
        var isProbing = false
        /// How often it was in quarantine in a row.
        var timesOut = 0
        /// Why it is unfit, as its agent says; `nil`: it is fit.
        var ailment: String?
        /// Not given out, leased or not.
        var isOut: Bool { quarantine != nil || ailment != nil }
        var isFree: Bool { !isLeased && !isOut }
    }

    let id: AgentID
    var team: String?
    var pool = Pool.standard
    var capacity = Capacity(cpus: 0, memory: .zero)
    var labels: Set<String> = []
    var devices: [Device] = []
    var isOnline = false
    var isDraining = false
    /// That it was lost since it last joined is counted.
    var isLossCounted = false
    /// `drained by alice: new driver`; for people.
    var drainWhy = ""
    /// After a fault or a declined offer: nothing is offered before.
    var pausedUntil: Instant?
    /// `a declined offer: 3 GiB are free`: what the pause came after.
    var pausedAfter = ""
    /// Faults and declined offers since the last attempt that went well.
    var strikes = 0
    /// `nil`: not since the coordinator started.
    var lastHeard: Instant?

    var freeCPUs = 0
    var freeMemory = ByteCount.zero
    var freeDisk = ByteCount.zero
    var freeGPUs = 0
    var leases: Set<ShardID> = []
    var tally = FaultTally()
    var losses = LossTally()
    /// Since when it has leases.
    var busySince: Instant?
    var quarantine: Quarantine?
    /// Its key in the index of agents that can be offered something.
    var indexKey: UInt64?
    /// Whether it waits among the agents that got something free.
    var isFreed = false
    /// The class that it keeps room for.
    var reservation: Int?
    /// What it keeps that shards may need, the last used first: see `Farm.keepers`.
    var keeps: [Digest] = []

    init(_ id: AgentID) { self.id = id }

    var namesMemory: Bool { capacity.memory > .zero }
    var namesDisk: Bool { capacity.disk > .zero }

    /// Takes what an outsider says about itself, within limits.
    mutating func equip(_ stated: Capacity) {
        capacity = stated
        capacity.cpus = min(max(0, stated.cpus), Self.cpusMax)
        capacity.memory = max(.zero, stated.memory)
        capacity.disk = max(.zero, stated.disk)
        var seen: Set<String> = []
        capacity.gpus = stated.gpus.prefix(Self.gpusMax).filter { seen.insert($0.uuid).inserted }
        labels = Set(stated.labels.map { $0.lowercased() })
        let known = Dictionary(devices.map { ($0.gpu.uuid, $0) }, uniquingKeysWith: { first, _ in first })
        devices = capacity.gpus.map { gpu in
            var device = known[gpu.uuid] ?? Device(gpu: gpu, model: gpu.model.lowercased())
            (device.gpu, device.model, device.isLeased) = (gpu, gpu.model.lowercased(), false)
            // Said again once it has joined.
            device.ailment = nil
            return device
        }
        freeCPUs = capacity.cpus
        freeMemory = capacity.memory
        freeDisk = capacity.disk
        freeGPUs = devices.count(where: \.isFree)
    }

    mutating func take(_ lease: LeaseRecord) {
        freeCPUs -= lease.cpus
        if let memory = lease.memory { freeMemory = freeMemory - memory }
        if let disk = lease.disk { freeDisk = freeDisk - disk }
        mark(lease.devices, leased: true)
    }

    mutating func giveBack(_ lease: LeaseRecord) {
        freeCPUs += lease.cpus
        if let memory = lease.memory { freeMemory = freeMemory + memory }
        if let disk = lease.disk { freeDisk = freeDisk + disk }
        mark(lease.devices, leased: false)
    }

    private mutating func mark(_ uuids: [String], leased: Bool) {
        for uuid in uuids {
            guard let index = devices.firstIndex(where: { $0.gpu.uuid == uuid && $0.isLeased != leased }) else {
                continue
            }
            devices[index].isLeased = leased
            if !devices[index].isOut { freeGPUs += leased ? -1 : 1 }
        }
    }

    /// Whether something that it did is to be remembered while it is away.
    var isRemembered: Bool {
        quarantine != nil || tally.faults > 0 || losses.losses > 0
            || devices.contains { $0.quarantine != nil || $0.isProbing || $0.timesOut > 0 || $0.tally.faults > 0 }
    }

    /// Whether attempts may be offered to it.
    var isOpen: Bool {
        guard isOnline, !isDraining, pausedUntil == nil, freeCPUs > 0 else { return false }
        return quarantine.map { $0.isProbing && leases.isEmpty } ?? true
    }

    /// The devices in order, leased or not, that are of the kind asked for; of several kinds that will do, of the first of which
    /// there are enough, else of that with the most.
    func devices(for request: GPURequest) -> [Device] {
        var most = devices(request.model, request.memory)
        for other in request.or where most.count < request.count {
            let found = devices(other.model, other.memory)
            if found.count > most.count { most = found }
        }
        return most
    }

    private func devices(_ model: String?, _ memory: ByteCount?) -> [Device] {
        devices.filter { device in
            !device.isOut && memory.map { $0 <= device.gpu.memory } ?? true
                && model.map(device.model.contains) ?? true
        }
    }

    /// Free devices for the request, all of one kind, those with the least memory first; `nil` when there are too few.
    func freeDevices(for request: GPURequest) -> [String]? {
        guard freeGPUs >= request.count else { return nil }
        if let found = freeDevices(request.count, request.model, request.memory) { return found }
        for other in request.or {
            if let found = freeDevices(request.count, other.model, other.memory) { return found }
        }
        return nil
    }

    private func freeDevices(_ count: Int, _ model: String?, _ memory: ByteCount?) -> [String]? {
        let free = devices(model, memory).filter { !$0.isLeased }
        guard free.count >= count else { return nil }
        return free.sorted { ($0.gpu.memory, $0.gpu.uuid) < ($1.gpu.memory, $1.gpu.uuid) }
            .prefix(count).map(\.gpu.uuid)
    }

    /// Whether it can take the requirement, which it meets, now.
    func hasRoom(for requirement: Requirement) -> Bool {
        requirement.cpus <= freeCPUs && requirement.fitsMemory(freeMemory, of: self)
            && requirement.fitsDisk(freeDisk, of: self)
            && (requirement.gpus.map { freeDevices(for: $0) != nil } ?? true)
    }
}

/// A lease as the farm keeps it; its shard is the key. Of two attempts at a shard each has its own.
struct LeaseRecord: Sendable {
    var number: Int
    var agent: Int
    var devices: [String]
    var cpus: Int
    var memory: ByteCount?
    /// As the shard's cell asks for it.
    var disk: ByteCount?
    var at: Instant
    var until: Instant
    var startedAt: Instant?
    /// Its time limit counts from there: a coordinator that starts anew does not know how the clock was set meanwhile. The
    /// agent counts by its own clock all along.
    var countedFrom: Instant?
    /// Whether the agent has ever named it.
    var isAcknowledged = false
    /// It was loaded from the store and its agent has not been heard of since.
    var isRestored = false
    var cancelledAt: Instant?
    /// When it is looked at next; timers that come before are stale.
    var nextCheck: Instant
    var owner: Int
    /// For how long the shard was runnable before, should this offer be declined; in nanoseconds.
    var waited: Int64 = 0
    /// Agents that this attempt was not to go to.
    var avoiding: [Avoidance] = []
    /// The attempt that ended before; `nil` for a first one.
    var after: Former?
    /// It was begun as a second attempt.
    var beside: Farm.Lease.Beside?
    /// It was offered ahead: it begins when that attempt has ended, and takes over what it had.
    var behind: AttemptID?
    /// That attempt has not ended yet, as far as the farm knows.
    var isWaiting = false
    /// The attempt that waits behind this one.
    var heir: AttemptID?
    /// The one that waited has begun, so this one has ended; what it came to is still on its way.
    var hasYielded = false
    /// Its agent was asked to give it back unless it has begun.
    var isRecalled = false

    /// Whether it has what the shard asked for.
    var holdsRoom: Bool { !isWaiting && !hasYielded }
}

/// An agent that an attempt should not go to, for a while.
struct Avoidance: Sendable {
    var agent: AgentID
    var until: Instant
    /// Whether the agent is good enough when no other could ever take the attempt.
    var isPreference: Bool
    /// In a sentence.
    var why: String
}
