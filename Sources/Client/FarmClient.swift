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

    package func call<Method: ProtoMethod & SendableMetatype>(
        _: Method.Type, _ request: Method.Request
    ) async throws(ClientError) -> Method.Response {
        do throws(LinkError) {
            return try await link.call(Method.self, request, limits: .large)
        } catch {
            throw Self.translated(error, address)
        }
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
                isRefusal: !status.mayPass && status.code != .internal)
        case .dismissed(let status) where status.code == .denied:
            return ClientError(status.text, help: "ask an admin for a new token, then enrol again", isRefusal: true)
        case .certificate:
            return ClientError(
                "the farm at \(address) and this identity do not belong together: \(error)",
                help: "is this the right farm? A new token from an admin gives a new identity: sheaf enrol",
                isRefusal: true)
        default:
            return ClientError(
                "the farm at \(address) cannot be reached: \(error)", help: "is the coordinator running there?")
        }
    }
}
