import Gates
import Model
package import Reporting
import Storage

extension RunReader {
    /// How many runs a trend goes back.
    package static let historyMax = 30

    /// What the runs of the same workflow before this one came to, as far as its owner may read them; oldest first.
    package func history(of run: RunSnapshot) throws(QueryError) -> [PastRun] {
        let judged: [JudgedRun]
        do throws(StorageError) {
            judged = try storage.judgedRuns(of: run.record.name, before: run.id, most: Self.historyMax)
        } catch {
            throw .storage(error)
        }
        return judged.reversed().compactMap { past in
            guard run.record.owner.mayRead(runsOf: past.owner), let judgement = Judgement(record: past.judgement) else {
                return nil
            }
            return PastRun(run: past.id, submittedAt: past.submittedAt, verdict: past.verdict, judgement)
        }
    }
}
