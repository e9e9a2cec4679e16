import Model
import Scheduling
package import Storage

/// Somebody who brings about effects outside of the farm: a forge, a chat, another cluster.
///
/// Calls end when they are cancelled: that is their deadline.
package protocol OutsideWorld: Sendable {
    /// The receipt of an effect of this key, when it has happened.
    func search(_ delivery: DeliveryRecord) async throws(OutsideFault) -> String?
    /// Brings it about, under its key. Returns what the other side calls it.
    func deliver(_ delivery: DeliveryRecord) async throws(OutsideFault) -> String
}

package enum OutsideFault: Error, Sendable {
    /// Certainly not: it may be tried again, after a while.
    case notDone(String, after: Duration? = nil)
    /// Nobody knows: the answer was lost.
    case unknown(String, after: Duration? = nil)
    /// The other side will never take it.
    case refused(String)
}

/// Performs what `Outbox` decides: commits first, then calls whoever delivers.
package actor OutboxPump {
    private static let pageMost = 1_000

    private let keeper: StoreKeeper
    private let clock: FarmClock
    private let consumers: [String: any OutsideWorld]
    private let settings: Outbox.Settings
    private let remark: @Sendable (String) -> Void
    private var outbox: Outbox
    private var records: [String: DeliveryRecord] = [:]
    private var tasks: [Int: Task<Void, Never>] = [:]
    private var nextTask = 0
    private var alarm: (at: Instant, task: Task<Void, Never>)?
    private var isStopped = false

    /// - Parameter consumers: by the kind of what they deliver.
    /// - Parameter remark: is told what was given up.
    init(
        keeper: StoreKeeper, clock: FarmClock, consumers: [String: any OutsideWorld],
        settings: Outbox.Settings = Outbox.Settings(), remark: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.remark = remark
        self.keeper = keeper
        self.clock = clock
        self.consumers = consumers
        self.settings = settings
        outbox = Outbox(settings: settings)
    }

    /// Takes up what processes before this one have not ended.
    func recover() async throws(CoordinatorError) {
        var last: String?
        while true {
            let page = try await keeper.read { [last] storage throws(StorageError) in
                try storage.openDeliveries(after: last, most: Self.pageMost)
            }
            take(page)
            last = page.last?.key
            if page.count < Self.pageMost { return }
        }
    }

    /// Their intents are committed.
    func take(_ deliveries: [DeliveryRecord]) {
        for delivery in deliveries where records[delivery.key] == nil {
            records[delivery.key] = delivery
            handle(
                .intended(
                    key: delivery.key, at: delivery.intendedAt, due: delivery.dueAt, tries: delivery.tries))
        }
    }

    /// Ends all calls. What they came to is found out by the next process.
    func stop() async {
        isStopped = true
        alarm?.task.cancel()
        for task in tasks.values { task.cancel() }
        for task in tasks.values { await task.value }
    }

    private func handle(_ event: Outbox.Event) {
        guard !isStopped else { return }
        for effect in outbox.handle(event, at: clock.now) { perform(effect) }
    }

    private func perform(_ effect: Outbox.Effect) {
        switch effect {
        case .noteTry(let key):
            start { pump in
                await pump.keeper.commit([.deliveryTried(key: key)])
                pump.handle(.noted(key: key))
            }
        case .search(let key):
            call(key) { world, delivery throws(OutsideFault) in
                .searched(key: key, receipt: try await world.search(delivery))
            }
        case .deliver(let key):
            call(key) { world, delivery throws(OutsideFault) in
                .delivered(key: key, receipt: try await world.deliver(delivery))
            }
        case .postpone(let key, let until, let reason):
            start { await $0.keeper.commit([.deliveryPostponed(key: key, until: until, reason: reason)]) }
        case .end(let key, let receipt, let reason):
            records[key] = nil
            if receipt == nil { remark("\(key) is not delivered: \(reason)") }
            let ending = DeliveryRecord.Ending(at: clock.now, receipt: receipt, reason: reason)
            start { await $0.keeper.commit([.deliveryEnded(key: key, ending)]) }
        case .wake(let at): wake(at: at)
        }
    }

    /// Every task is in `tasks` until it ends; `stop` waits for them.
    private func start(_ body: @escaping @Sendable (isolated OutboxPump) async -> Void) {
        nextTask += 1
        let number = nextTask
        tasks[number] = Task {
            await body(self)
            self.tasks[number] = nil
        }
    }

    private func call(
        _ key: String,
        _ body: @escaping @Sendable (any OutsideWorld, DeliveryRecord) async throws(OutsideFault) -> Outbox.Event
    ) {
        guard let delivery = records[key] else { return }
        guard let world = consumers[delivery.kind] else {
            return handle(
                .failed(
                    key: key, reason: "nobody delivers '\(delivery.kind)' on this farm", mayHaveHappened: false))
        }
        let most = settings.callMax
        start { [clock] pump in
            pump.handle(await Self.answer(of: world, delivery, within: most, clock, body))
        }
    }

    private static func answer(
        of world: any OutsideWorld, _ delivery: DeliveryRecord, within most: Duration, _ clock: FarmClock,
        _ body: @escaping @Sendable (any OutsideWorld, DeliveryRecord) async throws(OutsideFault) -> Outbox.Event
    ) async -> Outbox.Event {
        let key = delivery.key
        let call = Task { () -> Outbox.Event in
            do throws(OutsideFault) {
                return try await body(world, delivery)
            } catch {
                switch error {
                case .notDone(let reason, let after):
                    return .failed(
                        key: key, reason: reason, mayHaveHappened: false,
                        notBefore: after.map { clock.now.advanced(by: $0) })
                case .unknown(let reason, let after):
                    return .failed(
                        key: key, reason: reason, mayHaveHappened: true,
                        notBefore: after.map { clock.now.advanced(by: $0) })
                case .refused(let reason): return .refused(key: key, reason: reason)
                }
            }
        }
        // Ends with the call, or ends it.
        let deadline = Task {
            do { try await Task.sleep(for: most) } catch { return }
            call.cancel()
        }
        defer { deadline.cancel() }
        return await withTaskCancellationHandler {
            await call.value
        } onCancel: {
            call.cancel()
        }
    }

    private func wake(at instant: Instant) {
        if let alarm, alarm.at <= instant { return }
        alarm?.task.cancel()
        let delay = max(.milliseconds(1), clock.now.duration(to: instant))
        // Replaced by an earlier one, ended by `stop`, or ends by ringing.
        let task = Task {
            do { try await Task.sleep(for: delay) } catch { return }
            self.alarm = nil
            self.handle(.timeReached)
        }
        alarm = (instant, task)
    }
}
