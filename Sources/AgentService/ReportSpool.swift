import Glibc
import Model
import Wire

/// Reports that the farm has not acknowledged yet, and what they name, on disk: a restart of the agent loses none.
struct ReportSpool: Sendable {
    private static let reportBytesMax = 64 << 20
    let folder: String

    init(in folder: String) throws(AgentError) {
        self.folder = folder
        try Files.makeFolder(folder, mode: 0o700)
    }

    func logPath(_ attempt: AttemptID) -> String { folder + "/" + attempt.fileName + ".log" }
    /// Where a log waits whose report the farm has: nothing is missing in it.
    private func restPath(_ attempt: AttemptID) -> String { folder + "/" + attempt.fileName + ".rest" }
    private func reportPath(_ attempt: AttemptID) -> String { folder + "/" + attempt.fileName + ".report" }

    /// Keeps a report for the agent's next life. Not for the machine's, until it is synced: most reports are in the farm's
    /// store before that.
    func keep(_ report: Proto.AttemptReport, of attempt: AttemptID) throws(AgentError) {
        try Files.replace(reportPath(attempt), with: report.encoded(), durably: false)
    }

    /// Sees that reports which are still here outlive a loss of power.
    func sync(_ attempts: [AttemptID]) {
        var isAny = false
        for attempt in attempts where Files.sync(reportPath(attempt)) { isAny = true }
        if isAny { Files.sync(folder) }
    }

    func forget(_ attempt: AttemptID) {
        Files.remove(reportPath(attempt))
        KeptResults(of: attempt, in: folder).remove()
        Files.remove(logPath(attempt))
        Files.remove(restPath(attempt))
    }

    /// Nobody needs the report any more; what of the log the farm has not yet is kept for it.
    func forgetReport(of attempt: AttemptID) {
        // The log first: one without a report would count as cut off.
        _ = unsafe rename(logPath(attempt), restPath(attempt))
        Files.remove(reportPath(attempt))
        KeptResults(of: attempt, in: folder).remove()
    }

    /// The log of an attempt that reports nothing any more.
    func openRest(_ rest: Leftovers.Log) throws(AgentError) -> LogSpool {
        try LogSpool(at: rest.isCutOff ? logPath(rest.attempt) : restPath(rest.attempt))
    }

    /// What an earlier life of this agent has left behind.
    struct Leftovers: Sendable {
        var reports: [(attempt: AttemptID, report: Proto.AttemptReport)] = []
        var logs: [Log] = []

        /// A log that no report waits for.
        struct Log: Sendable {
            var attempt: AttemptID
            /// The attempt ended with the agent, before it could report.
            var isCutOff: Bool
        }
    }

    /// - Parameter remarks: gets what cannot be read.
    func leftovers(remarks: inout [String]) -> Leftovers {
        var found = Leftovers()
        let names = Files.names(in: folder)
        for name in names where name.hasSuffix(".report") {
            let path = folder + "/" + name
            do {
                let bytes = try Files.read(path, bytesMax: Self.reportBytesMax)
                let report = try Proto.AttemptReport(decoding: bytes, limits: .large)
                guard let attempt = try report.attempt?.meaning() else { continue }
                found.reports.append((attempt, report))
            } catch {
                remarks.append("\(path) cannot be read and is left where it is: \(error)")
            }
        }
        for name in names where name.hasSuffix(".rest") {
            guard let attempt = AttemptID(fileName: name.dropLast(5)) else { continue }
            found.logs.append(.init(attempt: attempt, isCutOff: false))
        }
        let reported = Set(found.reports.map { $0.attempt.fileName + ".log" })
        for name in names where name.hasSuffix(".log") && !reported.contains(name) {
            guard let attempt = AttemptID(fileName: name.dropLast(4)) else {
                remarks.append("\(folder)/\(name) is no log of an attempt and is left where it is")
                continue
            }
            found.logs.append(.init(attempt: attempt, isCutOff: true))
        }
        // An attempt that ended with the agent came to nothing.
        for name in names where name.hasSuffix(KeptResults.suffix) {
            guard let attempt = AttemptID(fileName: name.dropLast(KeptResults.suffix.count)) else { continue }
            if !found.reports.contains(where: { $0.attempt == attempt }) {
                KeptResults(of: attempt, in: folder).remove()
            }
        }
        found.reports.sort { $0.attempt < $1.attempt }
        found.logs.sort { $0.attempt < $1.attempt }
        return found
    }
}
