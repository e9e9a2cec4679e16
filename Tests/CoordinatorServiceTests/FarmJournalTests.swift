import Locks
import Model
import Testing
import Transport

@testable import CoordinatorService

@Suite struct `A farm's journal` {
    @Test func `tells of strangers once a minute, however often they knock, and of all others at once`() throws {
        let said = Mutex([FarmEvent]())
        let journal = FarmJournal(now: { Instant(nanoseconds: 0) }) { event in said.withLock { $0.append(event) } }
        for _ in 0..<10_000 { journal.refused(.broken("garbage")) }
        journal.enrolmentRefused(LinkStatus(.denied, "the token was used"))
        #expect(said.withLock { $0 } == [.refused(1, "the other side breaks the protocol: garbage")])
        for number in 0..<3 { journal.tell(.agentLeft("gpu-\(number)")) }
        #expect(said.withLock { $0.count } == 4)
    }

    @Test func `counts those it did not tell of`() throws {
        let said = Mutex([FarmEvent]())
        let now = Mutex(Instant(nanoseconds: 0))
        let journal = FarmJournal(now: { now.withLock { $0 } }) { event in said.withLock { $0.append(event) } }
        for _ in 0..<5 { journal.refused(.broken("a")) }
        now.withLock { $0 = $0.advanced(by: .seconds(60)) }
        journal.refused(.broken("b"))
        #expect(said.withLock { $0.last } == .refused(5, "the other side breaks the protocol: b"))
        #expect("\(FarmEvent.refused(5, "b"))" == "5 connections were refused, the last for this: b")
    }
}
