import Foundation
import Model
import Testing

@testable import Scheduling

/// Events of every kind, sensible and not, in any order.
@Suite struct `A farm among strangers` {
    private let deep = ProcessInfo.processInfo.environment["SHEAF_DEEP"] == "1"

    @Test func `keeps its books, and leaves nobody idle`() {
        var twins = 0
        for seed in UInt64(0)..<(deep ? 3_000 : 120) {
            var random = SplitMix64(seed: seed)
            var settings = Farm.Settings(workPerCallMax: Int.random(in: 1...6, using: &random))
            settings.lag.peersMin = 1
            settings.lag.factor = 1
            settings.lag.beyondMin = .milliseconds(1)
            settings.lease = .seconds(Int64.random(in: 30...600, using: &random))
            var farm = Farm(settings: settings, seed: seed)
            var now = Instant.seconds(1_000)
            var history: [Farm.Effect] = []
            for step in 0..<150 {
                now = now.advanced(by: .milliseconds(Int64.random(in: 0...12_000, using: &random)))
                var effects: [Farm.Effect] = []
                // In every second farm there is more room than work: second attempts are begun.
                farm.handle(event(farm, history, cpusMax: seed % 2 == 0 ? 4 : 64, &random), at: now, into: &effects)
                var calls = 0
                while farm.hasAskedToContinue && calls < 10_000 {
                    farm.handle(.resume, at: now, into: &effects)
                    calls += 1
                }
                history += effects
                twins += effects.count { if case .leased(let lease) = $0 { lease.beside != nil } else { false } }
                let faults = faults(farm) + doubles(effects, farm)
                #expect(faults == [], "seed \(seed), step \(step)")
                if !faults.isEmpty { return }
            }
        }
        #expect(twins > 5, "\(twins) second attempts")
    }

    /// What is wrong with the farm's books, by counting everything anew.
    private func faults(_ farm: Farm) -> [String] {
        var faults: [String] = []
        for (slot, agent) in farm.agents.enumerated() where farm.agentSlots[agent.id] == slot {
            let leases = agent.leases.compactMap { farm.record(of: $0, on: slot) }
            if leases.count != agent.leases.count { faults.append("\(agent.id) has leases that are gone") }
            guard agent.isOnline else { continue }
            let cpus = agent.capacity.cpus - leases.reduce(0) { $0 + $1.cpus }
            let memory = agent.capacity.memory.bytes - leases.reduce(0) { $0 + ($1.memory?.bytes ?? 0) }
            if agent.freeCPUs != cpus { faults.append("\(agent.id): \(agent.freeCPUs) cores free, not \(cpus)") }
            if agent.freeMemory.bytes != memory { faults.append("\(agent.id): memory") }
            if agent.freeGPUs != agent.devices.count(where: \.isFree) { faults.append("\(agent.id): devices") }
            let leased = Set(leases.flatMap(\.devices)).intersection(agent.devices.map(\.gpu.uuid))
            if Set(agent.devices.filter(\.isLeased).map(\.gpu.uuid)) != leased { faults.append("\(agent.id): uuids") }
        }
        for (slot, owner) in farm.owners.enumerated() {
            let leases = (Array(farm.leases.values) + farm.twins.values).filter { $0.owner == slot }
            if owner.meter.cpus != leases.reduce(0, { $0 + $1.cpus }) { faults.append("\(owner.principal): cores") }
            if owner.meter.gpus != leases.reduce(0, { $0 + $1.devices.count }) {
                faults.append("\(owner.principal): GPUs")
            }
        }
        for (slot, agent) in farm.agents.enumerated() {
            guard let kept = agent.reservation else { continue }
            if farm.classes[kept].reservation != slot || !farm.active.contains(kept) || !agent.isOnline {
                faults.append("\(agent.id) keeps room for nobody")
            }
        }
        if farm.cpusOnline != farm.agents.filter(\.isOnline).reduce(0, { $0 + $1.capacity.cpus }) {
            faults.append("cores online")
        }
        for (id, slot) in farm.runSlots {
            for (index, job) in farm.runs[slot].jobs.enumerated() {
                if job.cellsActive != job.cells.count(where: { !$0.leased.isEmpty }) { faults.append("\(id)/\(index)") }
                for (cell, state) in job.cells.enumerated() {
                    faults += self.faults(farm, Farm.Place(run: slot, job: index, cell: cell), state)
                }
            }
        }
        let uses = farm.classes.reduce(0) { $0 + $1.uses }
        let queues = farm.runSlots.values.flatMap { farm.runs[$0].jobs }.flatMap(\.cells).reduce(0) {
            $0 + $1.queues.count
        }
        if uses != queues { faults.append("classes are used \(uses) times by \(queues) queues") }
        return faults
    }

    /// Every shard of an open cell is in one place; what could be leased is.
    private func faults(_ farm: Farm, _ place: Farm.Place, _ cell: CellRecord) -> [String] {
        guard let shards = cell.shards, !cell.isEnded else { return [] }
        let parts = [cell.fresh.count, cell.returned.count, cell.leased.count, cell.settled.count]
        var faults = parts.reduce(0, +) == shards ? [] : ["\(farm.id(of: place)): \(parts) of \(shards)"]
        if farm.stop(of: place) != nil && (cell.fresh.count > 0 || cell.returned.count > 0) {
            faults.append("\(farm.id(of: place)) is stopped and has queued shards")
        }
        let job = farm[job: place]
        let key = { ShardID(cell: farm.id(of: place), shard: $0) }
        if Set(cell.twins.elements) != Set(cell.leased.elements.filter { farm.twins[key($0)] != nil }) {
            faults.append("\(farm.id(of: place)): second attempts")
        }
        for shard in cell.twins.elements where farm.twins[key(shard)]?.agent == farm.leases[key(shard)]?.agent {
            faults.append("\(key(shard)): both attempts are on one agent")
        }
        for (shard, had) in cell.twinned where had.numbers.count > farm.settings.lag.twinsMax {
            faults.append("\(key(shard)): second attempts \(had.numbers)")
        }
        let isHeld =
            farm.stop(of: place) != nil || (cell.leased.isEmpty && job.isAtLimit)
            || job.planned.shards.maxParallel.map { cell.leased.count + cell.twins.count >= max(1, $0) } ?? false
        guard !isHeld else { return faults }
        for (index, queue) in cell.queues.enumerated()
        where !queue.returned.isEmpty || (index == 0 && !cell.fresh.isEmpty) {
            let requirement = farm.classes[queue.classIndex].requirement
            let idle = farm.agents.first {
                $0.isOpen && requirement.isMet(by: $0)
                    && $0.hasRoom(for: requirement) && ($0.reservation == nil || $0.reservation == queue.classIndex)
            }
            if let idle { faults.append("\(idle.id) is idle, \(farm.id(of: place)) waits") }
        }
        return faults
    }

    private func doubles(_ effects: [Farm.Effect], _ farm: Farm) -> [String] {
        var open: [AttemptID: Int] = [:]
        for effect in effects {
            if case .leased(let lease) = effect { open[lease.attempt, default: 0] += 1 }
            if case .attemptEnded(let attempt, _, _, _) = effect { open[attempt, default: 0] -= 1 }
            if case .offerWithdrawn(let attempt) = effect { open[attempt, default: 0] -= 1 }
        }
        return open.filter { $0.value > 1 || ($0.value == 1 && farm.record(of: $0.key) == nil) }.map {
            "\($0.key) twice"
        }
    }

    // MARK: events

    private func event(
        _ farm: Farm, _ history: [Farm.Effect], cpusMax: Int, _ random: inout SplitMix64
    ) -> Farm.Event {
        let agent = AgentID("agent-\(Int.random(in: 0..<5, using: &random))")
        let run = RunID(UInt64.random(in: 1...3, using: &random))
        switch Int.random(in: 0..<26, using: &random) {
        case 0: return .runSubmitted(run, owner: owner(&random), plan: plan(&random))
        case 1, 2:
            let ready = history.compactMap { if case .jobReady(let run, let job) = $0 { (run, job) } else { nil } }
            let (run, job) = ready.randomElement(using: &random) ?? (run, Int.random(in: -1...4, using: &random))
            return .jobResolved(run, job: job, resolution(&random))
        case 3, 4:
            return .agentJoined(
                agent, team: nil, capacity: capacity(cpusMax, &random), holds: attempts(farm, &random))
        case 5: return .agentDisconnected(agent)
        case 6: return .agentDraining(agent, Bool.random(using: &random))
        case 7: return Bool.random(using: &random) ? .agentRemoved(agent) : .timeReached
        case 8, 9: return .leasesRenewed(agent, attempts(farm, &random))
        case 10, 11, 20...25:
            let (attempt, agent) = attempt(farm, &random)
            return .attemptStarted(attempt, by: agent)
        case 12:
            let (attempt, agent) = attempt(farm, &random)
            return .offerDeclined(attempt, by: agent, reason: "no")
        case 13...16:
            let (attempt, agent) = attempt(farm, &random)
            let kind =
                Int.random(in: 0..<5, using: &random) > 0
                ? .passed : Cause.Kind.allCases.randomElement(using: &random) ?? .oom
            return .attemptFinished(attempt, by: agent, Cause(kind), listed: Int.random(in: -1...9, using: &random))
        case 17:
            return Int.random(in: 0..<4, using: &random) == 0
                ? .runCancelled(run, by: "x", reason: "", isForced: Bool.random(using: &random)) : .resume
        default: return .timeReached
        }
    }

    private func attempts(_ farm: Farm, _ random: inout SplitMix64) -> [AttemptID] {
        (0..<Int.random(in: 0...4, using: &random)).map { _ in attempt(farm, &random).0 }
    }

    /// A current one mostly, else one that is made up.
    private func attempt(_ farm: Farm, _ random: inout SplitMix64) -> (AttemptID, AgentID) {
        if Int.random(in: 0..<6, using: &random) > 0,
            let shard = farm.leases.keys.sorted().randomElement(using: &random),
            let lease = Bool.random(using: &random) ? farm.twins[shard] ?? farm.leases[shard] : farm.leases[shard]
        {
            return (AttemptID(shard: shard, number: lease.number), farm.agents[lease.agent].id)
        }
        let range = -2...3
        let shard = ShardID(
            run: RunID(UInt64.random(in: 0...4, using: &random)), job: .random(in: range, using: &random),
            cell: .random(in: range, using: &random), shard: .random(in: range, using: &random))
        let agent = AgentID("agent-\(Int.random(in: 0..<6, using: &random))")
        return (AttemptID(shard: shard, number: .random(in: range, using: &random)), agent)
    }

    private func owner(_ random: inout SplitMix64) -> Principal {
        Principal(role: .user, name: ["ada", "ben"].randomElement(using: &random) ?? "eve")
    }

    private func capacity(_ cpusMax: Int, _ random: inout SplitMix64) -> Capacity {
        let gpus = (0..<Int.random(in: 0...2, using: &random)).map {
            GPU(uuid: "GPU-\($0)", model: "L4", memory: .gibibytes(24))
        }
        return Capacity(
            cpus: .random(in: -1...cpusMax, using: &random),
            memory: .gibibytes(.random(in: -1...Int64(2 * cpusMax), using: &random)),
            gpus: gpus,
            labels: Bool.random(using: &random) ? ["big"] : [])
    }

    private func plan(_ random: inout SplitMix64) -> Plan {
        let jobs = (0..<Int.random(in: 0...3, using: &random)).map { index in
            PlannedJob(
                id: "j\(index)", needs: index > 0 && Bool.random(using: &random) ? [index - 1] : [],
                onCancel: Bool.random(using: &random) ? .asks : .ends, cells: nil,
                shards: ShardPlan(
                    count: .random(in: 0...4, using: &random),
                    items: Bool.random(using: &random) ? .command("list") : nil,
                    maxParallel: Bool.random(using: &random) ? .random(in: 0...2, using: &random) : nil,
                    failFast: Bool.random(using: &random)),
                retry: RetryPolicy(on: ["infrastructure", "oom"], memoryFactor: 2),
                isIdempotent: Bool.random(using: &random))
        }
        return Plan(name: "p", file: "p.yml", jobs: jobs)
    }

    private func resolution(_ random: inout SplitMix64) -> Farm.Resolution {
        guard Int.random(in: 0..<8, using: &random) > 0 else { return .notReached(reason: "x") }
        let cells = (0..<Int.random(in: 0...4, using: &random)).map { index in
            var asking = ResourceRequest(cpus: .random(in: 0...3, using: &random))
            if Bool.random(using: &random) { asking.memory = .gibibytes(.random(in: 1...4, using: &random)) }
            if Int.random(in: 0..<4, using: &random) == 0 {
                asking.gpus = GPURequest(
                    count: 1, model: Bool.random(using: &random) ? nil : "nobody's",
                    or: [.init(model: "h200", after: .seconds(30)), .init(model: nil, after: .minutes(2))])
            }
            return PlannedCell(
                id: "c\(index)", name: "c\(index)", labels: Bool.random(using: &random) ? ["big"] : [],
                resources: asking,
                timeout: .minutes(1), queueTimeout: .seconds(.random(in: 0...600, using: &random)),
                continueOnError: Bool.random(using: &random),
                skipped: Int.random(in: 0..<8, using: &random) == 0 ? "no" : nil)
        }
        let most: Int? = Bool.random(using: &random) ? .random(in: 0...3, using: &random) : nil
        return .cells(
            cells, failFast: Bool.random(using: &random), maxParallel: most, goesOn: Bool.random(using: &random))
    }
}
