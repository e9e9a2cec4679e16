import Model
import Scheduling
import Testing

/// The other side: remembers what has happened by key, loses answers, is away, and refuses.
private struct Outside {
    var happened: [String: Int] = [:]
    /// Calls that are still on their way when whoever made them has gone.
    var late: [(at: Instant, key: String)] = []

    mutating func arrive(until now: Instant) {
        for call in late where call.at <= now { happened[call.key, default: 0] += 1 }
        late.removeAll { $0.at <= now }
    }
}

/// An outbox with its rows in a store, killed at any moment.
private struct Pump {
    struct Row {
        var at: Instant
        var due: Instant
        var tries = 0
        var receipt: String?
        var isEnded = false
    }

    var random: SplitMix64
    var now = Instant.seconds(1_000_000)
    var settings = Outbox.Settings()
    var outbox: Outbox
    var rows: [String: Row] = [:]
    var outside = Outside()
    var walked: Set<Int> = []
    var deaths = 0
    private var isDead = false
    private var wakeAt = Instant.distantFuture
    /// How often things go wrong, of 100.
    let trouble: Int
    let searchTrouble: Int
    let refusals: Int

    init(seed: UInt64, trouble: Int, searchTrouble: Int? = nil, refusals: Int) {
        self.searchTrouble = searchTrouble ?? trouble
        random = SplitMix64(seed: seed)
        self.trouble = trouble
        self.refusals = refusals
        settings.inFlightMax = 3
        outbox = Outbox(settings: settings)
    }

    mutating func fate(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    mutating func intend(_ key: String) {
        rows[key] = Row(at: now, due: now)
        run(.intended(key: key, at: now, due: now, tries: 0))
    }

    /// Goes on to the next moment at which something is due. A process that has ended is started anew.
    mutating func goOn() {
        now = max(now.advanced(by: .milliseconds(1)), min(wakeAt, now.advanced(by: .seconds(600))))
        if isDead {
            deaths += 1
            isDead = false
            now = now.advanced(by: .milliseconds(Int64.random(in: 0...90_000, using: &random)))
            outbox = Outbox(settings: settings)
            for (key, row) in rows.sorted(by: { $0.key < $1.key }) where !row.isEnded && !isDead {
                run(.intended(key: key, at: row.at, due: row.due, tries: row.tries))
            }
        }
        run(.timeReached)
    }

    /// Everything that follows from an event, unless the process ends on the way.
    private mutating func run(_ event: Outbox.Event) {
        guard !isDead else { return }
        defer { walked.formUnion(outbox.walked) }
        wakeAt = .distantFuture
        var events = [event]
        while let event = events.first {
            events.removeFirst()
            for effect in outbox.handle(event, at: now) {
                if fate(trouble / 8) {
                    isDead = true
                    return
                }
                if let answer = perform(effect) { events.append(answer) }
            }
            // Answers come in any order.
            events.shuffle(using: &random)
        }
    }

    mutating func perform(_ effect: Outbox.Effect) -> Outbox.Event? {
        switch effect {
        case .search(let key):
            outside.arrive(until: now)
            if fate(searchTrouble) { return .failed(key: key, reason: "no answer", mayHaveHappened: false) }
            if fate(refusals) { return .refused(key: key, reason: "no such place") }
            return .searched(key: key, receipt: outside.happened[key].map { "\($0)" })
        case .noteTry(let key):
            rows[key]?.tries += 1
            return .noted(key: key)
        case .deliver(let key):
            if fate(refusals) { return .refused(key: key, reason: "no such place") }
            if trouble < 100, fate(trouble) {
                let wait = Int64.random(in: 0...60_000, using: &random)
                outside.late.append((now.advanced(by: .milliseconds(wait)), key))
                return .failed(key: key, reason: "no answer", mayHaveHappened: true)
            }
            if fate(trouble) { return .failed(key: key, reason: "nobody there", mayHaveHappened: false) }
            outside.happened[key, default: 0] += 1
            return .delivered(key: key, receipt: "1")
        case .postpone(let key, let until, _): rows[key]?.due = until
        case .end(let key, let receipt, _):
            rows[key]?.receipt = receipt
            rows[key]?.isEnded = true
        case .wake(let at): wakeAt = min(wakeAt, at)
        }
        return nil
    }

    var isDone: Bool { rows.values.allSatisfy(\.isEnded) }
}

@Suite struct `An outbox` {
    @Test func `brings about each effect once, whatever dies and whatever is lost`() {
        var (deaths, lost) = (0, 0)
        for seed in UInt64(0)..<200 {
            var pump = Pump(seed: seed, trouble: 40, refusals: 0)
            for number in 0..<6 { pump.intend("key-\(number)") }
            var steps = 0
            while !pump.isDone, steps < 100_000 {
                pump.goOn()
                steps += 1
            }
            pump.outside.arrive(until: .distantFuture)
            #expect(pump.isDone, "seed \(seed)")
            for number in 0..<6 { #expect(pump.outside.happened["key-\(number)"] == 1, "seed \(seed), \(number)") }
            #expect(pump.rows.values.allSatisfy { $0.receipt != nil }, "seed \(seed)")
            deaths += pump.deaths
            lost += pump.rows.values.count { $0.tries > 1 }
        }
        #expect(deaths > 500 && lost > 300, "\(deaths) deaths, \(lost) tried again")
    }

    @Test func `gives up what is refused, and what never works, and walks every row of its table`() {
        var walked: Set<Int> = []
        for seed in UInt64(0)..<60 {
            var pump =
                switch seed % 3 {
                case 0: Pump(seed: seed, trouble: 7, searchTrouble: 100, refusals: 0)
                case 1: Pump(seed: seed, trouble: 100, searchTrouble: 0, refusals: 0)
                default: Pump(seed: seed, trouble: 30, refusals: 20)
                }
            for number in 0..<4 { pump.intend("key-\(number)") }
            var steps = 0
            while !pump.isDone, steps < 20_000 {
                pump.goOn()
                steps += 1
            }
            #expect(pump.isDone, "seed \(seed)")
            for number in 0..<4 { #expect(pump.outside.happened["key-\(number)"] ?? 0 <= 1, "seed \(seed), \(number)") }
            walked.formUnion(pump.walked)
        }
        let unwalked = Lives.delivery.rows.indices.filter { !walked.contains($0) }.map { Lives.delivery.rows[$0] }
        #expect(unwalked.isEmpty, "\(unwalked)")
    }

    /// What was stored before is by a clock that may have been set since, an hour forward or back.
    @Test(arguments: [-3_600, 0, 3_600]) func `waits no longer than it would have, whatever became of the clock`(
        moved: Int64
    ) {
        let settings = Outbox.Settings()
        let (old, now) = (Instant.seconds(1_000_000), Instant.seconds(1_000_000 + moved))
        var outbox = Outbox(settings: settings)
        let fresh = outbox.handle(.intended(key: "never tried", at: old, due: old, tries: 0), at: now)
        #expect(fresh.contains(.noteTry(key: "never tried")))
        let due = old.advanced(by: .seconds(300))
        let tried = outbox.handle(.intended(key: "tried", at: old, due: due, tries: 3), at: now)
        guard case .wake(let at)? = tried.last else {
            Issue.record("nothing wakes it: \(tried)")
            return
        }
        // A call of the process before this one may be on its way; and no pause is longer than the longest.
        #expect(now.duration(to: at) >= settings.callMax && now.duration(to: at) <= settings.backoffMax)
        #expect(outbox.handle(.timeReached, at: at).contains(.search(key: "tried")))
        // It was intended now at the latest: it is not tried for longer than others.
        _ = outbox.handle(.noted(key: "never tried"), at: at)
        let late = now.advanced(by: settings.giveUpAfter)
        let failed = outbox.handle(.failed(key: "never tried", reason: "away", mayHaveHappened: false), at: late)
        #expect(failed.contains(.end(key: "never tried", receipt: nil, reason: "given up: away")))
    }

    @Test func `has few under way at one time, and pauses longer each time`() {
        var settings = Outbox.Settings()
        settings.inFlightMax = 2
        var outbox = Outbox(settings: settings)
        let now = Instant.seconds(10)
        var notes: [Outbox.Effect] = []
        for key in ["a", "b", "c"] { notes += outbox.handle(.intended(key: key, at: now, due: now, tries: 0), at: now) }
        #expect(notes == [.noteTry(key: "a"), .noteTry(key: "b")])
        #expect(outbox.handle(.noted(key: "a"), at: now) == [.deliver(key: "a")])
        // A late or repeated answer changes nothing.
        #expect(outbox.handle(.searched(key: "a", receipt: "x"), at: now).isEmpty)
        let first = outbox.handle(.failed(key: "a", reason: "away", mayHaveHappened: false), at: now)
        let again = now.advanced(by: .seconds(5))
        #expect(first == [.postpone(key: "a", until: again, reason: "away"), .noteTry(key: "c")])
        _ = outbox.handle(.noted(key: "b"), at: now)
        #expect(
            outbox.handle(.delivered(key: "b", receipt: "7"), at: again) == [
                .end(key: "b", receipt: "7", reason: ""), .search(key: "a"),
            ])
        let second = outbox.handle(.failed(key: "a", reason: "away", mayHaveHappened: false), at: again)
        #expect(second.first == .postpone(key: "a", until: again.advanced(by: .seconds(10)), reason: "away"))
        #expect(outbox.count == 2)
    }
}
