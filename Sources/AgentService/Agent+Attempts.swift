import Model
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
        guard held[id] == nil else { return }
        let share = Share(cpus: assignment.cpus, memory: assignment.memory, gpus: assignment.gpus)
        if let refusal = share.refusal(of: capacity, beside: held.values.map(\.share)) ?? diskRefusal() {
            return decline(Proto.AttemptRef(id), refusal)
        }
        // Its earlier life on this agent said something: what it says now stands behind that.
        orphanedLogs.removeValue(forKey: id)?.cancel()
        let log: LogSpool
        do throws(AgentError) { log = try LogSpool(at: spool.logPath(id)) } catch {
            return decline(Proto.AttemptRef(id), "\(error)")
        }
        let driver = AttemptDriver(assignment, on: host, log: log)
        var entry = Held(
            share: share, driver: driver, log: log,
            leaseUntil: Clock.monotonic().advanced(by: .milliseconds(Int64(offer.leaseMs))))
        entry.working = Task {
            let report = await driver.run()
            self.finished(id, report)
        }
        held[id] = entry
        held[id]?.guarding = Task { await self.guardLease(of: id) }
        held[id]?.logging = Task { await self.sendLog(of: id) }
        tell(.attemptStarted(id, assignment.cellName))
        say(
            .started(
                .with {
                    $0.attempt = Proto.AttemptRef(id)
                    $0.at = Instant.wallClock().nanoseconds
                }))
    }

    /// Why nothing may begin now on this disk; `nil` when it may.
    private func diskRefusal() -> String? {
        let free = ByteCount(Files.freeBytes(at: settings.workFolder))
        guard free < settings.diskFreeMin else { return nil }
        makeRoom()
        return "\(free) are free on the disk of \(settings.workFolder), and \(settings.diskFreeMin) must stay free"
    }

    func decline(_ attempt: Proto.AttemptRef, _ reason: String) {
        say(
            .declined(
                .with {
                    $0.attempt = attempt
                    $0.reason = reason
                }))
    }

    func cancel(_ attempt: AttemptID, _ reason: String) async { await held[attempt]?.driver?.cancel(reason) }

    /// The farm has no use for the attempt any more.
    func forget(_ attempt: AttemptID, _ reason: String) async {
        guard let entry = held[attempt] else { return }
        if entry.report == nil {
            await entry.driver?.endLease()
        } else {
            drop(attempt)
        }
    }

    // MARK: Leases

    private func guardLease(of id: AttemptID) async {
        while let entry = held[id], entry.report == nil, let driver = entry.driver {
            let now = Clock.monotonic()
            if now >= entry.leaseUntil {
                await driver.endLease()
                return
            }
            do { try await Task.sleep(for: now.duration(to: entry.leaseUntil)) } catch { return }
        }
    }

    func renew(_ attempts: [AttemptID], _ length: Duration) {
        // A heartbeat that named nothing of the farm's was not answered.
        guard let index = heartbeats.firstIndex(where: { $0.running.isSuperset(of: attempts) }) else { return }
        let until = heartbeats[index].sentAt.advanced(by: length)
        heartbeats.removeFirst(index + 1)
        for attempt in attempts { held[attempt]?.leaseUntil = until }
    }
}

/// What an attempt has of its agent's cores, memory and devices.
struct Share: Equatable, Sendable {
    var cpus = 0
    /// `nil` where the workflow names none: such attempts are placed by cores alone.
    var memory: ByteCount?
    var gpus: [String] = []

    /// Why this does not fit beside what others have; `nil` when it does.
    func refusal(of capacity: Capacity, beside others: [Share]) -> String? {
        let usedCPUs = others.reduce(0) { $0 + $1.cpus }
        if usedCPUs + cpus > capacity.cpus { return "\(usedCPUs) of \(capacity.cpus) cores are in use" }
        if let memory {
            let used = ByteCount(others.reduce(0) { $0 + ($1.memory?.bytes ?? 0) })
            if used.bytes + memory.bytes > capacity.memory.bytes {
                return "\(used) of \(capacity.memory) of memory are promised to others, and \(memory) are wanted"
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
