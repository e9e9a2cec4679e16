import Model
import Testing

@testable import Transport

/// An actor that lives on a loop.
private actor Counter {
    let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    private(set) var count = 0
    private(set) var log: [String] = []

    init(on loop: EventLoop) { self.loop = loop }

    func add() {
        loop.checkIsolated()
        count += 1
    }

    /// Waits until all of these timers have fired, and answers the order they fired in.
    func fire(_ delays: [(name: String, Duration)], cancelling cancelled: Set<String>) async -> [String] {
        await withCheckedContinuation { continuation in
            var timers: [String: TimerID] = [:]
            let last = delays.max { $0.1 < $1.1 }?.name
            for (name, delay) in delays {
                timers[name] = loop.core.schedule(after: delay) {
                    self.assumeIsolated { counter in
                        counter.log.append(name)
                        if name == last { continuation.resume() }
                    }
                }
            }
            for name in cancelled { if let timer = timers[name] { loop.core.cancel(timer) } }
        }
        return log
    }
}

@Suite struct `An event loop` {
    @Test func `runs the jobs of its actors one at a time on its thread`() async throws {
        let counter = Counter(on: try EventLoop(name: "test"))
        await withTaskGroup { group in
            for _ in 0..<8 {
                group.addTask { for _ in 0..<500 { await counter.add() } }
            }
        }
        #expect(await counter.count == 4000)
    }

    @Test func `fires timers in the order of their deadlines and forgets cancelled ones`() async throws {
        let counter = Counter(on: try EventLoop(name: "test"))
        let order = await counter.fire(
            [
                ("third", .milliseconds(1200)), ("first", .zero), ("never", .milliseconds(300)),
                ("second", .milliseconds(600)),
            ], cancelling: ["never"])
        #expect(order == ["first", "second", "third"])
    }

    @Test func `runs what is executed in order, and ends when nobody holds it`() async throws {
        let seen: [Int] = await withCheckedContinuation { continuation in
            let log = Log()
            do {
                let loop = try EventLoop(name: "test") { continuation.resume(returning: log.numbers) }
                for number in 0..<100 { loop.execute { log.numbers.append(number) } }
            } catch {
                continuation.resume(returning: [])
            }
        }
        #expect(seen == Array(0..<100))
    }

    /// Touched on one loop's thread, and read after it has ended.
    private final class Log: @unchecked Sendable { var numbers: [Int] = [] }
}

@Suite struct `A queue of timers` {
    @Test func `gives back what a sorted list would`() {
        for seed in UInt64(0)..<200 {
            var random = SplitMix64(seed: seed)
            var queue = TimerQueue()
            var model: [(deadline: Int64, order: Int, id: TimerID)] = []
            let fired = Fired()
            var now: Int64 = 0
            for order in 0..<300 {
                switch Int.random(in: 0..<4, using: &random) {
                case 0, 1:
                    let deadline = now + Int64.random(in: 0..<100, using: &random)
                    let id = queue.add(at: deadline) { fired.order.append(order) }
                    model.append((deadline, order, id))
                case 2:
                    guard let victim = model.indices.randomElement(using: &random) else { continue }
                    queue.cancel(model.remove(at: victim).id)
                default:
                    now += Int64.random(in: 0..<60, using: &random)
                    while let body = queue.takeDue(upTo: now) { body() }
                    let due = model.filter { $0.deadline <= now }.sorted {
                        ($0.deadline, $0.order) < ($1.deadline, $1.order)
                    }
                    model.removeAll { $0.deadline <= now }
                    #expect(fired.order == due.map(\.order), "seed \(seed)")
                    fired.order = []
                }
                #expect(queue.nextDeadline == model.map(\.deadline).min(), "seed \(seed)")
            }
        }
    }

    private final class Fired: @unchecked Sendable { var order: [Int] = [] }
}
