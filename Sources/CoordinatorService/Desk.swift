import Locks
import Model
import Transport
import Wire

/// Knows which method goes where, and who may ask it.
struct Desk: Sendable {
    let people: People
    let agents: AgentsService
    let objects: ObjectsService
    var patience: Patience { Patience(keeper: people.keeper) }

    func serve(_ stream: LinkStream, _ method: String) async {
        guard let peer = stream.peer?.principal else {
            await stream.finish(LinkStatus(.denied, "show a certificate of this farm"))
            return
        }
        let service = method.prefix { $0 != "." }
        do {
            switch service {
            case "Farm" where peer.role == .user || peer.role == .admin: try await farm(stream, method, peer)
            case "Agents" where peer.role == .agent: try await agent(stream, method, peer)
            case "Objects": try await object(stream, method, peer)
            case "Farm":
                throw LinkStatus(
                    .denied,
                    "\(peer.title) may not ask about runs: that is for users and admins, with an identity of theirs")
            case "Agents":
                throw LinkStatus(.denied, "\(peer.title) may not work for the farm: that takes an agent's identity")
            default: throw Self.unknown(method)
            }
        } catch let status as LinkStatus {
            await stream.finish(status)
        } catch let error as LinkError {
            // The caller or the connection has gone, or what it sent was no message and was answered.
            await stream.finish(LinkStatus(.cancelled, "\(error)"))
        } catch is CancellationError {
            await stream.finish(LinkStatus(.cancelled))
        } catch let error as MeaningError {
            await stream.finish(LinkStatus(.invalid, "\(error)"))
        } catch let error as CoordinatorError {
            await stream.finish(error.status)
        } catch {
            await stream.finish(LinkStatus(.internal, "\(error)"))
        }
    }

    /// What agents say all the time is short, and decided in memory.
    static let onLoop: Set = [Proto.Agents.Work.name, Proto.Agents.Report.name]

    private static func unknown(_ method: String) -> LinkStatus {
        LinkStatus(.unimplemented, "this coordinator does not know \(method.prefix(100)); is it older than you?")
    }

    /// Answers a request that changes something, also while the store takes nothing.
    private func change<Method: ProtoMethod>(
        _ stream: LinkStream, _ method: Method.Type,
        _ body: @escaping @Sendable (Method.Request) async throws(LinkStatus) -> Method.Response
    ) async {
        await stream.answer(method) { request throws(LinkStatus) in
            try await patience.answer { () throws(LinkStatus) in try await body(request) }
        }
    }

    private func farm(_ stream: LinkStream, _ method: String, _ who: Principal) async throws {
        switch method {
        case Proto.Farm.SubmitRun.name:
            await change(stream, Proto.Farm.SubmitRun.self) { request throws(LinkStatus) in
                try await people.submit(request, who)
            }
        case Proto.Farm.Rerun.name:
            await change(stream, Proto.Farm.Rerun.self) { request throws(LinkStatus) in
                try await people.rerun(request, who)
            }
        case Proto.Farm.Watch.name: try await people.watch(stream, who)
        case Proto.Farm.ListRuns.name:
            await stream.answer(Proto.Farm.ListRuns.self) { request throws(LinkStatus) in
                try await people.list(request, who)
            }
        case Proto.Farm.ReadLog.name: try await LogReading(people: people).serve(stream, who)
        case Proto.Farm.Cancel.name:
            await change(stream, Proto.Farm.Cancel.self) { request throws(LinkStatus) in
                try await people.cancel(request, who)
            }
        case Proto.Farm.Explain.name:
            await stream.answer(Proto.Farm.Explain.self) { request throws(LinkStatus) in
                try await people.explain(request, who)
            }
        case Proto.Farm.Render.name: try await people.render(stream, who)
        case Proto.Farm.ListArtifacts.name:
            await stream.answer(Proto.Farm.ListArtifacts.self) { request throws(LinkStatus) in
                try await people.artifacts(request, who)
            }
        case Proto.Farm.SetBaseline.name:
            await change(stream, Proto.Farm.SetBaseline.self) { request throws(LinkStatus) in
                try await people.setBaseline(request, who)
            }
        case Proto.Farm.ShowBaseline.name:
            await stream.answer(Proto.Farm.ShowBaseline.self) { request throws(LinkStatus) in
                try await people.baselines(request)
            }
        case Proto.Farm.ListAgents.name:
            await stream.answer(Proto.Farm.ListAgents.self) { _ throws(LinkStatus) in
                let agents = await people.coordinator.agentSummaries()
                let pools = await people.coordinator.allPools
                return .with {
                    $0.agents = agents
                    $0.pools = pools.map { Proto.Pool($0) }
                }
            }
        case Proto.Farm.DrainAgent.name:
            await change(stream, Proto.Farm.DrainAgent.self) { request throws(LinkStatus) in
                try await people.drain(request, who)
            }
        case Proto.Farm.SetPool.name:
            await change(stream, Proto.Farm.SetPool.self) { request throws(LinkStatus) in
                try await people.setPool(request, who)
            }
        case Proto.Farm.MoveAgent.name:
            await change(stream, Proto.Farm.MoveAgent.self) { request throws(LinkStatus) in
                try await people.moveAgent(request, who)
            }
        case Proto.Farm.CreateToken.name:
            await change(stream, Proto.Farm.CreateToken.self) { request throws(LinkStatus) in
                try await people.createToken(request, who)
            }
        case Proto.Farm.Revoke.name:
            await change(stream, Proto.Farm.Revoke.self) { request throws(LinkStatus) in
                try await people.revoke(request, who)
            }
        default: throw Self.unknown(method)
        }
    }

    private func agent(_ stream: LinkStream, _ method: String, _ peer: Principal) async throws {
        switch method {
        case Proto.Agents.Work.name: try await agents.work(stream, peer)
        case Proto.Agents.Report.name:
            await stream.answer(Proto.Agents.Report.self, limits: .large) { report throws(LinkStatus) in
                try await agents.report(report, peer)
            }
        case Proto.Agents.FindCache.name:
            await stream.answer(Proto.Agents.FindCache.self) { request throws(LinkStatus) in
                try await agents.caches.find(request, peer)
            }
        case Proto.Agents.SaveCache.name:
            await stream.answer(Proto.Agents.SaveCache.self) { request throws(LinkStatus) in
                try await agents.caches.save(request, peer)
            }
        case Proto.Agents.AppendLog.name: try await agents.appendLog(stream, peer)
        case Proto.Agents.Renew.name:
            await stream.answer(Proto.Agents.Renew.self) { request throws(LinkStatus) in
                guard let peer = stream.peer else { throw LinkStatus(.denied, "show a certificate of this farm") }
                return try await agents.roster.renew(request, for: peer)
            }
        default: throw Self.unknown(method)
        }
    }

    private func object(_ stream: LinkStream, _ method: String, _ peer: Principal) async throws {
        switch method {
        case Proto.Objects.Missing.name:
            await stream.answer(Proto.Objects.Missing.self) { request throws(LinkStatus) in
                try await objects.missing(request, peer)
            }
        case Proto.Objects.Put.name: try await objects.put(stream, peer)
        case Proto.Objects.Get.name: try await objects.get(stream, peer)
        default: throw Self.unknown(method)
        }
    }

    /// The only thing that strangers may ask.
    static func enrol(
        _ stream: LinkStream, _ method: String, _ roster: Roster, _ journal: FarmJournal, _ patience: Patience
    ) async {
        guard method == Proto.Enrolment.Enrol.name else {
            await stream.finish(LinkStatus(.denied, "here one can only enrol"))
            return
        }
        await stream.answer(Proto.Enrolment.Enrol.self) { request throws(LinkStatus) in
            do throws(LinkStatus) {
                let (answer, principal) = try await patience.answer { () throws(LinkStatus) in
                    try await roster.enrol(request)
                }
                journal.tell(.enrolled(principal))
                return answer
            } catch {
                journal.enrolmentRefused(error)
                throw error
            }
        }
    }
}

/// The server, once it listens: revocation closes connections of it.
final class Links: Sendable {
    private let state = Mutex<LinkServer?>(nil)
    var server: LinkServer? { state.withLock { $0 } }
    func set(_ server: LinkServer) { state.withLock { $0 = server } }
}
