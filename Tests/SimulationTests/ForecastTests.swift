import Model
import Simulation
import Testing

@Suite struct `A day of the farm` {
    private func agents(_ count: Int, cpus: Int, gpus: Int = 0) -> [Forecast.Agents] {
        let devices = (0..<gpus).map { GPU(uuid: "\($0)", model: "NVIDIA H200", memory: .gibibytes(141)) }
        return [
            Forecast.Agents(
                name: "node", count: count,
                capacity: Capacity(cpus: cpus, memory: .gibibytes(512), gpus: devices, labels: ["linux"]))
        ]
    }

    private func load(
        _ owner: String, team: String? = nil, priority: Int = 0, first: Duration = .zero,
        every: Duration = .minutes(60),
        runs: Int = 1, shards: Int, cpus: Int = 1, gpus: Int = 0, minutes: ClosedRange<Int64>
    ) -> Forecast.Load {
        Forecast.Load(
            name: owner, owner: Principal(role: .user, name: owner, team: team), priority: priority, first: first,
            every: every, runs: runs, shards: shards,
            resources: ResourceRequest(cpus: cpus, gpus: gpus > 0 ? GPURequest(count: gpus) : nil),
            shortest: .minutes(minutes.lowerBound), longest: .minutes(minutes.upperBound))
    }

    /// Ten people whose shards differ in length, width and number, all of them with more than the farm can do.
    @Test func `gives ten users of unequal load the same, within 5 %`() {
        let users = (0..<10).map { user in
            let longest = 5 + user * 3
            // Two to eleven times what is theirs, in two runs.
            let minutes = 20 * 16 * 24 * 60 / 10 * (2 + user)
            return load(
                "user\(user)", every: .minutes(Int64(10 * user)), runs: 2,
                shards: minutes / ((1 + longest) * (1 + user % 4)), cpus: 1 + user % 4, minutes: 1...Int64(longest))
        }
        var day = Forecast(agents: agents(20, cpus: 16), loads: users, length: .minutes(24 * 60), seed: 1)
        let answer = day.run()
        let used = answer.outcomes.map(\.cpuSeconds)
        let fair = answer.cpuSeconds / 10
        for (user, used) in used.enumerated() {
            #expect(abs(used - fair) < 0.05 * fair, "user\(user): \(used / fair) of a fair share")
        }
    }

    @Test func `gives who asks for little all of it, and the others the rest in equal parts`() {
        let little = load("little", every: .minutes(30), runs: 48, shards: 8, minutes: 10...20)
        let others = (0..<4).map { load("user\($0)", every: .minutes(240), runs: 6, shards: 6000, minutes: 5...30) }
        var day = Forecast(agents: agents(10, cpus: 16), loads: [little] + others, length: .minutes(24 * 60), seed: 2)
        let answer = day.run()
        #expect(answer.outcomes[0].shards > 47 * 8)
        // Short of what one shard takes to end, nobody who uses little waits.
        #expect(answer.outcomes[0].waits.allSatisfy { $0 < .minutes(3) }, "\(answer.outcomes[0].waits.max() ?? .zero)")
        let rest = answer.outcomes.dropFirst().map(\.cpuSeconds)
        let mean = rest.reduce(0, +) / 4
        for used in rest { #expect(abs(used - mean) < 0.05 * mean) }
    }

    @Test func `counts who still waits, and says what there is not`() {
        let one = load("one", runs: 1, shards: 5, minutes: 60...60)
        var never = load("never", runs: 1, shards: 3, minutes: 5...5)
        never.labels = ["gpu"]
        var day = Forecast(agents: agents(1, cpus: 1), loads: [one, never], length: .minutes(90), seed: 1)
        let outcomes = day.run().outcomes
        #expect(outcomes[0].waiting == 3 && outcomes[0].waits.max() == .minutes(90) && outcomes[0].unmet == nil)
        #expect(outcomes[1].waiting == 3 && outcomes[1].unmet == "no agent has label gpu")
    }

    @Test func `gives teams equal parts, and people within one`() {
        let alone = load("ada", team: "one", shards: 30_000, minutes: 5...15)
        let many = (0..<4).map { load("user\($0)", team: "many", shards: 30_000, minutes: 5...15) }
        var day = Forecast(agents: agents(10, cpus: 16), loads: [alone] + many, length: .minutes(12 * 60), seed: 3)
        let used = day.run().outcomes.map(\.cpuSeconds)
        let all = used.reduce(0, +)
        #expect(abs(used[0] / all - 0.5) < 0.02, "\(used)")
        for used in used.dropFirst() { #expect(abs(used / all - 0.125) < 0.01, "\(used / all)") }
    }

    /// Who used the farm alone yesterday waits for the others today, until that is half forgotten.
    @Test func `remembers who used it before`() {
        let early = load("early", shards: 40_000, minutes: 10...10)
        let late = load("late", first: .minutes(24 * 60), shards: 40_000, minutes: 10...10)
        var days = Forecast(agents: agents(4, cpus: 16), loads: [early, late], length: .minutes(26 * 60), seed: 4)
        let answer = days.run()
        // In the last two hours the newcomer has nearly everything.
        let share = answer.outcomes[1].cpuSeconds / (64 * 2 * 3600)
        #expect(share > 0.7, "\(share)")
    }

    @Test func `lets a shard that needs a whole node start while small ones keep coming`() {
        let small = load("small", every: .minutes(10), runs: 140, shards: 40, gpus: 1, minutes: 15...30)
        let big = load("big", first: .minutes(60), every: .minutes(240), runs: 4, shards: 1, gpus: 8, minutes: 30...60)
        var day = Forecast(
            agents: agents(8, cpus: 32, gpus: 8), loads: [small, big], length: .minutes(24 * 60), seed: 5)
        let answer = day.run()
        #expect(answer.outcomes[1].shards == 4)
        // The longest small shard, and the timeout that is believed before any has ended.
        #expect(answer.outcomes[1].waits.allSatisfy { $0 <= .minutes(60) }, "\(answer.outcomes[1].waits)")
        // Keeping room costs little: there is more to do than the farm can, and its GPUs are hardly ever idle.
        let busy = answer.outcomes.reduce(0) { $0 + $1.gpuSeconds } / answer.gpuSeconds
        #expect(busy > 0.95, "\(busy)")
    }

    /// The same, one owner alone: shares cannot help.
    @Test func `lets a whole-node shard of the same owner start in its turn`() {
        let small = load("ada", every: .minutes(10), runs: 140, shards: 60, gpus: 1, minutes: 15...30)
        let big = load("ada", first: .minutes(60), shards: 1, gpus: 8, minutes: 30...60)
        var day = Forecast(
            agents: agents(8, cpus: 32, gpus: 8), loads: [small, big], length: .minutes(24 * 60), seed: 6)
        let answer = day.run()
        #expect(answer.outcomes[1].shards == 1)
        #expect(answer.outcomes[1].waits.allSatisfy { $0 <= .minutes(8 * 60) }, "\(answer.outcomes[1].waits)")
    }

    @Test func `runs what has priority first, and lets nothing wait for ever`() {
        let low = load("ada", priority: -10, every: .minutes(60), runs: 2, shards: 500, minutes: 10...10)
        let normal = load("ada", every: .minutes(30), runs: 90, shards: 100, minutes: 10...10)
        let high = load("ada", priority: 5, first: .minutes(120), shards: 50, minutes: 10...10)
        var days = Forecast(
            agents: agents(2, cpus: 16), loads: [low, normal, high], length: .minutes(48 * 60), seed: 7)
        let answer = days.run()
        #expect(
            answer.outcomes[2].waits.allSatisfy { $0 <= .minutes(30) }, "\(answer.outcomes[2].waits.max() ?? .zero)")
        // Ten points are ten hours: then it is its turn, however much comes later.
        #expect(answer.outcomes[0].shards == 1000)
        #expect(answer.outcomes[0].waits.max().map { $0 > .minutes(9 * 60) && $0 < .minutes(30 * 60) } ?? false)
    }

    @Test func `is the same from the same seed`() {
        let loads = [load("ada", shards: 500, minutes: 1...9), load("ben", shards: 500, cpus: 3, minutes: 1...9)]
        var first = Forecast(agents: agents(3, cpus: 8), loads: loads, length: .minutes(300), seed: 8)
        var second = first
        #expect(first.run() == second.run())
    }
}
