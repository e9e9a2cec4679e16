import Model
import Scheduling
import Storage
import Wire

/// One writer stores what was decided, everything that waits at once; then its effects leave, in order.
extension Coordinator {
    /// What leaves after a commit.
    enum Deed: Sendable {
        case offer(Farm.Lease)
        case recall(AttemptID, AgentID)
        case cancel(AttemptID, AgentID, reason: String)
        case forget(AttemptID, AgentID, reason: String)
        case endLog(AttemptID)
        case judge(RunID)
        /// A job waits for gates, and what they read has ended.
        case judgeGates(RunID, job: Int)
        case deliver([DeliveryRecord])
        case resume(CheckedContinuation<Void, Never>)
    }

    struct Batch {
        /// What of a run watchers see anew.
        struct Touch {
            var cells: Set<CellID> = []
            var isWhole = false
        }

        var changes: [Change] = []
        var deeds: [Deed] = []
        var touched: [RunID: Touch] = [:]
        /// Lines about what was decided, for whoever reads along.
        var notes: [(run: RunID, text: String)] = []
        /// Attempts whose numbers are given again.
        var withdrawn: [AttemptID] = []
        var isEmpty: Bool { changes.isEmpty && deeds.isEmpty && touched.isEmpty && notes.isEmpty }

        mutating func touch(_ cell: CellID) { touched[cell.run, default: Touch()].cells.insert(cell) }
        /// The run changed as a whole: the cells of a job became known, or their job ended.
        mutating func touch(_ run: RunID) { touched[run, default: Touch()].isWhole = true }
    }

    /// How many changes wait for the commit under way to end.
    var pendingChanges: Int { pending.changes.count }

    /// Queues changes that are no decisions of the farm's.
    func store(_ changes: [Change], touching run: RunID? = nil) {
        pending.changes += changes
        let intents = changes.compactMap { if case .deliveryIntended(let delivery) = $0 { delivery } else { nil } }
        if !intents.isEmpty { pending.deeds.append(.deliver(intents)) }
        if let run { pending.touch(run) }
        startWriting()
    }

    /// Back when everything that was decided so far is durable, and its effects have left.
    func committed() async {
        await withCheckedContinuation { continuation in
            pending.deeds.append(.resume(continuation))
            startWriting()
        }
    }

    /// The same for somebody who would rather hear that the store is slow.
    ///
    /// - Returns: false when it took longer than `limit`.
    func committed(within limit: Duration) async -> Bool {
        let (answers, continuation) = AsyncStream.makeStream(of: Bool.self)
        // Ends with the commit, whoever still waits for it.
        Task {
            await self.committed()
            continuation.yield(true)
        }
        let alarm = Task {
            // Ended early when the commit comes first.
            try? await Task.sleep(for: limit)
            continuation.yield(false)
        }
        defer { alarm.cancel() }
        for await isCommitted in answers { return isCommitted }
        return false
    }

    func startWriting() {
        guard !isWriting, !pending.isEmpty else { return }
        isWriting = true
        // Ends when nothing is pending.
        Task { await self.write() }
    }

    private func write() async {
        while !pending.isEmpty {
            let batch = pending
            pending = Batch()
            // Taken now: this is the state that the batch leads to.
            let wholes = batch.touched.filter(\.value.isWhole).map { ($0.key, farm.progress(of: $0.key)) }
            let cells = batch.touched.values.filter { !$0.isWhole }.flatMap(\.cells).map { ($0, farm.progress(of: $0)) }
            // A number that is given again begins a log anew. Not after the commit: the power may fail between the two, and
            // the next holder's lines would go on in the file of one that was given up. Before it the worst is lines of an
            // attempt that will be given up anyway.
            for attempt in batch.withdrawn { await logs.discard(attempt) }
            if !batch.changes.isEmpty { await keeper.commit(batch.changes) }
            for (run, state) in wholes where state != nil { published[run] = state }
            for case (let cell, let state?) in cells { publish(state, of: cell) }
            for (run, text) in batch.notes { note(text, in: run) }
            for deed in batch.deeds { perform(deed) }
            for run in batch.touched.keys { pulses.changed(run) }
        }
        isWriting = false
    }

    private func publish(_ state: Farm.CellProgress, of cell: CellID) {
        guard let jobs = published[cell.run], jobs.indices.contains(cell.job),
            jobs[cell.job].indices.contains(cell.cell)
        else { return }
        published[cell.run]?[cell.job][cell.cell] = state
    }

    private func perform(_ deed: Deed) {
        switch deed {
        case .offer(let lease): offer(lease)
        case .recall(let attempt, let agent):
            sessions[agent]?.send(.recall(.with { $0.attempt = Proto.AttemptRef(attempt) }))
        case .cancel(let attempt, let agent, let reason):
            sessions[agent]?.send(
                .cancel(
                    .with {
                        $0.attempt = Proto.AttemptRef(attempt)
                        $0.reason = reason
                    }))
        case .forget(let attempt, let agent, let reason):
            sessions[agent]?.send(
                .forget(
                    .with {
                        $0.attempt = Proto.AttemptRef(attempt)
                        $0.reason = reason
                    }))
        case .endLog(let attempt):
            // Nobody waits for the sync of a log.
            Task { [logs] in await logs.end(attempt) }
        case .judge(let run):
            // Ends with the run's ending stored; a restart judges again.
            Task { await self.judgeRun(run) }
        case .judgeGates(let run, let job):
            // Ends with the job's resolution stored; a restart asks again.
            Task { await self.judgeGates(of: run, job: job) }
        case .deliver(let intents):
            // The pump keeps what it was given; nobody waits for it.
            Task { [outbox] in await outbox?.take(intents) }
        case .resume(let waiter): waiter.resume()
        }
    }

    private func offer(_ lease: Farm.Lease) {
        // It may have ended since.
        guard farm.lease(of: lease.attempt)?.agent == lease.agent, let run = runs[lease.attempt.run] else { return }
        guard let session = sessions[lease.agent] else {
            handle(
                .offerDeclined(lease.attempt, by: lease.agent, reason: "its connection was lost before the offer left"))
            return
        }
        let shards = farm.shardCount(of: lease.attempt.shard.cell)
        guard let assignment = run.assignment(for: lease, shards: shards, grace: settings.farm.grace) else { return }
        // Its commit took some of it.
        let left = clock.now.duration(to: lease.until)
        session.send(
            .offer(
                .with {
                    $0.assignment = assignment
                    $0.leaseMs = UInt32(clamping: max(0, Int(left.inSeconds * 1000)))
                    $0.behind = lease.behind.map { Proto.AttemptRef($0) }
                }))
    }
}
