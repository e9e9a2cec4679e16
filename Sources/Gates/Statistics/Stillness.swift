/// How items waver while nothing changes, which says how many of them show that: what `non-inferiority` takes.
package enum Stillness: Equatable, Sendable {
    /// Right or wrong items, paired: the share of them that flips, as many either way. By Tango's score test.
    case flips(share: Double)
    /// The variance of one item's harm, paired, and the fewest items with which the test could show anything.
    case harms(variance: Double, least: Int)
    /// Both sides have this share, unpaired. By Newcombe's interval.
    case shares(Double, LinearLimit)

    /// With which chance `count` items (of each side, where nothing is paired) show harm to be within the limit.
    ///
    /// - Parameter room: how far the limit is from no change, in the unit of the harm.
    package func power(of count: Int, room: Double, rate: Double) -> Double? {
        guard room > 0, count > 0, let z = Distribution.normalQuantile(1 - rate),
            let widths = widths(Double(count), room: room, z: z)
        else { return nil }
        guard count >= least else { return 0 }
        let left = room - widths.limit
        guard widths.wavering > 0 else { return left > 0 ? 1 : 0 }
        return Distribution.normalAbove(-left / widths.wavering)
    }

    /// How many items show it with `power`; `nil` where no number does.
    package func needed(room: Double, power: Double, rate: Double) -> Int? {
        guard room > 0, let z = Distribution.normalQuantile(1 - rate), let y = Distribution.normalQuantile(power) else {
            return nil
        }
        let isEnough = { (count: Double) -> Bool in
            guard let widths = widths(count, room: room, z: z) else { return false }
            return widths.limit + y * widths.wavering <= room
        }
        var (short, enough) = (0.0, 1.0)
        while !isEnough(enough) {
            (short, enough) = (enough, enough * 2)
            guard enough < 1e15 else { return nil }
        }
        while enough - short > 1 {
            let middle = ((short + enough) / 2).rounded(.down)
            if isEnough(middle) { enough = middle } else { short = middle }
        }
        return max(least, Int(enough))
    }

    private var least: Int {
        switch self {
        case .flips, .shares: 1
        case .harms(_, let least): least
        }
    }

    /// Of `count` items: how far the interval reaches at z, and how far the estimate itself wavers at one.
    private func widths(_ count: Double, room: Double, z: Double) -> (limit: Double, wavering: Double)? {
        switch self {
        case .flips(let share):
            guard room < 1 else { return nil }
            // Tango's variance at the limit, of the shares that are expected while nothing changes. Were none to flip, it is
            // that of a share of `room` still, not zero.
            let linear = 2 * room - share
            let root = (linear * linear + 4 * share * room * (1 - room)).squareRoot()
            let gains = max(0, root - linear) / 4
            let atLimit = 2 * gains + room * (1 - room)
            return (z * (atLimit / count).squareRoot(), (share / count).squareRoot())
        case .harms(let variance, _):
            let width = (variance / count).squareRoot()
            return (z * width, width)
        case .shares(let share, let limit):
            let ends = Share.interval(of: share, count: count, z: z)
            let parts = [limit.candidate, limit.baseline].map { weight in
                weight * ((weight > 0 ? ends.high : ends.low) - share)
            }
            let weights = limit.candidate * limit.candidate + limit.baseline * limit.baseline
            return (
                parts.reduce(0) { $0 + $1 * $1 }.squareRoot(), (weights * share * (1 - share) / count).squareRoot()
            )
        }
    }
}
