package import Model

extension Farm {
    /// What the coordinator found out about a job whose needs have ended.
    package enum Resolution: Equatable, Sendable {
        /// The job runs with these cells; the rest of `strategy` as it was evaluated, which replaces the plan's.
        ///
        /// - goesOn: the job's condition holds when the run is cancelled, too.
        case cells([PlannedCell], failFast: Bool, maxParallel: Int?, goesOn: Bool = false)
        /// Its own `if` was false.
        case notApplicable(reason: String)
        /// Something it needs failed.
        case notReached(reason: String)
        /// Its condition or its matrix could not be evaluated.
        case failed(reason: String)

        var hasCells: Bool { if case .cells(let cells, _, _, _) = self { !cells.isEmpty } else { false } }
    }

    /// A GPU that is not given out, and why, in a sentence's end.
    package struct UnfitDevice: Equatable, Sendable {
        package var uuid: String
        package var reason: String

        package init(uuid: String, reason: String) {
            self.uuid = uuid
            self.reason = reason
        }
    }

    /// The most devices that an agent has.
    package static var devicesMax: Int { AgentRecord.gpusMax }

    /// What happened.
    package enum Event: Equatable, Sendable {
        /// - priority: within -24...24: before later runs of the same owner; see `Settings.priorityStep`.
        case runSubmitted(RunID, owner: Principal, plan: Plan, priority: Int = 0)
        /// A run that keeps decisions of one that has ended: see `Rerun`. They name the new run.
        case runRerun(RunID, owner: Principal, plan: Plan, priority: Int = 0, keeping: [Decision])
        /// The answer to the effect `jobReady`.
        case jobResolved(RunID, job: Int, Resolution)
        /// - holds: attempts that the agent still works on or whose reports it still keeps.
        case agentJoined(AgentID, team: String?, capacity: Capacity, holds: [AttemptID])
        /// Its leases run on until they expire.
        case agentDisconnected(AgentID)
        /// Whether the agent takes no new attempts from now on.
        case agentDraining(AgentID, Bool, why: String = "")
        /// The pool that an agent belongs to, when it has joined and whenever that changes. What runs goes on.
        case agentPooled(AgentID, Pool)
        /// Which of an agent's GPUs are not fit for an attempt; all others are. Never stored: the agent says it again when it joins.
        case devicesLooked(AgentID, unfit: [UnfitDevice])
        /// Somebody has looked after it: it, and its GPUs, are out of quarantine.
        case agentReleased(AgentID)
        /// Its certificate was revoked: its leases end at once.
        case agentRemoved(AgentID)
        /// A heartbeat that names the attempts which the agent works on. Never stored.
        case leasesRenewed(AgentID, [AttemptID])
        case attemptStarted(AttemptID, by: AgentID)
        /// The attempt has its environment, with this lock. Never stored.
        case environmentEntered(AttemptID, by: AgentID, lock: Digest)
        /// The agent does not take the offer; that costs no attempt.
        case offerDeclined(AttemptID, by: AgentID, reason: String)
        /// - listed: for a listing that passed, how many items there are.
        /// - shards: how many shards those were cut in; `nil`: as many as the plan says.
        case attemptFinished(AttemptID, by: AgentID, Cause, listed: Int?, shards: Int? = nil)
        /// - isForced: also jobs end that were to go on in a cancelled run.
        case runCancelled(RunID, by: String, reason: String, isForced: Bool = false)
        /// Their concurrency group has let these cells of a job in: the answer to `groupWanted`, now or later.
        case cellsReleased(RunID, job: Int, [Int])
        /// Others of their concurrency group have taken the place of these cells of a job.
        case cellsStopped(RunID, job: Int, [Int], reason: String)
        /// The time that `wake(at:)` asked for has come.
        case timeReached
        /// Goes on with work that the bound per call cut off. Also the first event after restoring.
        case resume
    }
}
