/// A person's word that something known does not hold a run up, until a day. It never covers evidence that is missing or
/// broken.
package struct Waiver: Equatable, Sendable {
    package enum Subject: Equatable, Sendable {
        /// A gate's groups that fail or are inconclusive are `waived`.
        case gate(String)
        /// Quarantine: cells of the job do not have to pass, and stay out of gates.
        case cells(job: String)
    }

    package var subject: Subject
    /// Groups or cells with these values; all of them where it is empty.
    package var place: [Value.Member]
    package var reason: String
    package var author: String
    /// The last day, in UTC, on which a run that is submitted is covered: `2026-12-31`.
    package var lastDay: String
    package var position: SourcePosition

    package init(
        _ subject: Subject, place: [Value.Member] = [], reason: String, author: String, lastDay: String,
        position: SourcePosition = SourcePosition(file: "", line: 0, column: 0)
    ) {
        self.subject = subject
        self.place = place
        self.reason = reason
        self.author = author
        self.lastDay = lastDay
        self.position = position
    }

    /// Whether `text` is a day of the calendar, written `2026-12-31`.
    package static func isDay(_ text: some StringProtocol) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard text.utf8.count == 10, parts.map(\.utf8.count) == [4, 2, 2],
            text.utf8.allSatisfy({ $0 == UInt8(ascii: "-") || (0x30...0x39).contains($0) }),
            let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2]), (1...12).contains(month)
        else { return false }
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        return day >= 1 && day <= days[month - 1]
    }
}
