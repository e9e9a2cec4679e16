import Model
import Scheduling
import Testing

/// What an agent decides about the attempts that it holds.
@Suite struct `What an agent holds` {
    private static let one = AttemptID(shard: ShardID(run: RunID(1), job: 0, cell: 0, shard: 0), number: 1)
    private static let two = AttemptID(shard: ShardID(run: RunID(1), job: 0, cell: 0, shard: 1), number: 1)
    private static func at(_ seconds: Int64) -> Instant { .seconds(1_000 + seconds) }
    private static let lease = Duration.seconds(30)

    struct Row: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var events: [(Int64, Holdings.Event)]
        var last: [Holdings.Effect]
        init(_ name: String, _ events: [(Int64, Holdings.Event)], _ last: [Holdings.Effect]) {
            (testDescription, self.events, self.last) = (name, events, last)
        }
    }

    private static let offered = (Int64(0), Holdings.Event.offered(one, lease: lease))
    private static let ahead = (Int64(1), Holdings.Event.offered(two, lease: lease, behind: one))

    @Test(arguments: [
        Row("begins what it is offered", [offered], [.begin(one), .wake(at: at(30))]),
        Row("begins it once", [offered, (1, .offered(one, lease: lease))], []),
        Row("reports what has ended", [offered, (9, .ended(one))], [.report(one)]),
        Row("reports also late", [offered, (40, .ended(one))], [.report(one)]),
        Row("drops what is stored", [offered, (9, .ended(one)), (10, .stored(one))], [.drop(one)]),
        Row("drops it once", [offered, (9, .ended(one)), (10, .stored(one)), (11, .stored(one))], []),
        Row("is told of no report that it has not made", [offered, (9, .stored(one))], []),
        Row("stops what is cancelled", [offered, (5, .cancelled(one))], [.stop(one)]),
        Row("cancels nothing that has ended", [offered, (5, .ended(one)), (6, .cancelled(one))], []),
        Row("abandons what the farm forgets", [offered, (5, .forgotten(one))], [.abandon(one)]),
        Row("reports nothing of that", [offered, (5, .forgotten(one)), (6, .ended(one))], [.drop(one)]),
        Row("keeps a report that is not stored", [offered, (5, .ended(one)), (99, .timeReached)], []),
        Row("lets go of a report that nobody wants", [offered, (5, .ended(one)), (9, .forgotten(one))], [.drop(one)]),
        Row("waits until the lease has ended", [offered, (29, .timeReached)], [.wake(at: at(30))]),
        Row("abandons what has no lease", [offered, (30, .timeReached)], [.abandon(one)]),
        Row("delivers what an earlier life has left", [(0, .adopted(one))], [.report(one)]),
        Row("lets what was offered ahead wait", [offered, ahead], [.wake(at: at(31))]),
        Row(
            "begins it when the one before it has ended", [offered, ahead, (9, .ended(one))],
            [.begin(two), .report(one)]),
        Row(
            "begins it at once when that has ended before", [offered, (0, .ended(one)), ahead],
            [.begin(two), .wake(at: at(31))]),
        Row(
            "begins it behind what was abandoned, too", [offered, ahead, (5, .forgotten(one)), (6, .ended(one))],
            [.begin(two), .drop(one)]),
        Row(
            "begins nothing where something went wrong", [offered, ahead, (9, .ended(one, isFault: true))],
            [.decline(two, "the attempt before it failed by a fault of this agent"), .report(one)]),
        Row(
            "gives back what waits", [offered, ahead, (5, .recalled(two))],
            [.decline(two, "the farm has taken it back")]),
        Row("has given it back then", [offered, ahead, (5, .recalled(two)), (6, .ended(one))], [.report(one)]),
        Row("gives nothing back that has begun", [offered, ahead, (5, .ended(one)), (6, .recalled(two))], []),
        Row(
            "says of a stranger that it does not begin", [(5, .recalled(two))],
            [.decline(two, "the farm has taken it back")]),
        Row(
            "does not begin what is cancelled first", [offered, ahead, (5, .cancelled(two))],
            [.decline(two, "it was cancelled before it had begun")]),
        Row("reports nothing of what never began", [offered, ahead, (5, .ended(two))], []),
        Row(
            "lets go of what waits without a lease", [offered, ahead, (30, .timeReached), (31, .timeReached)],
            [.drop(two)]),
        Row("lets go of what waits that nobody wants", [offered, ahead, (5, .forgotten(two))], [.drop(two)]),
        Row(
            "declines what cannot begin", [offered, ahead, (5, .ended(one)), (5, .refused(two, "full"))],
            [.decline(two, "full")]),
        Row("knows no stranger", [(0, .ended(two)), (0, .forgotten(two)), (0, .cancelled(two))], []),
    ])
    func `answers each event`(row: Row) {
        var holdings = Holdings()
        var effects: [Holdings.Effect] = []
        for (second, event) in row.events { effects = holdings.handle(event, at: Self.at(second)) }
        #expect(effects == row.last)
    }

    @Test func `is renewed from when the heartbeat left, by its number, once`() {
        var holdings = Holdings()
        _ = holdings.handle(.offered(Self.one, lease: Self.lease), at: Self.at(0))
        let first = holdings.beat(at: Self.at(5))
        let second = holdings.beat(at: Self.at(10))
        #expect(first.holds == [Self.one] && second.number > first.number)
        _ = holdings.handle(.renewed([Self.one], lease: Self.lease, beat: first.number), at: Self.at(20))
        // Said again it is not taken for the answer to the second one.
        _ = holdings.handle(.renewed([Self.one], lease: Self.lease, beat: first.number), at: Self.at(20))
        #expect(holdings.handle(.timeReached, at: Self.at(34)) == [.wake(at: Self.at(35))])
        #expect(holdings.handle(.timeReached, at: Self.at(35)) == [.abandon(Self.one)])
        // Too late.
        _ = holdings.handle(.renewed([Self.one], lease: Self.lease, beat: second.number), at: Self.at(36))
        #expect(!holdings.isWorking(on: Self.one) && holdings.holds == [] && !holdings.isEmpty)
    }

    /// A farm of an earlier version answers without a number.
    @Test func `is renewed by the first heartbeat that names it where the farm does not count`() {
        var holdings = Holdings()
        _ = holdings.handle(.connected(countsBeats: false), at: Self.at(0))
        _ = holdings.beat(at: Self.at(1))
        _ = holdings.handle(.offered(Self.one, lease: Self.lease), at: Self.at(100))
        _ = holdings.beat(at: Self.at(105))
        _ = holdings.handle(.renewed([Self.one], lease: Self.lease, beat: 0), at: Self.at(106))
        #expect(holdings.handle(.timeReached, at: Self.at(134)) == [.wake(at: Self.at(135))])
        _ = holdings.handle(.renewed([], lease: Self.lease, beat: 0), at: Self.at(134))
        _ = holdings.handle(.renewed([Self.two], lease: Self.lease, beat: 0), at: Self.at(134))
        #expect(holdings.handle(.timeReached, at: Self.at(135)) == [.abandon(Self.one)])
    }

    /// An offer may be long on its way; the farm's time runs all the while.
    @Test func `counts an offer from what the farm had heard before it`() {
        var holdings = Holdings()
        _ = holdings.handle(.connected(countsBeats: true), at: Self.at(0))
        #expect(
            holdings.handle(.offered(Self.one, lease: Self.lease), at: Self.at(20)) == [
                .begin(Self.one), .wake(at: Self.at(30)),
            ])
        #expect(
            holdings.handle(.offered(Self.two, lease: Self.lease), at: Self.at(30)) == [
                .decline(Self.two, "the offer was longer on its way than its lease")
            ])
        let beat = holdings.beat(at: Self.at(31))
        _ = holdings.handle(.renewed([], lease: Self.lease, beat: beat.number), at: Self.at(32))
        #expect(
            holdings.handle(.offered(Self.two, lease: Self.lease), at: Self.at(40)) == [
                .begin(Self.two), .wake(at: Self.at(61)),
            ])
    }

    @Test func `renews what waits, which begins with that lease`() {
        var holdings = Holdings()
        for (second, event) in [Self.offered, Self.ahead] { _ = holdings.handle(event, at: Self.at(second)) }
        let beat = holdings.beat(at: Self.at(5))
        #expect(beat.holds == [Self.one, Self.two] && holdings.waiting == [Self.two] && holdings.working == [Self.one])
        _ = holdings.handle(.renewed(beat.holds, lease: Self.lease, beat: beat.number), at: Self.at(6))
        #expect(holdings.isWaiting(Self.two))
        _ = holdings.handle(.ended(Self.one), at: Self.at(20))
        #expect(holdings.handle(.timeReached, at: Self.at(34)) == [.wake(at: Self.at(35))])
        #expect(holdings.handle(.timeReached, at: Self.at(35)) == [.abandon(Self.two)])
    }

    @Test func `remembers no more heartbeats than it may`() {
        var holdings = Holdings()
        _ = holdings.handle(.offered(Self.one, lease: Self.lease), at: Self.at(0))
        let first = holdings.beat(at: Self.at(0))
        for _ in 0..<100 { _ = holdings.beat(at: Self.at(1)) }
        _ = holdings.handle(.renewed([Self.one], lease: .seconds(1_000), beat: first.number), at: Self.at(2))
        #expect(holdings.handle(.timeReached, at: Self.at(30)) == [.abandon(Self.one)])
    }
}
