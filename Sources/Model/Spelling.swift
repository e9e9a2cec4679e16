/// Finds what somebody meant to type, and counts things in words.
package enum Spelling {
    /// `1 cell`, `3 cells`.
    package static func counted(_ count: Int, _ word: String) -> String { "\(count) \(word)\(count == 1 ? "" : "s")" }

    /// `a, b, c`, and behind so many `and 4 more`.
    package static func shortened(_ names: [String], most: Int) -> String {
        names.prefix(most).joined(separator: ", ") + (names.count > most ? " and \(names.count - most) more" : "")
    }

    /// Who has each reason, in the order in which reasons come up.
    package static func byReason(_ told: [(name: String, reason: String)]) -> [(reason: String, names: [String])] {
        var places: [String: Int] = [:]
        var shared: [(reason: String, names: [String])] = []
        for (name, reason) in told {
            let place = places[reason] ?? shared.count
            if place == shared.count {
                places[reason] = place
                shared.append((reason, []))
            }
            shared[place].names.append(name)
        }
        return shared
    }

    /// The candidate that is fewest edits away, if it is near enough to be meant: a slip in a short word, two in a longer one.
    package static func nearest(to word: String, among candidates: [String]) -> String? {
        let scored = candidates.map { ($0, distance(Array(word.utf8), Array($0.utf8))) }
        guard let best = scored.min(by: { $0.1 < $1.1 }),
            best.1 <= (word.utf8.count < 6 ? 1 : max(2, word.utf8.count / 4))
        else { return nil }
        return best.0
    }

    /// Insertions, deletions, replacements, and two neighbours that changed places (Damerau, CACM 7, 1964; each letter is
    /// touched once).
    private static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var before: [Int] = []
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var next = [i + 1]
            next.reserveCapacity(b.count + 1)
            for (j, y) in b.enumerated() {
                var least = min(row[j] + (x == y ? 0 : 1), next[j] + 1, row[j + 1] + 1)
                if i > 0, j > 0, x == b[j - 1], y == a[i - 1] { least = min(least, before[j - 1] + 1) }
                next.append(least)
            }
            (before, row) = (row, next)
        }
        return row[b.count]
    }
}
