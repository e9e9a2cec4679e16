import Foundation
import Model
import Testing

@Suite struct `An instant` {
    @Test func `is told in UTC as the calendar has it`() {
        var format = Date.ISO8601FormatStyle()
        format.timeZone = .gmt
        var random = SplitMix64(seed: 1)
        for _ in 0..<2000 {
            // The years 1700 to 2260, which is what 64 bits of nanoseconds hold.
            let seconds = Int64.random(in: -8_500_000_000...9_200_000_000, using: &random)
            let date = Date(timeIntervalSince1970: Double(seconds))
            #expect(Instant.seconds(seconds).utc == date.formatted(format))
        }
        #expect(Instant(nanoseconds: -1).utc == "1969-12-31T23:59:59Z")
        #expect(Instant.epoch.utc == "1970-01-01T00:00:00Z" && Instant.epoch.utcClock == "00:00:00Z")
        #expect(Instant.seconds(951_782_400).utc == "2000-02-29T00:00:00Z")
    }

    @Test func `is held where 64 bits end`() {
        #expect(Instant.seconds(.max) == .distantFuture && Instant.seconds(9_223_372_037) == .distantFuture)
        #expect(Instant.seconds(9_223_372_036).nanoseconds == 9_223_372_036_000_000_000)
        let first = Instant.seconds(.min)
        #expect(first.nanoseconds == .min && first == .seconds(-9_223_372_037))
        #expect(first.duration(to: .seconds(1)) == .nanoseconds(Int64.max))
        #expect(Instant.seconds(1).duration(to: first) == .nanoseconds(Int64.min))
        #expect(
            first.advanced(by: .seconds(-1)) == first
                && Instant.distantFuture.advanced(by: .seconds(1)) == .distantFuture)
    }

    @Test(arguments: [
        (Duration.zero, "0 ms"), (.microseconds(400), "0 ms"), (.milliseconds(42), "42 ms"),
        (.milliseconds(420), "0.42 s"), (.milliseconds(7_200), "7.2 s"), (.milliseconds(7_030), "7.03 s"),
        (.seconds(1), "1 s"), (.milliseconds(9_940), "9.94 s"),
        (.milliseconds(9_960), "10 s"), (.milliseconds(59_600), "1 min"), (.seconds(95), "1 min 35 s"),
        (.seconds(3_600), "1 h"), (.seconds(7_800), "2 h 10 min"), (.seconds(90_000), "1 d 1 h"),
        (.seconds(-95), "-1 min 35 s"),
    ])
    func `and the time between two are told as people say them`(duration: Duration, text: String) {
        #expect(duration.spelled == text)
    }
}

@Suite struct `A cause` {
    @Test func `is told by its label and its evidence`() {
        #expect("\(Cause(.userExit, code: 3, evidence: "step 'run' ended"))" == "user_exit (3): step 'run' ended")
        #expect("\(Cause(.lostAgent))" == "lost_agent")
        #expect("\(Cause(.signal, code: 9))" == "signal (9)")
    }
}
