import Gates
import JSON
import Model

extension RunReport {
    /// The report in JSON on one line, everything in it; docs/reports.md says what each member is. The same report gives
    /// the same bytes. What is not known is `null`, never zero; times are UTC, durations seconds.
    package var json: [UInt8] {
        var members: [Value.Member] = [
            .init("sheaf_report", 1), .init("run", orNull(facts.run?.description)),
            .init("workflow", .string(facts.workflow)), .init("title", .string(facts.title)),
            .init("file", .string(facts.file)),
            .init("event", .string(facts.event)), .init("actor", .string(facts.actor)),
            .init("submitted_at", orNull(facts.submittedAt?.utc)), .init("ended_at", orNull(facts.endedAt?.utc)),
            .init("duration_s", orNull(duration)), .init("commit", orNull(commit)), .init("tree", orNull(tree?.hex)),
            .init("provenance", .object(provenance)),
            .init("baselines", .array(judgement.baselines.map(\.reported))),
        ]
        members += [
            .init("verdict", isOver ? .string(judgement.verdict.rawValue) : .null),
            .init("exit_code", isOver ? .number(Double(judgement.exitCode)) : .null),
            .init("cancelled", .boolean(facts.isCancelled)),
            .init("summary", .string(verdictSentence)),
            .init("gates", .array(judgement.gates.map { $0.reported(in: self) })),
            .init("blame", .array(blames.map { $0.reported(sentence: sentence($0)) })),
            .init("flaky", .array(flaky.map(\.reported))),
            .init(
                "otherwise",
                .array(
                    otherwise.map {
                        [
                            "name": .string($0.name), "run": .string($0.run.description),
                            "passes_here": .boolean($0.passesHere),
                        ]
                    })), .init("environment_changes", .array(facts.environmentChanges.map(\.reported))),
            .init("jobs", .array(jobs.map(\.reported))),
            .init("cost", cost.reported(facts.rates?.currency)), .init("agents", .array(agents.map(\.reported))),
            .init("artifacts", .array(facts.artifacts.map(\.reported))),
            .init("warnings", .array(facts.warnings.map { .string($0.sentence) })),
            .init("notes", .array(facts.notes.map(Value.string))),
            .init(
                "summaries",
                .array(
                    facts.summaries.map {
                        [
                            "cell": .string($0.cell), "shard": .number(Double($0.shard)), "text": .string($0.text),
                        ]
                    })),
        ]
        var writer = JSONWriter()
        writer.value(.object(members))
        writer.newline()
        return writer.bytes
    }
}

private func orNull(_ text: String?) -> Value { text.map(Value.string) ?? .null }
private func orNull(_ count: Int?) -> Value { count.map { .number(Double($0)) } ?? .null }
private func orNull(_ number: Double?) -> Value { number.map(Value.number) ?? .null }
/// To the millisecond.
private func orNull(_ duration: Duration?) -> Value {
    duration.map { .number(($0.inSeconds * 1000).rounded() / 1000) } ?? .null
}

extension GateJudgement {
    fileprivate func reported(in report: RunReport) -> Value {
        [
            "gate": .string(name), "verdict": .string(word), "required": .boolean(isRequired),
            "question": .string(question), "outcome": .string(outcome),
            "groups": .array(groups.map { $0.reported(name: report.name(of: $0, in: self)) }),
        ]
    }
}

extension BaselineNote {
    fileprivate var reported: Value {
        [
            "baseline": .string(name), "gates": gates.map { .array($0.map(Value.string)) } ?? .null,
            "state": .string(state.rawValue), "text": .string(text),
            "run": orNull(run?.description), "commit": orNull(commit), "tree": orNull(tree?.hex),
            "provenance": .object(provenance),
        ]
    }
}

extension GroupJudgement {
    fileprivate func reported(name: String) -> Value {
        [
            "name": .string(name), "where": .object(place), "verdict": .string(verdict.rawValue),
            "reason": .string(reason), "value": orNull(value), "unit": orNull(unit), "limit": .string(limit),
            "bound": bound.count > 1 ? .array(bound.map(Value.number)) : orNull(bound.first),
            "baseline": orNull(baseline), "baseline_source": orNull(baselineSource.isEmpty ? nil : baselineSource),
            "effect": orNull(effect), "n": orNull(count),
            "interval": interval.isEmpty ? .null : .array(interval.map(Value.number)), "p": orNull(probability),
            "test": test.map(\.reported) ?? .null, "flips": flips.map(\.reported) ?? .null,
            "spread": spread.map {
                [
                    "lowest": .number($0.lowest), "highest": .number($0.highest),
                    "repetitions": .number(Double($0.repetitions)),
                ]
            } ?? .null,
            "rests_on": .array(
                restsOn.map {
                    [
                        "job": .string($0.job), "cell": .string($0.cell),
                        "attempts": .array($0.attempts.map { .number(Double($0)) }),
                    ]
                }),
        ]
    }
}

extension TestEvidence {
    fileprivate var reported: Value {
        [
            "test": .string(test.rawValue), "method": .string(method), "rate": .number(rate),
            "p_in_family": orNull(adjusted), "family": orNull(family), "items_needed": orNull(needed),
            "power": orNull(power), "power_in_family": orNull(powerInFamily), "lacking": orNull(lacking),
            "new": orNull(new),
        ]
    }
}

extension Flips {
    fileprivate var reported: Value {
        [
            "lost": orNull(lost), "lost_ids": .array(lostIDs.map(Value.string)), "gained": orNull(gained),
            "gained_ids": .array(gainedIDs.map(Value.string)), "ids_left_out": orNull(idsLeftOut),
        ]
    }
}

extension BlameReport {
    fileprivate func reported(sentence: String) -> Value {
        [
            "job": .string(job), "where": .object(blame.place), "failed": orNull(blame.failed),
            "cells": orNull(blame.count), "failed_elsewhere": orNull(blame.failedElsewhere),
            "cells_elsewhere": orNull(blame.countElsewhere), "p": .number(blame.probability),
            "searched": orNull(blame.searched), "failed_in_baseline": orNull(failedBefore),
            "sentence": .string(sentence),
        ]
    }
}

extension FlakyShard {
    fileprivate var reported: Value {
        [
            "cell": .string(name), "shard": .number(Double(shard)), "causes": .array(causes.map(Value.string)),
            "tests": .array(tests.map(Value.string)),
        ]
    }
}

extension JobReport {
    fileprivate var reported: Value {
        [
            "job": .string(id), "ending": .string(ending.rawValue), "reason": .string(reason),
            "headline": orNull(headline), "cells": .array(cells.map(\.reported)),
        ]
    }
}

extension CellReport {
    fileprivate var reported: Value {
        [
            "id": .string(id), "name": .string(name), "values": .object(values), "mark": .string(mark.rawValue),
            "reasons": .array(reasons.map(Value.string)), "figure": orNull(figure), "duration_s": orNull(duration),
            "cpu_s": measured(\.cpu) ? orNull(cost.cpu) : .null,
            "gpu_s": measured(\.duration) ? orNull(cost.gpu) : .null,
            "setup_s": measured(\.setup) ? orNull(cost.setup) : .null,
            "run_s": measured(\.running) ? orNull(cost.running) : .null,
            "upload_s": measured(\.uploading) ? orNull(cost.uploading) : .null,
            "not_passed_wall_s": measured(\.duration) ? orNull(cost.wastedWall) : .null, "money": orNull(cost.money),
            "environment_locks": .array(environmentLocks.map { .string($0.hex) }),
            "shards": .array(shards.map(\.reported)),
        ]
    }
}

extension CellReport {
    private func measured(_ part: (AttemptFact) -> Duration?) -> Bool {
        shards.contains { $0.attempts.contains { part($0) != nil } }
    }
}

extension EnvironmentChange {
    fileprivate var reported: Value {
        [
            "cells": .array(cells.map(Value.string)), "against": orNull(against?.description),
            "changes": .array(lines.map(Value.string)),
        ]
    }
}

extension ShardReport {
    fileprivate var reported: Value {
        [
            "shard": .number(Double(shard)), "cause": orNull(cause?.kind.rawValue), "code": orNull(cause?.code),
            "evidence": orNull(cause?.evidence), "settled_by": orNull(settledBy),
            "attempts": .array(attempts.map(\.reported)),
        ]
    }
}

extension AttemptFact {
    fileprivate var reported: Value {
        [
            "attempt": .number(Double(number)), "beside": orNull(beside), "agent": .string(agent),
            "cause": orNull(cause?.kind.rawValue),
            "code": orNull(cause?.code), "evidence": orNull(cause?.evidence), "started_at": orNull(startedAt?.utc),
            "ended_at": orNull(endedAt?.utc), "duration_s": orNull(duration), "cpu_s": orNull(cpu),
            "setup_s": orNull(setup), "run_s": orNull(running), "upload_s": orNull(uploading),
            "peak_memory_bytes": peakMemory.map { .number(Double($0.bytes)) } ?? .null,
            "gpus": .number(Double(gpus)), "gpu_models": .array(gpuModels.map(Value.string)),
            "environment_lock": orNull(environmentLock?.hex), "note": orNull(note),
            "log_tail": .array(logTail.map(Value.string)),
        ]
    }
}

extension AgentUse {
    fileprivate var reported: Value {
        ["agent": .string(agent), "attempts": orNull(attempts), "lost": orNull(lost), "wall_s": orNull(wall)]
    }
}

extension Cost {
    fileprivate func reported(_ currency: String?) -> Value {
        [
            "attempts": orNull(attempts), "wall_s": orNull(wall), "cpu_s": orNull(cpu), "gpu_s": orNull(gpu),
            "setup_s": orNull(setup), "run_s": orNull(running), "upload_s": orNull(uploading),
            "not_passed_wall_s": orNull(wastedWall), "not_passed_cpu_s": orNull(wastedCPU),
            "retried_wall_s": orNull(retriedWall), "retried_cpu_s": orNull(retriedCPU),
            "cancelled_wall_s": orNull(cancelledWall), "cancelled_cpu_s": orNull(cancelledCPU),
            "money": orNull(money), "not_passed_money": orNull(wastedMoney), "currency": orNull(currency),
            "unpriced": .array(unpriced.map(Value.string)),
            "peak_memory_bytes": peakMemory.map { .number(Double($0.bytes)) } ?? .null,
        ]
    }
}

extension ArtifactFact {
    fileprivate var reported: Value {
        [
            "name": .string(name), "job": .string(job), "cell": .string(cell), "shard": .number(Double(shard)),
            "size_bytes": .number(Double(size.bytes)), "manifest": .string(digest.hex),
        ]
    }
}
