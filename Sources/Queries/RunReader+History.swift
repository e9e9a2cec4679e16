import Gates
import Model
package import Reporting
import Storage
import Wire

extension RunReader {
    /// How many runs a trend goes back, and how many more of the same code are looked at.
    package static let historyMax = 30

    /// What the runs of the same workflow before this one came to, as far as its owner may read them; oldest first.
    package func history(of run: RunSnapshot) throws(QueryError) -> [PastRun] {
        let judged: [JudgedRun]
        do throws(StorageError) {
            var found = try storage.judgedRuns(of: run.record.name, tree: nil, before: run.id, most: Self.historyMax)
            if let tree = run.record.tree, let oldest = found.last?.id, found.count == Self.historyMax {
                // What the same code came to counts, however many runs of other code came between.
                found += try storage.judgedRuns(of: run.record.name, tree: tree, before: oldest, most: Self.historyMax)
            }
            judged = found
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

    /// Whether an earlier run was submitted with what `run` was: the same workflow, gates and inputs. Events of the same code tell
    /// themselves apart by times and by who sent them.
    private func asksTheSame(_ past: RunID, _ run: RunSnapshot) -> Bool {
        // `try?`: a record that cannot be read is told where it is asked for; here it says nothing about flakiness.
        guard let other = try? snapshot(of: past) else { return false }
        let (theirs, mine) = (other.request, run.request)
        return theirs.workflow == mine.workflow && theirs.gates == mine.gates && theirs.vars == mine.vars
            && other.plan.givenInputs == run.plan.givenInputs
    }
}
