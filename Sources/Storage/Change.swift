package import Model

/// One decision or fact to be stored. A batch of changes is committed whole or not at all, in order.
package enum Change: Equatable, Sendable {
    case runSubmitted(RunRecord)
    case jobResolved(JobRecord)
    case jobEnded(run: RunID, job: Int, ending: String, reason: String)
    /// A cell's number of shards became known; `listing` names the object with its items.
    case cellSharded(CellID, shards: Int, items: Int?, listing: Digest?)
    case cellEnded(CellID, ending: String)
    /// Others of a concurrency group have taken the place of these cells in it. The first reason counts.
    case cellsStopped([CellID], group: String, reason: String)
    case attemptLeased(LeaseRecord)
    /// The agent did not take the offer: the lease never was, and its number is used again.
    case leaseWithdrawn(AttemptID)
    case attemptStarted(AttemptID, at: Instant)
    case attemptEnded(AttemptEnding)
    case shardsSettled(SettlementRecord)
    /// The first one counts, and whether any one was forced.
    case runCancelled(RunID, by: String, reason: String, isForced: Bool = false, at: Instant)
    case runEnded(RunEnding)
    /// Its artifacts, logs and code are no longer kept; what the verdict rests on is.
    case bulkDropped(RunID, at: Instant)
    /// No run gets a number below this one any more. A restored store does not know the runs that came after it was copied,
    /// and their numbers must never name others.
    case runNumbersLeftOut(below: RunID)

    case agentSeen(AgentRecord)
    case agentDraining(name: String, draining: Bool, reason: String)
    /// An agent that has joined belongs to this pool from now on.
    case agentPooled(name: String, pool: String)
    /// There is such a pool, and this is what it takes.
    case poolSet(Pool)
    case certificateIssued(CertificateRecord)
    case certificatesRevoked(role: Principal.Role, name: String, reason: String, at: Instant)
    case tokenCreated(TokenRecord)
    /// By whoever holds the key of this digest; `nil`: it was made void.
    case tokenUsed(hash: Digest, at: Instant, key: Digest?)
    case baselineSet(BaselineRecord)
    /// The scope has shown that it possesses these objects, or was given them.
    case objectsGranted(scope: String, digests: [Digest])
    /// The objects were removed: nobody has them by name any longer.
    case objectsForgotten([Digest])
    case audited(AuditRecord)

    /// A tree is kept for later runs. What is kept under a name already stays.
    case cacheSaved(CacheRecord)
    case cacheUsed(CacheRecord.Name, at: Instant)
    case cachesDropped([CacheRecord.Name])

    /// Something is to happen outside of the farm: committed together with the decision that wants it.
    case deliveryIntended(DeliveryRecord)
    /// It may happen from now on: committed before it is tried.
    case deliveryTried(key: String)
    case deliveryPostponed(key: String, until: Instant, reason: String)
    /// It has happened, or is given up. The first ending counts.
    case deliveryEnded(key: String, DeliveryRecord.Ending)
}
