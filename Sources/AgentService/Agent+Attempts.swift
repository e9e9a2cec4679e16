import Model
import Scheduling
import Transport
import Wire

extension Agent {
    // MARK: Offers

    func take(_ offer: Proto.Offer) {
        let assignment: Assignment
        do throws(AgentError) {
            guard let given = offer.assignment else { throw .farm("an offer without an assignment") }
            assignment = try Assignment(given)
        } catch {
            if let attempt = offer.assignment?.attempt { decline(attempt, "\(error)") }
            return
        }
        let id = assignment.id
        // The same offer may come twice.
        guard !holdings.knows(id) else { return }
        if isLeaving { return decline(Proto.AttemptRef(id), "the agent is being stopped") }
        let behind: AttemptID?
        do throws(MeaningError) { behind = try offer.behind?.meaning() } catch {
            return decline(Proto.AttemptRef(id), "\(error)")
        }
        held[id] = Held(assignment: assignment)
        perform(
            holdings.handle(
                .offered(id, lease: .milliseconds(Int64(offer.leaseMs)), behind: behind), at: Clock.monotonic()))
    }

    /// Begins what is to begin now, or says why it cannot.
    private func begin(_ id: AttemptID) {
        guard let assignment = held[id]?.assignment else { return }
        held[id] = nil
        func refuse(_ reason: String) {
            perform(holdings.handle(.refused(id, reason), at: Clock.monotonic()))
        }
        let share = Share(
            cpus: assignment.cpus, memory: assignment.memory, disk: assignment.disk, gpus: assignment.gpus)
        if let refusal = share.refusal(of: capacity, beside: held.values.map(\.share)) ?? diskRefusal(share) {
            return refuse(refusal)
        }
        // Its earlier life on this agent said something: what it says now stands behind that.
        orphanedLogs.removeValue(forKey: id)?.cancel()
        let log: LogSpool
        do throws(AgentError) { log = try LogSpool(at: spool.logPath(id)) } catch { return refuse("\(error)") }
        if let tree = assignment.tree { keptTrees = Self.remembering(tree, in: keptTrees) }
        var host = host
        // Not waited for: the farm hears of it when it comes.
        host.entered = { attempt, lock in Task { await self.entered(attempt, lock) } }
        let driver = AttemptDriver(assignment, on: host, log: log)
        var entry = Held(share: share, driver: driver, log: log)
        entry.working = Task {
            let report = await driver.run()
            self.finished(id, report)
        }
        held[id] = entry
        held[id]?.logging = Task { await self.sendLog(of: id) }
        tell(.attemptStarted(id, assignment.cellName))
        say(
            .started(
                .with {
                    $0.attempt = Proto.AttemptRef(id)
                    $0.at = Instant.wallClock().nanoseconds
                }))
    }

    /// The attempt has its environment, and this agent one that others may need.
    private func entered(_ attempt: AttemptID, _ lock: Digest) {
        keptLocks = Self.remembering(lock, in: keptLocks)
        say(
            .entered(
                .with {
                    $0.attempt = Proto.AttemptRef(attempt)
                    $0.lock = lock.bytes
                }))
    }

    private static func remembering(_ digest: Digest, in list: [Digest]) -> [Digest] {
        Array(([digest] + list.filter { $0 != digest }).prefix(keptMax))
    }

    /// Why nothing may begin now on this disk; `nil` when it may.
    private func diskRefusal(_ share: Share) -> String? {
        guard let shortage = settings.diskShortage(for: share.disk) else { return nil }
        makeRoom()
        return shortage
    }

    func decline(_ attempt: Proto.AttemptRef, _ reason: String) {
        say(
            .declined(
                .with {
                    $0.attempt = attempt
                    $0.reason = reason
                }))
    }

    // MARK: What follows

    /// Does what was decided about attempts that are held.
    func perform(_ effects: [Holdings.Effect]) {
        for effect in effects {
            switch effect {
            case .begin(let attempt): begin(attempt)
            case .decline(let attempt, let reason):
                held[attempt] = nil
                decline(Proto.AttemptRef(attempt), reason)
                if isIdle { onIdle?() }
            case .stop(let attempt):
                guard let driver = held[attempt]?.driver else { continue }
                let reason = cancelReasons[attempt] ?? ""
                // Not waited for: an attempt that is busy must not keep renewals of the others waiting.
                Task { await driver.cancel(reason) }
            case .abandon(let attempt):
                guard let driver = held[attempt]?.driver else { continue }
                // The same; `working` ends with it.
                Task { await driver.endLease() }
            case .report(let attempt): startDelivery(of: attempt)
            case .drop(let attempt): drop(attempt)
            case .wake(let at): wakeForLease(at: at)
            }
        }
    }

    private func wakeForLease(at instant: Instant) {
        if let leaseAlarm, leaseAlarm.at <= instant { return }
        leaseAlarm?.task.cancel()
        let delay = max(.milliseconds(1), Clock.monotonic().duration(to: instant))
        // Replaced by an earlier one, ended by `stopAll`, or ends by ringing.
        let task = Task {
            do { try await Task.sleep(for: delay) } catch { return }
            self.leaseAlarm = nil
            self.perform(self.holdings.handle(.timeReached, at: Clock.monotonic()))
        }
        leaseAlarm = (instant, task)
    }
}

/// What an attempt has of its agent's cores, memory, disk and devices.
struct Share: Equatable, Sendable {
    var cpus = 0
    /// `nil` where the workflow names none: such attempts are placed by cores alone.
    var memory: ByteCount?
    /// The same.
    var disk: ByteCount?
    var gpus: [String] = []

    /// Why this does not fit beside what others have; `nil` when it does.
    func refusal(of capacity: Capacity, beside others: [Share]) -> String? {
        let usedCPUs = others.reduce(0) { $0 + $1.cpus }
        if usedCPUs + cpus > capacity.cpus { return "\(usedCPUs) of \(capacity.cpus) cores are in use" }
        if let memory {
            let used = ByteCount(others.reduce(0) { $0 + ($1.memory?.bytes ?? 0) })
            if memory.bytes > capacity.memory.bytes - used.bytes {
                return "\(used) of \(capacity.memory) of memory are promised to others, and \(memory) are wanted"
            }
        }
        if let disk, capacity.disk > .zero {
            let used = ByteCount(others.reduce(0) { $0 + ($1.disk?.bytes ?? 0) })
            if disk.bytes > capacity.disk.bytes - used.bytes {
                return "\(used) of \(capacity.disk) of disk are promised to others, and \(disk) are wanted"
            }
        }
        for gpu in gpus {
            guard capacity.gpus.contains(where: { $0.uuid == gpu }) else {
                return "this agent has no GPU \(gpu); was it taken out, or divided anew?"
            }
            if others.contains(where: { $0.gpus.contains(gpu) }) { return "GPU \(gpu) is in use" }
        }
        return nil
    }
}
