/// What a name in `needs` stands for.
struct NamedJobs: Sendable {
    var name: String
    var needs: [String]
    /// Positions in the plan; those of calls inside a call included.
    var jobs: [Int]
    /// The calls, one per cell; empty for a job with steps.
    var calls: [Int] = []
}

/// The jobs of one file by their names, in the file's order.
struct JobScope: Sendable {
    private(set) var jobs: [NamedJobs] = []
    private var places: [String: Int] = [:]

    /// Of two jobs of one name, which was told when the file was read, the first counts.
    mutating func add(_ named: NamedJobs) {
        if places[named.name] == nil { places[named.name] = jobs.count }
        jobs.append(named)
    }

    subscript(name: String) -> NamedJobs? { places[name].map { jobs[$0] } }

    /// Everything that these needs need, directly or not, and they themselves.
    func ancestors(of needs: [String]) -> [NamedJobs] {
        var seen: Set<Int> = []
        var open = needs.compactMap { places[$0] }
        while let place = open.popLast() {
            guard seen.insert(place).inserted else { continue }
            open += jobs[place].needs.compactMap { places[$0] }.filter { !seen.contains($0) }
        }
        return seen.sorted().map { jobs[$0] }
    }
}
