package import Model
package import Scheduling

/// What the world asks for decisions: the farm, or in tests a farm with a bug planted in it.
package protocol Deciding: Sendable {
    init(settings: Farm.Settings, seed: UInt64)
    mutating func handle(_ event: Farm.Event, at now: Instant, into effects: inout [Farm.Effect])
    mutating func restore(_ decision: Farm.Decision)
    func progress(of run: RunID) -> [[Farm.CellProgress]]?
    func explain(_ cell: CellID, shard: Int?, at now: Instant) -> [String]
    func standing(of run: RunID, at now: Instant) -> [String]?
    func queueTimeLeft(of cell: CellID) -> Duration?
    func queueTimeLeftMin(of timeout: Duration) -> Duration
}

extension Farm: Deciding {}

/// A rule that the farm broke, and when.
package struct Violation: Error, Equatable, CustomStringConvertible {
    package var rule: Rule
    package var detail: String
    package var at: Instant

    package var description: String { "\(at.utcClock): \(rule.rawValue): \(detail)" }
}

/// A bug that is planted beside the farm, where none in it could break the rule: for tests of the rules.
package enum Flaw: Sendable {
    /// The coordinator acknowledges reports when they come, not when they are stored.
    case acknowledgesEarly
    /// The coordinator lets a rerun keep shards that failed.
    case keepsFailures
    /// Agents do not stop when a lease has ended.
    case worksOn
}
