/// The five fields of a cron line: minute, hour, day of the month, month, weekday.
struct CronLine: Equatable {
    struct Mistake: Error, Equatable {
        var problem: String
    }

    let minutes: [Int]
    let hours: [Int]
    let days: [Int]
    let months: [Int]
    /// From Sunday, 0.
    let weekdays: [Int]

    private static let monthNames = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ]
    private static let weekdayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

    init(_ line: String) throws(Mistake) {
        let fields = line.split { $0 == " " || $0 == "\t" }.map(String.init)
        guard fields.count == 5 else {
            throw Mistake(problem: "it has \(fields.count) \(fields.count == 1 ? "field" : "fields"), not 5")
        }
        minutes = try Self.field(fields[0], "minute", 0...59, names: [], first: 0)
        hours = try Self.field(fields[1], "hour", 0...23, names: [], first: 0)
        days = try Self.field(fields[2], "day", 1...31, names: [], first: 1)
        months = try Self.field(fields[3], "month", 1...12, names: Self.monthNames, first: 1)
        weekdays = try Self.field(fields[4], "weekday", 0...7, names: Self.weekdayNames, first: 0)
    }

    /// The shortest time between two runs of one day; `nil` when there is one run a day.
    var shortestGapMinutes: Int? {
        let times = hours.flatMap { hour in minutes.map { hour * 60 + $0 } }.sorted()
        return zip(times.dropFirst(), times).map { $0 - $1 }.min()
    }

    /// `*`, `5`, `1-5`, `*/2`, `1-10/3`, `MON-FRI`, and lists of them.
    private static func field(
        _ text: String, _ name: String, _ range: ClosedRange<Int>, names: [String], first: Int
    ) throws(Mistake) -> [Int] {
        func number(_ text: Substring) throws(Mistake) -> Int {
            let place = names.firstIndex(of: text.lowercased()).map { $0 + first }
            guard let value = place ?? (text.allSatisfy { $0.isASCII && $0.isNumber } ? Int(text) : nil),
                range.contains(value)
            else {
                throw Mistake(
                    problem: "'\(text)' is no \(name) from \(range.lowerBound) to \(range.upperBound)")
            }
            return value
        }
        var found: Set<Int> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let pieces = part.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            var step = 1
            if pieces.count == 2 {
                guard let value = Int(pieces[1]), value > 0, value <= range.upperBound + 1 else {
                    throw Mistake(problem: "'/\(pieces[1])' is no step")
                }
                step = value
            }
            let bounds = pieces[0].split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
            let values: ClosedRange<Int>
            if pieces[0] == "*" {
                values = range
            } else {
                let low = try number(bounds[0])
                let high = bounds.count == 2 ? try number(bounds[1]) : pieces.count == 2 ? range.upperBound : low
                guard low <= high else { throw Mistake(problem: "'\(part)' runs backwards") }
                values = low...high
            }
            for value in stride(from: values.lowerBound, through: values.upperBound, by: step) { found.insert(value) }
        }
        return found.sorted()
    }
}
