/// What the farm promises, and a world holds it to. For each there is a planted bug that breaks it: see `PlantedBugTests`.
package enum Rule: String, CaseIterable, Sendable {
    // Leases.
    case onlyWhatThereIs = "only shards that there are, are leased and settle"
    case oneLease = "a shard has one lease at a time"
    case endedStaysUnleased = "nothing is leased of what has ended"
    case numbered = "attempts are numbered in order"
    case backoff = "a backoff is waited for"
    case present = "an agent that is leased to is there"
    case team = "an agent's team is the owner's"
    case labels = "the agent has the labels"
    case interpreter = "the agent has the interpreter"
    case asAskedFor = "a lease is of as much as was asked for"
    case cores = "no more cores are leased than there are"
    case memory = "no more memory is leased than there is"
    case devicesOnce = "a device is leased once"
    case ownDevices = "leased devices are the agent's"
    case maxParallel = "max-parallel holds"
    case shardsMaxParallel = "shards.max-parallel holds"

    // Attempts.
    case onlyCurrent = "only current attempts are renewed, withdrawn, cancelled, started and ended"
    case notForgotten = "a current attempt is not to be forgotten"
    case lostWhenExpired = "a lease is lost when it has expired"
    case fence = "an agent stops before its lease is given to another"
    case covered = "only what the policy covers is retried"
    case budget = "a run has a budget of retries"
    case acknowledged = "no acknowledged result is missing"

    // What things come to.
    case settlesOnce = "a shard settles once"
    case settlesUnleased = "a shard settles when no attempt is current"
    case lastAttempt = "a shard settles with its last attempt"
    case resultNeedsAttempt = "a result needs an attempt"
    case queueTimeout = "a queue timeout is waited for"
    case keptPassed = "only what passed is kept"
    case cutOnce = "a cell is cut once"
    case cellEndsOnce = "a cell ends once"
    case cellComplete = "a cell ends when each of its shards has settled"
    case cellEnding = "a cell's ending follows from its shards"
    case needsEnded = "a job is ready when its needs have ended"
    case jobEndsOnce = "a job ends once"
    case jobComplete = "a job ends with its cells"
    case jobEnding = "a job's ending follows from its cells"
    case goesOn = "what holds in a cancelled run goes on"
    case runComplete = "a run ends when all its jobs have"
    case everyRunEnds = "every run ends"

    // All of it.
    case lives = "a life keeps to its table"
    case explained = "every waiting shard has a true explanation"
    case restored = "a farm that starts anew is the farm that ended"
}
