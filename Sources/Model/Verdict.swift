/// A gate's or a run's answer, from best to worst. The worst required gate decides a run.
package enum Verdict: String, CaseIterable, Comparable, Sendable {
    case pass
    case waived
    case inconclusive
    case incomplete
    case fail

    private var badness: Int {
        switch self {
        case .pass: 0
        case .waived: 1
        case .inconclusive: 2
        case .incomplete: 3
        case .fail: 4
        }
    }

    package static func < (a: Self, b: Self) -> Bool { a.badness < b.badness }
}
