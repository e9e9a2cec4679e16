import Client
import Glibc
import Model
import Scheduling
import Transport
import Wire

extension Agent {
    private static let pauseMin = Duration.milliseconds(100)
    private static let pauseMax = Duration.seconds(15)
    private static let clockLeadMax = Duration.seconds(60)

    /// Connects, again and again, each time after a longer pause with some jitter: a thousand agents that lost one
    /// coordinator do not come back in one instant.
    func keepConnected() async throws {
        var pause = Self.pauseMin
        var random = SystemRandomNumberGenerator()
        while !Task.isCancelled {
            var wasJoined = false
            do {
                let link = try await Link.connect(
                    to: settings.address, as: identity, on: loop, settings: settings.links)
                wasJoined = try await serve(link)
                if mayEnd { return }
            } catch let error as LinkError {
                if let refusal = Self.refusal(error), !(isWorking && mayBeExpiry(error)) {
                    throw AgentError.farm(refusal)
                }
                if let words = Self.ignorance(error), settings.endsWhereUnknown, !isWorking {
                    throw AgentError.unknown(words)
                }
                tell(.lost("\(error)"))
            } catch is CancellationError {
                return
            }
            line.set(nil)
            session = nil
            if wasJoined { pause = Self.pauseMin }
            do { try await Task.sleep(for: pause * Double.random(in: 0.5...1.5, using: &random)) } catch { return }
            pause = min(pause * 2, Self.pauseMax)
        }
    }

    /// What no later attempt to connect would change.
    private static func refusal(_ error: LinkError) -> String? {
        switch error {
        case .dismissed(let status) where status.code == .denied || status.code == .conflict:
            "the farm refuses this agent: \(status.text)"
        case .status(let status) where status.code == .denied || status.code == .conflict:
            "the farm refuses this agent: \(status.text)"
        case .ownCertificate(.expired(let end)):
            "the agent's certificate has expired at \(end.utc): enrol it again with a new token, and what it still holds is delivered"
        case .ownCertificate, .refusedCertificate: "\(error)"
        // What is wrong with the farm's certificate its operator mends, and the agent's own is none the worse for it.
        default: nil
        }
    }

    /// What a farm says that has no record of the agent's certificate.
    private static func ignorance(_ error: LinkError) -> String? {
        switch error {
        case .dismissed(let status) where status.code == .notFound: status.text
        default: nil
        }
    }

    /// One connection's life.
    ///
    /// - Returns: whether the farm took the agent in.
    private func serve(_ link: Link) async throws -> Bool {
        do {
            return try await work(over: link)
        } catch {
            // Else it would stay open beside the next one.
            await link.close(LinkStatus(.ok, "the agent leaves"))
            throw error
        }
    }

    private func work(over link: Link) async throws -> Bool {
        let stream = try await link.open(Proto.Agents.Work.self, urgency: .control)
        session = stream
        let joinedAt = Clock.monotonic()
        try await stream.send(
            Proto.FromAgent.with {
                $0.kind = .joined(
                    .with {
                        $0.capacity = Proto.Capacity(capacity)
                        $0.holds = holdings.holds.map { Proto.AttemptRef($0) }
                        $0.software = "sheaf"
                        $0.incarnation = incarnation
                        $0.keeps = (keptLocks + keptTrees).map(\.bytes)
                    })
            })
        guard case .welcome(let welcome)? = try await stream.receive(Proto.ToAgent.self)?.kind else {
            throw LinkError.broken("the farm did not welcome the agent")
        }
        perform(holdings.handle(.connected(countsBeats: welcome.answersHeartbeats), at: joinedAt))
        heartbeatEvery = .milliseconds(Int64(max(10, welcome.heartbeatEveryMs)))
        line.set(link)
        tell(.joined(settings.address))
        if let lead = await link.peerClockLead, abs(lead.inSeconds) > Self.clockLeadMax.inSeconds {
            let words =
                "the farm's clock is \(Int(abs(lead.inSeconds))) s \(lead > .zero ? "ahead of" : "behind") this one's"
            tell(.remark("\(words): certificates are judged by clocks, and logs carry them"))
        }
        rounds.forget()
        // Not waited for: the farm gives none out meanwhile that an attempt would not look at first.
        Task { await lookAtDevices() }
        // What was started while the farm was away.
        for attempt in holdings.working {
            say(
                .started(
                    .with {
                        $0.attempt = Proto.AttemptRef(attempt)
                        $0.at = Instant.wallClock().nanoseconds
                    }))
        }
        return try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await self.beat(stream)
                return true
            }
            group.addTask {
                try await self.listen(stream)
                return true
            }
            group.addTask {
                await self.waitUntilIdle()
                return true
            }
            defer { group.cancelAll() }
            do {
                _ = try await group.next()
            } catch is CancellationError {
                await link.close(LinkStatus(.ok, "the agent stops"))
                throw CancellationError()
            } catch {
                self.line.lost(link)
                if let error = error as? LinkError, Self.refusal(error) != nil { throw error }
                self.tell(.lost("\(error)"))
            }
            await link.close(LinkStatus(.ok, "the agent leaves"))
            return true
        }
    }

    /// Back when the agent is draining and has nothing left.
    private func waitUntilIdle() async {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        onIdle = { continuation.yield() }
        continuation.yield()
        for await _ in stream where mayEnd { return }
    }

    /// Nothing more is taken, and nothing is left.
    private var mayEnd: Bool { (isDraining || isLeaving) && isIdle }

    private func beat(_ stream: LinkStream) async throws {
        while true {
            try await Task.sleep(for: heartbeatEvery)
            host.berths.look(on: host)
            let beat = holdings.beat(at: Clock.monotonic())
            let running = beat.holds.map { Proto.AttemptRef($0) }
            let free = Files.freeBytes(at: settings.workFolder)
            try await stream.send(
                Proto.FromAgent.with {
                    $0.kind = .heartbeat(
                        .with {
                            $0.running = running
                            $0.diskFree = free
                            $0.number = beat.number
                        })
                })
        }
    }

    private func listen(_ stream: LinkStream) async throws {
        while let message = try await stream.receive(Proto.ToAgent.self) {
            switch message.kind {
            case .offer(let offer): take(offer)
            case .cancel(let cancel):
                guard let attempt = try? cancel.attempt?.meaning() else { continue }
                cancelReasons[attempt] = cancel.reason
                perform(holdings.handle(.cancelled(attempt), at: Clock.monotonic()))
                cancelReasons[attempt] = nil
            case .recall(let recall):
                guard let attempt = try? recall.attempt?.meaning() else { continue }
                perform(holdings.handle(.recalled(attempt), at: Clock.monotonic()))
            case .forget(let forget):
                guard let attempt = try? forget.attempt?.meaning() else { continue }
                perform(holdings.handle(.forgotten(attempt), at: Clock.monotonic()))
            case .renewed(let renewed):
                let attempts = renewed.attempts.compactMap { try? $0.meaning() }
                let lease = Duration.milliseconds(Int64(renewed.leaseMs))
                perform(
                    holdings.handle(
                        .renewed(attempts, lease: lease, beat: renewed.number), at: Clock.monotonic()))
            case .drain(let drain):
                isDraining = !drain.undo
                tell(drain.undo ? .remark("new attempts are welcome again") : .draining(drain.reason))
                if isIdle { onIdle?() }
            // What a later farm says and this agent does not know changes nothing.
            case .welcome, nil: continue
            }
        }
        throw LinkError.closed("the farm ended the stream")
    }

    /// Queues a word to the farm; lost with the connection, and said again by the next `joined`.
    func say(_ kind: Proto.FromAgent.Kind) {
        guard let session else { return }
        // Not waited for: the stream keeps the order, and its failure is heard by `listen`.
        Task { try? await session.send(Proto.FromAgent.with { $0.kind = kind }) }
    }
}
