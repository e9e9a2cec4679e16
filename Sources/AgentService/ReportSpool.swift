import Model
import Wire

/// Reports that the farm has not acknowledged yet, on disk: a restart of the agent loses none.
struct ReportSpool: Sendable {
    private static let reportBytesMax = 64 << 20
    let folder: String

    init(in folder: String) throws(AgentError) {
        self.folder = folder
        try Files.makeFolder(folder, mode: 0o700)
    }

    func logPath(_ attempt: AttemptID) -> String { folder + "/" + attempt.fileName + ".log" }
    private func reportPath(_ attempt: AttemptID) -> String { folder + "/" + attempt.fileName + ".report" }

    func keep(_ report: Proto.AttemptReport, of attempt: AttemptID) throws(AgentError) {
        try Files.replace(reportPath(attempt), with: report.encoded())
    }

    func forget(_ attempt: AttemptID) {
        Files.remove(reportPath(attempt))
        Files.remove(logPath(attempt))
    }

    /// What an earlier life of this agent has left to report. Logs of attempts that died with it are removed.
    ///
    /// - Parameter remarks: gets what cannot be read.
    func leftovers(remarks: inout [String]) -> [(attempt: AttemptID, report: Proto.AttemptReport)] {
        var found: [(AttemptID, Proto.AttemptReport)] = []
        for name in Files.names(in: folder) where name.hasSuffix(".report") {
            let path = folder + "/" + name
            do {
                let bytes = try Files.read(path, bytesMax: Self.reportBytesMax)
                let report = try Proto.AttemptReport(decoding: bytes, limits: .large)
                guard let attempt = try report.attempt?.meaning() else { continue }
                found.append((attempt, report))
            } catch {
                remarks.append("\(path) cannot be read and is left where it is: \(error)")
            }
        }
        let kept = Set(found.map { $0.0.fileName + ".log" })
        for name in Files.names(in: folder) where name.hasSuffix(".log") && !kept.contains(name) {
            Files.remove(folder + "/" + name)
        }
        return found.sorted { $0.0 < $1.0 }
    }
}
