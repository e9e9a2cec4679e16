import Model
import Scheduling

/// What goes wrong with agents and the network, at random times.
extension World {
    mutating func scheduleTrouble() {
        guard let mean = scenario.trouble.meanBetween else { return }
        let wait = Duration.milliseconds(Int64.random(in: 0...Int64(mean.inSeconds * 2000), using: &random))
        happenings.add(.disturb, at: now.advanced(by: wait))
    }

    mutating func disturb() throws(Violation) {
        guard now < troubleEnd else { return }
        scheduleTrouble()
        let agent = Int.random(in: 0..<agents.count, using: &random)
        switch Int.random(in: 0..<15, using: &random) {
        case 0...2: crash(agent)
        case 3...5:
            // In the middle of a sentence.
            if agents[agent].connection != nil { send(.heartbeat(agents[agent].holdings.beat(at: now)), from: agent) }
            lose(connectionOf: agent)
        case 6...7: try die(isStored: chance(0.5, &random))
        case 8...9:
            // A process that stands still already goes on no earlier for being stopped again.
            let until = now.advanced(by: milliseconds(1_000...60_000))
            agents[agent].stalledUntil = max(agents[agent].stalledUntil, until)
        case 10: lie(agent)
        // Now and then somebody says again what was said.
        case 11: drain(agent, chance(0.2, &random) ? agents[agent].isDraining : !agents[agent].isDraining)
        case 12: remove(agent)
        default: partition()
        }
    }

    /// Several agents are cut off at once, in one direction or in both, for less than a lease or for more.
    private mutating func partition() {
        let lease = Int64(scenario.settings.lease.inSeconds * 1000)
        let until = now.advanced(by: milliseconds(lease / 8...lease * 3))
        let direction = Int.random(in: 0..<3, using: &random)
        let part = agents.indices.filter { _ in chance(0.6, &random) }.filter { agents[$0].process > 0 }
        for agent in part {
            if direction != 1 { agents[agent].mail.cutToAgent = max(agents[agent].mail.cutToAgent, until) }
            if direction != 2 { agents[agent].mail.cutToCoordinator = max(agents[agent].mail.cutToCoordinator, until) }
        }
        if part.count > 1 { troubles.partitionsOfSeveral += 1 }
        if direction != 0 { troubles.partitionsOneWay += 1 }
        if now.duration(to: until) > scenario.settings.lease {
            troubles.partitionsLong += 1
        } else {
            troubles.partitionsShort += 1
        }
    }

    /// What comes to a stopped process waits until it goes on.
    mutating func postpone(_ happening: Happenings.Happening, whileStalled agent: Int) -> Bool {
        guard now < agents[agent].stalledUntil else { return false }
        happenings.add(happening, at: agents[agent].stalledUntil)
        return true
    }

    /// Says of others' attempts what is not so. Of its own the farm has to believe it, also before their offers have come.
    private mutating func lie(_ agent: Int) {
        guard let attempt = checker.anyLease(notOf: agents[agent].id, &random), agents[agent].held[attempt] == nil
        else {
            return
        }
        var other = attempt
        switch Int.random(in: 0..<5, using: &random) {
        case 0: send(.report(attempt, Cause(.passed), listed: nil), from: agent)
        case 1: send(.heartbeat(Holdings.Beat(number: 0, holds: [attempt])), from: agent)
        case 2: send(.declined(attempt), from: agent)
        case 3: send(.started(attempt), from: agent)
        default:
            // The very next one may be leased to the liar itself while this is on its way.
            other.number += 1_000_000
            send(.report(other, Cause(.passed), listed: -1), from: agent)
        }
    }

    private mutating func drain(_ agent: Int, _ isDraining: Bool) {
        guard agents[agent].process > 0, isUp else { return }
        agents[agent].isDraining = isDraining
        decide(.agentDraining(agents[agent].id, isDraining))
        // Whoever looks after it puts it into another pool at the same time. Never where the scenario counts on it.
        guard agents[agent].kind.pool == .standard else { return }
        agents[agent].pool = agents[agent].pool == .standard ? Scenario.openPool : .standard
        decide(.agentPooled(agents[agent].id, agents[agent].pool))
    }

    /// One of the same kind takes its place.
    private mutating func remove(_ agent: Int) {
        guard agents[agent].process > 0, isUp, agents.count < 40 else { return }
        decide(.agentRemoved(agents[agent].id))
        agents[agent].process = 0
        agents[agent].connection = nil
        dropHeld(agent)
        agents[agent].isDraining = false
        connections[agent] = nil
        addAgent(agents[agent].kind)
    }

    mutating func calm() {
        guard isUp else {
            happenings.add(.calm, at: now.advanced(by: .seconds(1)))
            return
        }
        for agent in agents.indices where agents[agent].isDraining { drain(agent, false) }
    }
}
