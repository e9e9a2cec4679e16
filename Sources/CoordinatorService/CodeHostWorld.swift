import Artifacts
import Delivery
import HTTP
import Locks
import Model
import Storage
import Transport
import Wire

/// Tells code hosts what runs came to. The report is made when it is delivered; what names the run at the host is its key.
struct CodeHostWorld: OutsideWorld {
    /// Of what a call may take: the rest is for whoever is late.
    private static let part = 0.9
    private static let requestMax = Duration.seconds(20)
    /// Pages that are searched, of a hundred entries each.
    private static let pagesMax = 20

    let hosts: CodeHosts
    let farm: String
    let library: RunLibrary
    let logs: LogStore
    let clock: FarmClock
    private let callers = Callers()

    init(hosts: CodeHosts, farm: String, library: RunLibrary, logs: LogStore, clock: FarmClock) {
        self.hosts = hosts
        self.farm = farm
        self.library = library
        self.logs = logs
        self.clock = clock
    }

    func search(_ delivery: DeliveryRecord) async throws(OutsideFault) -> String? {
        var call = try await call(for: delivery)
        guard case .done(let id, _) = try await call.look() else { return nil }
        return call.receipt(id)
    }

    func deliver(_ delivery: DeliveryRecord) async throws(OutsideFault) -> String {
        var call = try await call(for: delivery)
        // A comment may be another run's, and a status of a later one has the last word. Any of this run's may be there although
        // nobody here remembers it: a coordinator that was restored from a copy judges runs again that had ended, and may come to
        // something else.
        switch try await call.look() {
        case .done(let id, _): return call.receipt(id)
        case .outdated(let id):
            if let written = try await call.write(over: id) { return call.receipt(written) }
            guard let written = try await call.write(over: nil) else { throw .refused("nothing can be written there") }
            return call.receipt(written)
        case .nextPage, .nothing:
            guard let written = try await call.write(over: nil) else { throw .refused("nothing can be written there") }
            return call.receipt(written)
        }
    }

    private func call(for delivery: DeliveryRecord) async throws(OutsideFault) -> Call {
        let until = ContinuousClock.now + hosts.callMax * Self.part
        guard let run = delivery.run, let order = try? Proto.DeliveryOrder(decoding: delivery.body),
            let kind = HostStep.Kind(rawValue: order.step), let host = DeliveryTarget.Host(rawValue: order.host)
        else { throw .refused("its order cannot be read") }
        guard let place = hosts.place(order.host, order.repository) else {
            throw .notDone("this farm delivers nothing to \(order.repository) any more: --deliver does not name it")
        }
        let token: String
        do throws(CertificateError) {
            let text = try PrivateFile.read(place.tokenFile, keptPrivate: true)
            let words = text.split(whereSeparator: \.isWhitespace)
            guard words.count == 1 else {
                throw .file(path: place.tokenFile, "it holds no token, or more than one word")
            }
            token = String(words[0])
        } catch {
            throw .notDone("no token: \(error)")
        }
        var report: DeliveredReport
        do {
            report = try await library.delivered(run, logs: logs)
        } catch {
            throw .notDone("the report cannot be made: \(error)")
        }
        report.farm = farm
        report.commit = order.commit
        report.link = place.link.split(separator: "{run}", omittingEmptySubsequences: false).joined(separator: "\(run)")
        let target = DeliveryTarget(
            host, api: place.api, repository: place.repository, request: order.request == 0 ? nil : Int(order.request))
        var client = HTTPClient()
        client.authorities = place.authorities
        return Call(
            step: HostStep(kind, of: report, at: target, token: token), client: client, callers: callers, clock: clock,
            until: until)
    }

    /// One search or one delivery, of as many requests as that takes, all of them before its end.
    private struct Call {
        let step: HostStep
        var client: HTTPClient
        let callers: Callers
        let clock: FarmClock
        let until: ContinuousClock.Instant

        func receipt(_ id: String) -> String { "\(step.kind.rawValue) \(id)" }

        /// What the host has of ours: the last thing that a search came to.
        mutating func look() async throws(OutsideFault) -> HostStep.Found {
            var author: HostStep.Author?
            if step.needsAuthor, let answer = try await send(step.whoAmI, .whoAmI) { author = step.author(in: answer) }
            for page in 1...CodeHostWorld.pagesMax {
                guard let answer = try await send(step.search(page: page), .search) else { break }
                let found = step.found(in: answer, by: author)
                guard found == .nextPage else { return found }
            }
            return .nothing
        }

        /// - Returns: `nil` where what is to be written over is gone, or not ours to change.
        mutating func write(over: String?) async throws(OutsideFault) -> String? {
            try await send(step.write(over: over), over == nil ? .write : .overwrite).map(HostStep.receipt(of:))
        }

        private mutating func send(
            _ request: HTTPRequest, _ question: HostStep.Question
        ) async throws(OutsideFault) -> HTTPResponse? {
            let left = ContinuousClock.now.duration(to: until)
            guard left > .zero, !Task.isCancelled else { throw .notDone("no time was left to ask the host") }
            client.timeout = min(left, CodeHostWorld.requestMax)
            client.connectTimeout = min(client.timeout, .seconds(10))
            let answer = await callers.send(request, by: client)
            let isWrite = question == .write || question == .overwrite
            switch step.meaning(of: answer, to: question, at: clock.now) {
            case .good(let response): return response
            case .gone: return nil
            case .again(let why, let after, let isUndone):
                if isWrite && !isUndone { throw .unknown(why, after: after) }
                throw .notDone(why, after: after)
            case .refused(let why) where why.hasPrefix("401"):
                // Somebody may renew it.
                throw .notDone(why, after: .seconds(600))
            case .refused(let why): throw .refused(why)
            }
        }
    }
}

/// Threads that wait for servers: as many as there are calls at one time.
private final class Callers: Sendable {
    private actor Caller {
        nonisolated private let thread = StoreThread()
        nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe thread.asUnownedSerialExecutor() }

        func send(_ request: HTTPRequest, by client: HTTPClient) -> HTTPAnswer { client.send(request) }
    }

    private let free = Mutex<[Caller]>([])

    /// A wait that is cancelled ends at once; the request itself then ends with its own time.
    func send(_ request: HTTPRequest, by client: HTTPClient) async -> HTTPAnswer {
        let caller = free.withLock { $0.popLast() } ?? Caller()
        let (answers, answered) = AsyncStream.makeStream(of: HTTPAnswer.self)
        // Ends with the request's own time.
        Task {
            answered.yield(await caller.send(request, by: client))
            answered.finish()
            self.free.withLock { $0.append(caller) }
        }
        for await answer in answers { return answer }
        return .failed("the coordinator stops")
    }
}
