/// What may become of a thing, as a table: from each state, what each step leads to. A step that has no row must not be.
///
/// The farm's own code decides faster than by tables. These say what it may decide: the simulation holds everything that
/// is committed against them and sees that each row is walked, and `docs/state-machines.md` is printed from them.
package struct Life<State: LifeWord, Step: LifeWord>: Sendable {
    package struct Row: Sendable {
        package var from: State
        package var step: Step
        package var to: State
        package var note: String
    }

    package let name: String
    /// What it is the life of, and who sees to it, in a few sentences.
    package let about: String
    package let rows: [Row]
    private let index: [Place: Int]

    private struct Place: Hashable { var from: State, step: Step }

    /// - Parameter rows: of one state and one step at most one.
    init(_ name: String, _ about: String, _ rows: [(State, Step, State, String)]) {
        self.name = name
        self.about = about
        self.rows = rows.map { Row(from: $0.0, step: $0.1, to: $0.2, note: $0.3) }
        var index: [Place: Int] = [:]
        for (number, row) in self.rows.enumerated() {
            let before = index.updateValue(number, forKey: Place(from: row.from, step: row.step))
            precondition(before == nil, "\(name): \(row.from.rawValue) and \(row.step.rawValue) have one row")
        }
        self.index = index
    }

    /// The number of the row that says what a step leads to; `nil` when it must not be taken.
    package func row(from state: State, on step: Step) -> Int? { index[Place(from: state, step: step)] }
}

/// The states or the steps of a life. The first state is where it begins.
package protocol LifeWord: RawRepresentable<String>, CaseIterable, Hashable, Sendable {
    /// In a sentence; empty where the word says it all.
    var meaning: String { get }
}

extension LifeWord { package var meaning: String { "" } }

/// The lives of what the farm decides about.
package enum Lives {
    package enum RunState: String, LifeWord {
        case unknown, running, cancelling, judging

        package var meaning: String {
            switch self {
            case .unknown: "Nobody has submitted it, or its submission was not committed."
            case .running: "Some of its jobs have not ended."
            case .cancelling:
                "Only jobs whose condition holds in a cancelled run still start or go on; what else runs is being stopped."
            case .judging: "All its jobs have ended; the gates judge, and their judgement is stored with its end."
            }
        }
    }

    package enum RunStep: String, LifeWord { case runSubmitted, runCancelled, runEnded }

    package static let run = Life<RunState, RunStep>(
        "Run", "One submission of one workflow. It begins with its plan and ends when each of its jobs has.",
        [
            (.unknown, .runSubmitted, .running, "stored with its plan, then acknowledged"),
            (.running, .runCancelled, .cancelling, "by its owner, an admin, or at its deadline"),
            (.cancelling, .runCancelled, .cancelling, "with force: no job goes on"),
            (.running, .runEnded, .judging, "its last job has ended"),
            (.cancelling, .runEnded, .judging, "its last job has ended"),
            (.judging, .runEnded, .judging, "a coordinator that was started anew lets judge again"),
        ])

    package enum JobState: String, LifeWord {
        case waiting, ready, running, decided, ended

        package var meaning: String {
            switch self {
            case .waiting: "Some job that it needs has not ended."
            case .ready: "Its condition and its matrix are to be evaluated. Asked again after a restart."
            case .running: "Its cells are known."
            case .decided:
                "It has no cells: its condition was false, what it needs failed, or it could not be evaluated."
            case .ended: "For good: success, failure, cancelled or skipped."
            }
        }
    }

    package enum JobStep: String, LifeWord {
        case jobReady, jobResolved, kept
        case jobResolvedWithoutCells = "jobResolved, no cells"
        case jobEnded
    }

    package static let job = Life<JobState, JobStep>(
        "Job", "A named block of the workflow.",
        [
            (.waiting, .jobReady, .ready, "all it needs has ended"),
            (.ready, .jobReady, .ready, "a coordinator that was started anew asks again"),
            (.ready, .jobResolved, .running, "with cells"),
            (.ready, .jobResolvedWithoutCells, .decided, "not applicable, not reached, or failed"),
            (.waiting, .kept, .running, "its run reruns another, and keeps what passed of it"),
            (.waiting, .jobEnded, .ended, "its run was cancelled before it was ready"),
            (.ready, .jobEnded, .ended, "its run was cancelled before it was resolved"),
            (.decided, .jobEnded, .ended, "skipped, or failure when it could not be evaluated"),
            (.running, .jobEnded, .ended, "its last cell has ended"),
        ])

    package enum CellState: String, LifeWord {
        case waiting, open, ended

        package var meaning: String {
            switch self {
            case .waiting: "Its number of shards is not decided; its items are being listed, where it has some."
            case .open: "Its shards are queued, leased or settled."
            case .ended: "For good: passed, failed, cancelled, skipped or not needed."
            }
        }
    }

    package enum CellStep: String, LifeWord { case cellSharded, cellEnded }

    package static let cell = Life<CellState, CellStep>(
        "Cell", "One point of a job's matrix.",
        [
            (.waiting, .cellSharded, .open, "at once, or when its listing has passed"),
            (.waiting, .cellEnded, .ended, "left out by its own condition, its listing failed, or it was stopped"),
            (.open, .cellEnded, .ended, "its last shard has settled"),
        ])

    package enum ShardState: String, LifeWord {
        case waiting, leased
        case doubled = "leased twice"
        case backingOff = "backing off"
        case concluded, settled

        package var meaning: String {
            switch self {
            case .waiting: "For an agent, or for a limit to let it through."
            case .leased: "One attempt at it is current; its life is the next table."
            case .doubled: "One attempt lags, and a second one goes on beside it, on another agent."
            case .backingOff: "An attempt has failed; another comes when its backoff is over and an agent is free."
            case .concluded: "Its last attempt has ended. Settled in the same commit."
            case .settled: "For good, with a cause."
            }
        }
    }

    package enum ShardStep: String, LifeWord {
        case leased
        case leasedBeside = "leased, a second attempt"
        case offerWithdrawn
        case attemptEndedToRetry = "attemptEnded, to be retried"
        case attemptEnded = "attemptEnded, the last"
        case attemptEndedBeside = "attemptEnded, one of two"
        case settled
        case settledWithoutAttempt = "settled without an attempt"
        case kept
        case cellSharded
    }

    package static let shard = Life<ShardState, ShardStep>(
        "Shard", "One schedulable slice of a cell. The listing of a cell's items is one, too: shard −1.",
        [
            (.waiting, .leased, .leased, "an agent is free; the lease is stored before it is offered"),
            (.backingOff, .leased, .leased, "under the next number"),
            (.leased, .leasedBeside, .doubled, "it runs far beyond its peers, and an agent is free that nothing needs"),
            (.doubled, .offerWithdrawn, .leased, "of the second attempt: the first goes on"),
            (.doubled, .attemptEndedBeside, .leased, "the other goes on, or is cancelled in the same commit"),
            (.leased, .offerWithdrawn, .waiting, "the agent declined, or the offer never left: it costs no attempt"),
            (.leased, .attemptEndedToRetry, .backingOff, "cause, policy and budget allow another attempt"),
            (.leased, .attemptEnded, .concluded, "it passed, or may not be tried again"),
            (.concluded, .settled, .settled, "with the cause of its last attempt; of two, of the first that counts"),
            (.concluded, .cellSharded, .settled, "a listing that passed: its items are known"),
            (.waiting, .settledWithoutAttempt, .settled, "cancelled, or no agent within the queue timeout"),
            (.backingOff, .settledWithoutAttempt, .settled, "the same, while it waited for another attempt"),
            (.waiting, .kept, .settled, "it passed in the run that this one reruns"),
        ])

    package enum AttemptState: String, LifeWord {
        case none, offered, working, stopping, ended

        package var meaning: String {
            switch self {
            case .none: "There is no attempt of that number."
            case .offered: "Leased to one agent, until a deadline that renewals push on."
            case .working: "The agent has said that it began. Timeouts count from here."
            case .stopping: "The agent was told to end it. Told again after a restart."
            case .ended: "With one cause. Whatever is reported of it later changes nothing."
            }
        }
    }

    package enum AttemptStep: String, LifeWord {
        case leased, offerWithdrawn, attemptStarted, cancelAttempt, attemptEnded
    }

    package static let attempt = Life<AttemptState, AttemptStep>(
        "Attempt", "One try at a shard, numbered from 1, as the farm sees it.",
        [
            (.none, .leased, .offered, ""),
            (.offered, .offerWithdrawn, .none, "declined, or never offered: the number is used again"),
            (.offered, .attemptStarted, .working, ""),
            (.offered, .cancelAttempt, .stopping, "its run was cancelled, or something failed fast"),
            (.working, .cancelAttempt, .stopping, "its run was cancelled, or something failed fast"),
            (.stopping, .cancelAttempt, .stopping, "a coordinator that was started anew says it again"),
            (.stopping, .attemptStarted, .stopping, "the two crossed on their way"),
            (.stopping, .offerWithdrawn, .none, "declined at the same time, or the offer never left"),
            (
                .offered, .attemptEnded, .ended,
                "reported, or its lease has ended, before anybody heard that it began; or the other of two counts"
            ),
            (
                .working, .attemptEnded, .ended,
                "reported, its lease has ended, its agent came back without it; or the other of two counts"
            ),
            (.stopping, .attemptEnded, .ended, "reported, or not reported within the grace time"),
        ])

    package enum AgentState: String, LifeWord {
        case unknown, online, draining, away
        case awayDraining = "away, draining"

        package var meaning: String {
            switch self {
            case .unknown: "It never came, or was removed."
            case .online: "Connected: attempts are offered to it."
            case .draining: "Connected, and given nothing new."
            case .away: "Its connection has ended. Its leases run on until they expire."
            case .awayDraining: "Its connection has ended, and nothing new awaits it."
            }
        }
    }

    package enum AgentStep: String, LifeWord {
        case agentJoined, agentDisconnected
        case drain = "agentDraining, on"
        case undrain = "agentDraining, off"
        case agentRemoved
        case restart = "the coordinator starts anew"
    }

    package static let agent = Life<AgentState, AgentStep>(
        "Agent", "The process on a node that runs attempts, as the farm sees it.",
        [
            (.unknown, .agentJoined, .online, ""),
            (.unknown, .drain, .awayDraining, "told before it came: it comes draining"),
            (
                .unknown, .undrain, .unknown,
                "the order before, to drain, went with a coordinator that had not stored it"
            ),
            (.unknown, .agentRemoved, .unknown, "revoked before it came"),
            (.online, .agentJoined, .online, "anew, before the end of its old connection was noticed"),
            (.online, .agentDisconnected, .away, ""),
            (.online, .drain, .draining, ""),
            (.online, .undrain, .online, "said again"),
            (.online, .agentRemoved, .unknown, "its certificate was revoked; its attempts are lost"),
            (.online, .restart, .away, ""),
            (.draining, .agentJoined, .draining, "anew, before the end of its old connection was noticed"),
            (.draining, .agentDisconnected, .awayDraining, ""),
            (.draining, .drain, .draining, "said again"),
            (.draining, .undrain, .online, ""),
            (.draining, .agentRemoved, .unknown, "its certificate was revoked; its attempts are lost"),
            (.draining, .restart, .awayDraining, "that it drains is stored"),
            (.away, .agentJoined, .online, "with the attempts that it still holds"),
            (.away, .drain, .awayDraining, ""),
            (.away, .undrain, .away, "said again"),
            (.away, .agentRemoved, .unknown, "its certificate was revoked; its attempts are lost"),
            (.away, .restart, .away, ""),
            (.awayDraining, .agentJoined, .draining, "with the attempts that it still holds"),
            (.awayDraining, .drain, .awayDraining, "said again"),
            (.awayDraining, .undrain, .away, ""),
            (.awayDraining, .agentRemoved, .unknown, "its certificate was revoked; its attempts are lost"),
            (.awayDraining, .restart, .awayDraining, "that it drains is stored"),
        ])

    package enum HeldState: String, LifeWord {
        case none, waiting, working, ending, reporting

        package var meaning: String {
            switch self {
            case .none: "The agent knows nothing of it."
            case .waiting: "It was offered ahead, and begins when the attempt before it has ended."
            case .working: "Its steps run, for as long as its lease holds."
            case .ending:
                "Its processes are being ended. Whatever the farm says of it is not looked at, and nothing is reported."
            case .reporting: "It has ended. The report is on disk and repeated until the farm has it."
            }
        }
    }

    package enum HeldStep: String, LifeWord {
        case offer
        case offerAhead = "offer, ahead"
        case offerDeclined = "offer, declined"
        case begun = "the one before it ends"
        case faulted = "the one before it fails by the agent's fault"
        case renewed, cancel, recall
        case ended = "its steps end"
        case leaseEnded = "its lease ends"
        case stored = "report stored"
        case forget
        case killed = "the agent is killed"
    }

    package static let held = Life<HeldState, HeldStep>(
        "Attempt, at its agent",
        "What an agent does about one attempt. It goes on without a coordinator for as long as the lease holds.",
        [
            (.none, .offer, .working, ""),
            (.none, .offerDeclined, .none, "no room: it costs no attempt"),
            (.none, .offerAhead, .waiting, ""),
            (.waiting, .offerAhead, .waiting, "a repeated offer changes nothing"),
            (.waiting, .begun, .working, "the farm hears of it when it has begun"),
            (.waiting, .faulted, .none, "declined: it costs no attempt"),
            (.waiting, .renewed, .waiting, "the lease counts anew from when the heartbeat left"),
            (.waiting, .cancel, .none, "declined: it costs no attempt"),
            (.waiting, .recall, .none, "declined: it costs no attempt"),
            (.waiting, .forget, .none, "it is no longer current"),
            (.waiting, .leaseEnded, .none, "the farm takes it to have never begun"),
            (.waiting, .killed, .none, "it costs no attempt"),
            (.working, .offer, .working, "a repeated offer changes nothing"),
            (.working, .renewed, .working, "the lease counts anew from when the heartbeat left"),
            (.working, .cancel, .working, "its steps are asked to end"),
            (.working, .recall, .working, "too late"),
            (.working, .ended, .reporting, "with what its steps came to"),
            (.working, .leaseEnded, .ending, "before the farm may give it to another"),
            (.working, .forget, .ending, "it is no longer current"),
            (.working, .killed, .none, "nothing that it started is left"),
            (.ending, .ended, .none, ""),
            (.ending, .killed, .none, "nothing that it started is left"),
            (.reporting, .renewed, .reporting, ""),
            (.reporting, .cancel, .reporting, "too late: what it came to stays"),
            (.reporting, .recall, .reporting, "too late"),
            (.reporting, .stored, .none, "the farm has committed it"),
            (.reporting, .forget, .none, "another attempt took its place"),
            (.reporting, .killed, .reporting, "the agent's next life has it from its disk"),
        ])

    package enum DeliveryState: String, LifeWord {
        case intended, waiting, searching, noting, delivering, ended

        package var meaning: String {
            switch self {
            case .intended: "It was never tried."
            case .waiting: "It was tried, or may have been, and is looked at again when its pause is over."
            case .searching: "The other side is asked for its key."
            case .noting: "That it is tried is being stored."
            case .delivering: "It is under way."
            case .ended: "With a receipt, or given up with a reason."
            }
        }
    }

    package enum DeliveryStep: String, LifeWord {
        case due, found, absent, noted, delivered, refused, failed
        case failedForGood = "failed, the last time"
    }

    package static let delivery = Life<DeliveryState, DeliveryStep>(
        "Delivery",
        """
        An effect outside of the farm, under a key that can be searched for there. After a restart, one that was never \
        tried is intended, and every other one waits.
        """,
        [
            (.intended, .due, .noting, "nothing can be there yet: it need not be searched for"),
            (.waiting, .due, .searching, "it may have happened"),
            (.searching, .found, .ended, "it has happened"),
            (.searching, .absent, .noting, ""),
            (.searching, .failed, .waiting, "with a longer pause"),
            (.searching, .refused, .ended, "the other side never takes it"),
            (.searching, .failedForGood, .ended, "given up after three days"),
            (.noting, .noted, .delivering, "the commit is there"),
            (.delivering, .delivered, .ended, ""),
            (.delivering, .failed, .waiting, "not done, or nobody knows"),
            (.delivering, .refused, .ended, "the other side never takes it"),
            (.delivering, .failedForGood, .ended, "given up after three days"),
        ])
}
