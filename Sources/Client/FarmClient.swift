import Artifacts
import Model
package import Transport
package import Wire

/// A person's connection to the farm.
package struct FarmClient: Sendable {
    package let link: Link
    package let address: Address

    package static func connect(_ profile: Profile, on loop: EventLoop) async throws(ClientError) -> FarmClient {
        let (identity, address) = try profile.load()
        return try await connect(to: address, as: identity, on: loop)
    }

    package static func connect(
        to address: Address, as identity: Identity, on loop: EventLoop
    ) async throws(ClientError) -> FarmClient {
        do throws(LinkError) {
            return FarmClient(link: try await Link.connect(to: address, as: identity, on: loop), address: address)
        } catch {
            throw translated(error, address)
        }
    }

    /// How long a call may take. Planning a large matrix is the longest that the farm does before it answers.
    package static let answerMax = Duration.seconds(60)

    /// - Parameter limit: a farm that is connected and yet does not answer within it counts as away.
    package func call<Method: ProtoMethod & SendableMetatype>(
        _: Method.Type, _ request: Method.Request, within limit: Duration = answerMax
    ) async throws(ClientError) -> Method.Response {
        typealias Answer = Result<Method.Response, LinkError>
        let answer = await withTaskGroup(of: Answer?.self, returning: Answer.self) { group in
            group.addTask { [link] in
                do throws(LinkError) {
                    return .success(try await link.call(Method.self, request, limits: .large))
                } catch {
                    return .failure(error)
                }
            }
            group.addTask {
                // Cancelled by the answer.
                guard (try? await Task.sleep(for: limit)) != nil else { return nil }
                return .failure(.timedOut("\(Method.name) was not answered within \(limit.spelled)"))
            }
            defer { group.cancelAll() }
            while let outcome = await group.next() {
                if let outcome { return outcome }
            }
            return .failure(.cancelled)
        }
        do throws(LinkError) { return try answer.get() } catch { throw Self.translated(error, address) }
    }

    /// Asks, and hands every message of the answer over.
    package func stream<Method: ProtoMethod & SendableMetatype>(
        _: Method.Type, _ request: Method.Request, each: (Method.Response) async throws -> Void
    ) async throws {
        do {
            let stream = try await link.open(Method.self)
            try await stream.send(request)
            await stream.finish()
            while let message = try await stream.receive(Method.Response.self, limits: .large) {
                try await each(message)
            }
        } catch let error as LinkError {
            throw Self.translated(error, address)
        }
    }

    /// In words for whoever asked, with what to do.
    package static func translated(_ error: LinkError, _ address: Address) -> ClientError {
        switch error {
        case .status(let status):
            return ClientError(
                status.text.isEmpty ? "the farm answered '\(status.code)'" : status.text,
                help: status.code == .unimplemented ? "the farm is older than this sheaf; update its coordinator" : nil,
                isRefusal: !status.mayPass && status.code != .internal)
        case .dismissed(let status) where status.code == .denied || status.code == .notFound:
            return ClientError(
                "the farm at \(address) does not let you in: \(status.text)", help: newToken, isRefusal: true)
        case .refusedCertificate(let text):
            return ClientError(
                "the farm at \(address) does not take your certificate: \(text)", help: newToken, isRefusal: true)
        case .ownCertificate(.expired(let instant)):
            return ClientError("your certificate expired on \(instant.utc)", help: newToken, isRefusal: true)
        case .ownCertificate(.notYetValid(let instant)):
            return ClientError(
                "your certificate is valid only from \(instant.utc) on", help: "set this machine's clock",
                isRefusal: true)
        case .ownCertificate(let fault):
            return ClientError("your certificate cannot be used: \(fault)", help: newToken, isRefusal: true)
        case .certificate(.expired(let instant)):
            return ClientError(
                "the certificate of the farm at \(address) expired on \(instant.utc); yours is not in question",
                help: "a coordinator renews its own while it runs: look at what it says, and at this machine's clock")
        case .certificate(.notYetValid(let instant)):
            return ClientError(
                "the certificate of the farm at \(address) is valid only from \(instant.utc) on",
                help: "set this machine's clock, or the coordinator's")
        case .certificate(.otherAuthority):
            return ClientError(
                "what answers at \(address) is not your farm: \(error)",
                help: "if the farm was made anew there, ask an admin for a token and enrol with --replace; "
                    + "if not, somebody stands in between",
                isRefusal: true)
        case .certificate(let fault):
            return ClientError(
                "what answers at \(address) cannot be trusted: \(fault)",
                help: "is this the coordinator's address, and not its enrolment address or another service?",
                isRefusal: true)
        case .unreachable(_, let why):
            return ClientError(
                "the farm at \(address) cannot be reached: \(why)", help: "is the coordinator running there?")
        case .invalidAddress, .cannotListen, .timedOut, .broken, .lost, .dismissed, .closed, .cancelled, .exhausted:
            return ClientError(
                "the farm at \(address) is away: \(error)", help: "is the coordinator running there?")
        }
    }

    private static let newToken = "ask an admin for a new token, then: sheaf enrol --replace --token-file FILE"
}
