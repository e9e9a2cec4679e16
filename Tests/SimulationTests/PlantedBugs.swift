import Model
import Scheduling
import Simulation

extension Rule {
    /// The bugs that this rule catches, each of them by itself. A new rule does not compile without.
    var bugs: [Bug] {
        switch self {
        case .onlyWhatThereIs:
            [
                Bug("leases a shard that there is not", lease: { $0.attempt.shard.shard += 1000 }),
                Bug("leases a shard of a job that there is not", lease: { $0.attempt.shard.cell.job += 1000 }),
                Bug("settles a shard that there is not") { effect, _ in
                    guard case .settled(let cell, _, _, _) = effect else { return nil }
                    return .settled(cell, shards: 1000...1000, attempt: 0, Cause(.cancelled))
                },
            ]
        case .oneLease:
            [
                .leasesTwice
            ]
        case .ahead:
            [
                Bug(
                    "offers ahead what asks for more than there will be",
                    lease: { lease in
                        if lease.behind != nil { lease.cpus += 1 }
                    }),
                Bug("offers behind an attempt that there is not", lease: { $0.behind?.number += 1 }),
            ]
        case .twinBeside:
            [
                Bug("takes every shard for one that may be worked on twice", job: { $0.isIdempotent = true }),
                Bug("begins a second attempt beside one that it was told nothing of") { effects, _, _, memory in
                    for effect in effects {
                        guard case .leased(var lease) = effect, memory.strikes(every: 10) else { continue }
                        lease.beside = .init(number: lease.attempt.number, why: "a bug")
                        lease.attempt.number += 1
                        effects.append(.leased(lease))
                    }
                },
            ]
        case .twinElsewhere:
            [
                Bug("begins second attempts where the first one lags") { effects, _, _, memory in
                    for index in effects.indices {
                        guard case .leased(var lease) = effects[index] else { continue }
                        if lease.beside == nil {
                            memory.leases[lease.attempt.shard] = lease
                        } else if let first = memory.leases[lease.attempt.shard] {
                            lease.agent = first.agent
                            effects[index] = .leased(lease)
                        }
                    }
                }
            ]
        case .twinsMax: [.doublesForEver]
        case .twinYields:
            [.overlooksRuns]
        case .endedStaysUnleased:
            [
                Bug("leases a shard again that has settled") { effects, _, _, memory in
                    for effect in effects {
                        if case .leased(let lease) = effect { memory.leases[lease.attempt.shard] = lease }
                        guard case .settled(let cell, let shards, let attempt, _) = effect, attempt > 0,
                            var lease = memory.leases[ShardID(cell: cell, shard: shards.lowerBound)]
                        else { continue }
                        lease.attempt.number = attempt + 1
                        effects.append(.leased(lease))
                    }
                }
            ]
        case .numbered: [Bug("counts an attempt too many", lease: { $0.attempt.number += 1 })]
        case .backoff:
            [
                Bug(
                    "tries again before it said",
                    effect: { effect in
                        guard case .attemptEnded(let attempt, let cause, let retryAt?, let why) = effect else {
                            return effect
                        }
                        return .attemptEnded(attempt, cause, retryAt: retryAt.advanced(by: .minutes(10)), why: why)
                    })
            ]
        case .present:
            [
                Bug("leases to a draining agent") { event, _ in
                    if case .agentDraining(let agent, _, _) = event { event = .agentDraining(agent, false) }
                    return true
                },
                Bug("does not notice that an agent is gone") { event, _ in
                    if case .agentDisconnected = event { false } else { true }
                },
            ]
        case .team: [Bug("gives a team's agent to all", agent: { $1 = nil })]
        case .trust:
            [
                Bug("takes every pool for one that takes strangers' code") { event, _ in
                    if case .agentPooled(let agent, var pool) = event {
                        pool.allowsUntrusted = true
                        event = .agentPooled(agent, pool)
                    }
                    return true
                }
            ]
        case .labels: [Bug("takes every agent for big", agent: { capacity, _ in capacity.labels.append("big") })]
        case .interpreter:
            [
                Bug(
                    "takes every agent for one that has Python 3.11",
                    agent: { capacity, _ in
                        capacity.interpreters = [
                            Interpreter(version: "3.11.7", path: "/usr/bin/python3", source: "system")
                        ]
                    })
            ]
        case .asAskedFor:
            [
                Bug("leases a GPU less", lease: { $0.devices = Array($0.devices.dropLast()) }),
                Bug("leases a core less", lease: { $0.cpus -= 1 }), Bug("leases no memory", lease: { $0.memory = nil }),
                Bug("leases no disk", lease: { $0.disk = nil }),
            ]
        case .cores: [Bug("takes agents for larger than they are", agent: { capacity, _ in capacity.cpus += 1 })]
        case .memory:
            [
                Bug(
                    "takes agents for larger than they are",
                    agent: { capacity, _ in capacity.memory = capacity.memory + .gibibytes(8) })
            ]
        case .disk:
            [
                Bug(
                    "takes agents for larger than they are",
                    agent: { capacity, _ in capacity.disk = capacity.disk + .gibibytes(100) })
            ]
        case .fitDevices:
            [
                Bug("believes no agent that a device is unfit") { event, _ in
                    if case .devicesLooked = event { false } else { true }
                }
            ]
        case .devicesOnce: [.leasesDevicesTwice]
        case .ownDevices: [Bug("leases another's GPUs", lease: { $0.devices = $0.devices.map { "other-" + $0 } })]
        case .maxParallel:
            [
                Bug(
                    "does not know of max-parallel",
                    resolution: { resolution in
                        guard case .cells(let cells, let failFast, _, let goesOn) = resolution else { return }
                        resolution = .cells(cells, failFast: failFast, maxParallel: nil, goesOn: goesOn)
                    })
            ]
        case .shardsMaxParallel:
            [Bug("does not know of shards.max-parallel", job: { $0.shards.maxParallel = nil })]
        case .longestFirst:
            [
                Bug(
                    "does not know how long cells take",
                    resolution: { resolution in
                        guard case .cells(var cells, let failFast, let most, let goesOn) = resolution else { return }
                        for cell in cells.indices { cells[cell].expected = nil }
                        resolution = .cells(cells, failFast: failFast, maxParallel: most, goesOn: goesOn)
                    })
            ]
        case .keeper:
            [
                Bug("does not listen to what agents keep") { event, _ in
                    if case .agentJoined(let agent, let team, var capacity, let holds) = event {
                        capacity.keeps = []
                        event = .agentJoined(agent, team: team, capacity: capacity, holds: holds)
                    }
                    if case .environmentEntered = event { return false }
                    return true
                }
            ]
        case .onlyCurrent:
            [
                Bug(
                    "renews an attempt that has not begun",
                    effect: { effect in
                        guard case .renewed(let agent, let attempts) = effect else { return effect }
                        return .renewed(agent, attempts.map { AttemptID(shard: $0.shard, number: $0.number + 1) })
                    }),
                Bug("takes back an attempt that has ended") { effect, _ in
                    if case .attemptEnded(let attempt, _, _, _) = effect { .offerWithdrawn(attempt) } else { nil }
                },
                Bug("cancels on another agent") { effect in
                    guard case .cancelAttempt(let attempt, _, let reason) = effect else { return effect }
                    return .cancelAttempt(attempt, on: AgentID("nobody"), reason: reason)
                },
                Bug("starts an attempt that has ended") { effect, now in
                    if case .attemptEnded(let attempt, _, _, _) = effect {
                        .attemptStarted(attempt, at: now)
                    } else {
                        nil
                    }
                },
                Bug("ends an attempt twice") { effect, _ in
                    if case .attemptEnded = effect { effect } else { nil }
                },
            ]
        case .notForgotten:
            [
                Bug("disowns what it leased") { effect, _ in
                    guard case .leased(let lease) = effect else { return nil }
                    return .forgetAttempt(lease.attempt, on: lease.agent, reason: "a bug")
                }
            ]
        case .lostWhenExpired:
            [
                // Agents have stopped by then: nobody works in two places, and all the same it is too early.
                Bug("takes agents that report for gone") { event, memory in
                    if case .attemptFinished(_, let agent, _, _, _) = event, memory.strikes(every: 5) {
                        event = .agentRemoved(agent)
                    }
                    return true
                }
            ]
        case .fence:
            [
                .cutsLeasesShort,
                Bug("takes agents that heartbeat for gone") { event, memory in
                    if case .leasesRenewed(let agent, let attempts) = event, !attempts.isEmpty,
                        memory.strikes(every: 5)
                    {
                        event = .agentRemoved(agent)
                    }
                    return true
                },
                Bug("works on when the lease has ended", flaw: .worksOn),
            ]
        case .covered:
            [
                Bug("tries again whatever failed", job: { $0.retry.on.append("user_exit") }),
                Bug("tries again for ever", job: { $0.retry.attemptsMax = 1_000 }),
            ]
        case .budget: [.spendsFreely]
        case .acknowledged:
            [
                Bug("acknowledges a report before it is stored", flaw: .acknowledgesEarly), .losesReports,
                Bug("stores another result than was reported") { event, memory in
                    if case .attemptFinished(let attempt, let agent, let cause, let listed, let shards) = event,
                        cause.kind == .userExit
                    {
                        event = .attemptFinished(attempt, by: agent, Cause(.passed), listed: listed, shards: shards)
                    }
                    return true
                },
            ]
        case .settlesOnce:
            [
                Bug("settles twice") { effect, _ in
                    if case .settled(_, let shards, _, _) = effect, shards.lowerBound >= 0 { effect } else { nil }
                },
                Bug("lets both of two attempts settle their shard") { effects, _, _, _ in
                    for (attempt, cause) in effects.cancelledForOthers {
                        let shard = attempt.shard.shard
                        effects.append(
                            .settled(attempt.shard.cell, shards: shard...shard, attempt: attempt.number, cause))
                    }
                },
            ]
        case .settlesUnleased:
            [
                Bug("settles what it leases") { effect, _ in
                    guard case .leased(let lease) = effect else { return nil }
                    let shard = lease.attempt.shard
                    return .settled(
                        shard.cell, shards: shard.shard...shard.shard, attempt: 0, Cause(.cancelled))
                }
            ]
        case .lastAttempt:
            [
                Bug("settles what failed as passed") { effect in
                    guard case .settled(let cell, let shards, let attempt, let cause) = effect,
                        cause.kind == .userExit
                    else { return effect }
                    return .settled(cell, shards: shards, attempt: attempt, Cause(.passed))
                }
            ]
        case .firstCounts:
            [
                Bug("counts the one of two attempts that it cancels") { effects, _, _, _ in
                    for (attempt, cause) in effects.cancelledForOthers {
                        let shard = attempt.shard.shard
                        effects = effects.map { effect in
                            guard case .settled(attempt.shard.cell, shard...shard, _, _) = effect else { return effect }
                            return .settled(attempt.shard.cell, shards: shard...shard, attempt: attempt.number, cause)
                        }
                    }
                }
            ]
        case .otherGoesOn:
            [
                Bug("cancels the second attempt when the first one is lost, or its time is over") {
                    effects, _, _, memory in
                    for effect in effects {
                        if case .leased(let lease) = effect, lease.beside != nil {
                            memory.twins[lease.attempt.shard] = lease
                        }
                        guard case .attemptEnded(let attempt, let cause, nil, let why) = effect,
                            why.hasSuffix(" goes on"), let twin = memory.twins[attempt.shard], twin.attempt != attempt
                        else { continue }
                        let shard = attempt.shard.shard
                        effects += [
                            .attemptEnded(twin.attempt, Cause(.notNeeded), retryAt: nil, why: ""),
                            .settled(attempt.shard.cell, shards: shard...shard, attempt: attempt.number, cause),
                        ]
                    }
                }
            ]
        case .resultNeedsAttempt:
            [
                Bug("settles what was cancelled as passed") { effect in
                    guard case .settled(let cell, let shards, 0, _) = effect else { return effect }
                    return .settled(cell, shards: shards, attempt: 0, Cause(.passed))
                }
            ]
        case .queueTimeout:
            [
                Bug(
                    "waits for an agent for a second",
                    resolution: { resolution in
                        guard case .cells(var cells, let failFast, let most, let goesOn) = resolution else { return }
                        for cell in cells.indices { cells[cell].queueTimeout = .seconds(1) }
                        resolution = .cells(cells, failFast: failFast, maxParallel: most, goesOn: goesOn)
                    })
            ]
        // The farm is told what a rerun keeps: the coordinator has to leave out what failed.
        case .keptPassed: [Bug("keeps what failed in a rerun", flaw: .keepsFailures)]
        case .cutOnce:
            [Bug("cuts a cell twice") { effect, _ in if case .cellSharded = effect { effect } else { nil } }]
        case .cellEndsOnce:
            [Bug("ends a cell twice") { effect, _ in if case .cellEnded = effect { effect } else { nil } }]
        case .cellComplete:
            [
                Bug("ends a cell when it is cut") { effect, _ in
                    if case .cellSharded(let cell, _, _) = effect { .cellEnded(cell, .passed) } else { nil }
                }
            ]
        case .cellEnding:
            [
                Bug("lets a failed cell pass") { effect in
                    if case .cellEnded(let cell, .failed) = effect { .cellEnded(cell, .passed) } else { effect }
                }
            ]
        case .needsEnded:
            [
                Bug("does not wait for what a job needs") { effects, event, _, _ in
                    guard case .runSubmitted(let run, _, let plan, _) = event else { return }
                    for job in plan.jobs.indices where !plan.jobs[job].needs.isEmpty {
                        effects.append(.jobReady(run, job: job))
                    }
                }
            ]
        case .jobEndsOnce:
            [Bug("ends a job twice") { effect, _ in if case .jobEnded = effect { effect } else { nil } }]
        case .jobComplete:
            [
                Bug("ends a job when a cell of it is cut") { effect, _ in
                    guard case .cellSharded(let cell, _, _) = effect else { return nil }
                    return .jobEnded(cell.run, job: cell.job, .success, reason: "")
                }
            ]
        case .jobEnding:
            [
                Bug("lets a failed job succeed") { effect in
                    guard case .jobEnded(let run, let job, .failure, let reason) = effect else { return effect }
                    return .jobEnded(run, job: job, .success, reason: reason)
                },
                Bug("lets a cancelled job succeed") { effect in
                    guard case .jobEnded(let run, let job, .cancelled, let reason) = effect else { return effect }
                    return .jobEnded(run, job: job, .success, reason: reason)
                },
            ]
        case .goesOn:
            [
                Bug(
                    "cancels the jobs that clean up after a cancelled run, too",
                    resolution: { resolution in
                        guard case .cells(let cells, let failFast, let most, _) = resolution else { return }
                        resolution = .cells(cells, failFast: failFast, maxParallel: most, goesOn: false)
                    })
            ]
        case .runComplete:
            [
                Bug("ends a run with its first job") { effect, _ in
                    if case .jobEnded(let run, _, _, _) = effect { .runEnded(run) } else { nil }
                }
            ]
        case .everyRunEnds:
            [Bug("never looks at the clock", event: { event, _ in event != .timeReached })]
        case .lives:
            [
                Bug("starts an attempt twice") { effect, _ in
                    if case .attemptStarted = effect { effect } else { nil }
                }
            ]
        case .explained: [.tellsTales]
        case .restored:
            [
                Bug("lists the items of a cell again that was cut before") { decision, _ in
                    if case .cellSharded = decision { false } else { true }
                },
                Bug("forgets leases when it starts anew") { decision, _ in
                    if case .leased = decision { false } else { true }
                },
                Bug("counts an attempt too many when it starts anew") { decision, _ in
                    if case .attemptEnded(var attempt, let cause, .some(let at)) = decision {
                        attempt.number += 1
                        decision = .attemptEnded(attempt, cause, retryAt: at)
                    }
                    return true
                },
                Bug(
                    "takes a queue timeout for nearly over when it starts anew",
                    resolutionLoaded: { resolution in
                        guard case .cells(var cells, let failFast, let most, let goesOn) = resolution else { return }
                        for cell in cells.indices { cells[cell].queueTimeout = .seconds(3) }
                        resolution = .cells(cells, failFast: failFast, maxParallel: most, goesOn: goesOn)
                    }),
                Bug("takes second attempts for only ones when it starts anew") { decision, _ in
                    if case .leased(var lease, let startedAt) = decision {
                        lease.beside = nil
                        decision = .leased(lease, startedAt: startedAt)
                    }
                    return true
                },
                Bug("forgets how long attempts took when it starts anew") { decision, _ in
                    if case .attemptTook = decision { false } else { true }
                },
                Bug("forgets every fourth settlement when it starts anew") { decision, memory in
                    if case .settled = decision { !memory.strikes(every: 4) } else { true }
                },
            ]
        }
    }
}

extension Bug {
    static let leasesTwice = Bug("leases a shard again, to the same agent, under the next number") {
        effects, _, _, memory in
        for case .leased(var lease) in effects where memory.strikes(every: 10) {
            lease.attempt.number += 1
            effects.append(.leased(lease))
        }
    }

    fileprivate static var leasesDevicesTwice: Bug {
        var bug = Bug("always leases an agent's first GPUs") { effects, _, _, memory in
            for index in effects.indices {
                guard case .leased(var lease) = effects[index] else { continue }
                lease.devices = Array((memory.devices[lease.agent] ?? []).prefix(lease.devices.count))
                effects[index] = .leased(lease)
            }
        }
        bug.event = { event, memory in
            if case .agentJoined(let agent, _, let capacity, _) = event {
                memory.devices[agent] = capacity.gpus.map(\.uuid)
            }
            return true
        }
        return bug
    }

    /// Gives up leases earlier than it says: agents may still work then.
    fileprivate static var cutsLeasesShort: Bug {
        var bug = Bug("counts on leases for less long than it told agents") { effects, _, now, _ in
            for index in effects.indices {
                guard case .leased(var lease) = effects[index] else { continue }
                lease.until = now.advanced(by: .seconds(30))
                effects[index] = .leased(lease)
            }
        }
        bug.settings = { $0.lease = $0.lease / 4 }
        return bug
    }

    fileprivate static var spendsFreely: Bug {
        var bug = Bug("has no budget of retries")
        bug.settings = { $0.retriesMin = 1_000_000 }
        return bug
    }

    /// Second attempts of other runs take the room that these wait for.
    fileprivate static var overlooksRuns: Bug {
        var bug = Bug("takes every second run for one that no agent can take") { event, _ in
            guard case .jobResolved(let run, let job, .cells(var cells, let failFast, let most, let goesOn)) = event,
                run.number % 2 == 0
            else { return true }
            for cell in cells.indices { cells[cell].labels.append("tpu") }
            event = .jobResolved(
                run, job: job, .cells(cells, failFast: failFast, maxParallel: most, goesOn: goesOn))
            return true
        }
        bug.line = { $0.contains("no agent has label tpu") ? "shard waits for a free agent" : $0 }
        return bug
    }

    fileprivate static var doublesForEver: Bug {
        var bug = Bug("begins second attempts for ever")
        bug.settings = { $0.lag.twinsMax = 1_000 }
        return bug
    }

    fileprivate static var losesReports: Bug {
        var bug = Bug("loses every tenth report that was stored")
        bug.losesEnds = 10
        return bug
    }

    fileprivate static var tellsTales: Bug {
        var bug = Bug("says that no agent is connected, whatever is missing")
        bug.line = { $0.contains(" waits for a free agent") ? "shard waits: no agent is connected" : $0 }
        return bug
    }
}

extension [Farm.Effect] {
    /// Attempts that end because the other one at their shard counts.
    fileprivate var cancelledForOthers: [(attempt: AttemptID, cause: Cause)] {
        compactMap { effect in
            guard case .attemptEnded(let attempt, let cause, nil, _) = effect, cause.kind == .notNeeded,
                cause.evidence.hasSuffix(" first")
            else { return nil }
            return (attempt, cause)
        }
    }
}
