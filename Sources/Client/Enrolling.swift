package import Model
package import Transport
import Wire

/// Turns a token into an identity. The key is made here and never leaves; the farm's authority is compared with the
/// token's fingerprint before the secret is sent.
package enum Enrolling {
    /// Enrols and keeps what came of it. That it can be kept is found out first: a token is good only once, and where the
    /// farm's answer is lost the same token brings it to the same folder.
    ///
    /// - Parameters:
    ///   - roles: what the bearer may be here; a token for another role stays unused.
    ///   - replacing: an identity that is there already; without it, it is left alone and an error.
    package static func enrol(
        tokenFile text: String, as roles: Set<Principal.Role>, into profile: Profile, replacing: Bool = false
    ) async throws(ClientError) -> (identity: Identity, address: Address) {
        guard replacing || !profile.exists else {
            throw ClientError(
                "there is an identity in \(profile.folder) already",
                help: "--replace replaces it; --home FOLDER keeps another beside it", isRefusal: true)
        }
        try profile.prepare()
        let token = try read(text)
        guard roles.contains(where: { $0.rawValue == token.role }) else {
            throw ClientError(
                "the token is for a farm's \(token.role) '\(token.name)'",
                help: token.role == "agent"
                    ? "on the agent's machine: sheaf agent --token-file FILE" : "sheaf enrol --token-file FILE",
                isRefusal: true)
        }
        let key = try profile.pendingKey(for: token)
        let forget = { profile.forgetPendingKey(for: token) }
        let (identity, address) = try await enrol(token, key, refused: forget)
        try profile.save(identity, address: address)
        forget()
        return (identity, address)
    }

    private static func read(_ text: String) throws(ClientError) -> EnrolmentToken {
        do throws(TokenError) { return try EnrolmentToken(fileText: text) } catch {
            throw ClientError(
                "the token cannot be used: \(error)", help: "give the whole file that sheaf token create made",
                isRefusal: true)
        }
    }

    package static func enrol(
        tokenFile text: String
    ) async throws(ClientError) -> (identity: Identity, address: Address) {
        try await enrol(try read(text), .make(), refused: {})
    }

    /// - Parameter refused: called when the farm itself does not take the token: then no answer of its waits for the key.
    private static func enrol(
        _ token: EnrolmentToken, _ key: PrivateKey, refused: () -> Void
    ) async throws(ClientError) -> (identity: Identity, address: Address) {
        let answer: Proto.EnrolResponse
        do {
            let loop = try EventLoop(name: "sheaf-enrol")
            let link = try await Link.connect(toEnrolAt: token.address, authority: token.authority, on: loop)
            defer { Task { await link.close() } }
            answer = try await link.call(
                Proto.Enrolment.Enrol.self,
                .with {
                    $0.token = token.secret
                    $0.certificateRequest = CertificateRequest(key: key).der
                })
        } catch LinkError.status(let status) {
            if !status.mayPass { refused() }
            throw ClientError(
                "the farm refused the token: \(status.text)",
                help: status.mayPass ? nil : "an admin makes tokens with: sheaf token create",
                isRefusal: !status.mayPass)
        } catch LinkError.certificate(.expired(let end)) {
            throw ClientError(
                "the certificate of the farm at \(token.address) expired on \(end.utc); the token was not sent",
                help: "a coordinator renews its own while it runs: look at what it says, and at this machine's clock")
        } catch LinkError.certificate(let fault) {
            throw ClientError(
                "what answers at \(token.address) is not the farm that the token is for: \(fault)",
                help: "the token was not sent; ask whoever gave it to you", isRefusal: true)
        } catch {
            throw ClientError(
                "the farm cannot be reached at \(token.address): \(error)",
                help: "is the coordinator running, and is its enrolment port open from here?")
        }
        do {
            let authority = try Certificate(pem: answer.authority)
            guard authority.fingerprint == token.authority else {
                throw ClientError("the farm answered with another authority than the token names", isRefusal: true)
            }
            let identity = try Identity(
                certificate: try Certificate(pem: answer.certificate), key: key, authority: authority)
            return (identity, try Address(answer.address))
        } catch let error as ClientError {
            throw error
        } catch {
            throw ClientError("the farm's answer cannot be used: \(error)")
        }
    }
}
