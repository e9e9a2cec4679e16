import Gates
import Model
package import Reporting
import Storage
import Wire

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
            return PastRun(
                run: past.id, submittedAt: past.submittedAt, verdict: past.verdict, judgement,
                isSameCode: past.tree != nil && past.tree == run.record.tree && asksTheSame(past.id, run))
        }
    }

    /// Whether an earlier run was submitted with what `run` was: the same code, workflow and inputs.
    private func asksTheSame(_ past: RunID, _ run: RunSnapshot) -> Bool {
        // `try?`: a record that cannot be read is told where it is asked for; here it says nothing about flakiness.
        guard let other = try? snapshot(of: past)?.request else { return false }
        let mine = run.request
        return other.workflow == mine.workflow && other.gates == mine.gates && other.eventName == mine.eventName
            && other.eventJson == mine.eventJson && other.inputs == mine.inputs && other.vars == mine.vars
    }
}
