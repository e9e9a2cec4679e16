import Delivery
import JSON
package import Model
import Storage
import Transport
import Wire

/// Where the coordinator tells what runs come to: repositories at code hosts, each with a token of its own. Read from a
/// file in JSON that the operator writes.
package struct CodeHosts: Equatable, Sendable {
    package struct Place: Equatable, Sendable {
        var host: DeliveryTarget.Host
        /// `owner/name`, as submissions name it.
        var repository: String
        /// Read again for every call: it may be renewed at any time.
        var tokenFile: String
        var api: String?
        var authorities: String?
        /// Where more can be seen of a run; `{run}` in it is its name.
        var link: String
        /// Whose runs are delivered; `nil`: everybody's who asks for it.
        var owners: [String]?
        var teams: [String]?

        /// The kind of its deliveries: who performs them.
        var kind: String { host.rawValue }
    }

    package var places: [Place] = []
    /// When a call has ended for certain.
    package var callMax = Duration.seconds(60)

    package init() {}

    /// What the farm is called at code hosts, so that runs of several farms can stand side by side.
    package static func farmName(_ fingerprint: Digest) -> String { String(fingerprint.hex.prefix(12)) }

    // MARK: Reading

    private static let words: Set<String> = [
        "host", "repository", "token-file", "api", "authorities", "link", "owners", "teams",
    ]

    /// - Throws: `CoordinatorError.invalid`, which says where the mistake is.
    package init(_ bytes: [UInt8], file: String) throws(CoordinatorError) {
        let value: Value
        do throws(JSONError) { value = try JSONParser.value(bytes) } catch {
            throw .invalid("\(file): \(error)")
        }
        let top = try Self.members(value, "the file", file, of: ["places", "call-seconds"])
        guard let places = top["places"]?.array, !places.isEmpty else {
            throw .invalid("\(file): 'places' is missing: a list of the repositories that hear of runs")
        }
        if let seconds = top["call-seconds"] {
            guard let number = seconds.number, (1...600).contains(number) else {
                throw .invalid("\(file): call-seconds: a number from 1 to 600 is wanted")
            }
            callMax = .milliseconds(Int64(number * 1000))
        }
        for (index, place) in places.enumerated() {
            let place = try Self.place(place, "places[\(index)]", file)
            guard !self.places.contains(where: { $0.repository == place.repository }) else {
                throw .invalid("\(file): places[\(index)]: \(place.repository) is there twice")
            }
            self.places.append(place)
        }
    }

    private static func members(
        _ value: Value, _ place: String, _ file: String, of words: Set<String>
    ) throws(CoordinatorError) -> [String: Value] {
        guard let members = value.members else { throw .invalid("\(file): \(place): an object is wanted") }
        if let unknown = members.first(where: { !words.contains($0.key) }) {
            throw .invalid(
                "\(file): \(place): there is no '\(unknown.key)'; there are \(words.sorted().joined(separator: ", "))")
        }
        return Dictionary(members.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
    }

    private static func place(_ value: Value, _ name: String, _ file: String) throws(CoordinatorError) -> Place {
        let members = try members(value, name, file, of: words)
        func text(_ word: String) throws(CoordinatorError) -> String? {
            guard let value = members[word] else { return nil }
            guard let text = value.string, !text.isEmpty else {
                throw .invalid("\(file): \(name).\(word): a text is wanted")
            }
            return text
        }
        func needed(_ word: String) throws(CoordinatorError) -> String {
            guard let text = try text(word) else { throw .invalid("\(file): \(name): '\(word)' is missing") }
            return text
        }
        func names(_ word: String) throws(CoordinatorError) -> [String]? {
            guard let value = members[word] else { return nil }
            let names = value.array?.compactMap(\.string) ?? []
            guard !names.isEmpty, names.count == value.array?.count else {
                throw .invalid("\(file): \(name).\(word): a list of names is wanted")
            }
            return names
        }
        guard let host = DeliveryTarget.Host(rawValue: try needed("host")) else {
            throw .invalid("\(file): \(name).host: 'github' or 'gitlab' is wanted")
        }
        let api = try text("api").map { $0.hasSuffix("/") ? String($0.dropLast()) : $0 }
        if let api, !DeliveryTarget.isSafe(api: api) {
            throw .invalid("\(file): \(name).api: \(api) would get the token in the clear: https://… is wanted")
        }
        return Place(
            host: host, repository: try needed("repository"), tokenFile: try needed("token-file"), api: api,
            authorities: try text("authorities"), link: try text("link") ?? "", owners: try names("owners"),
            teams: try names("teams"))
    }

    // MARK: What runs want of it

    func place(_ kind: String, _ repository: String) -> Place? {
        places.first { $0.kind == kind && $0.repository == repository }
    }

    /// Which host a submission is delivered to that wants it; `nil` when it does not.
    ///
    /// - Throws: why it cannot be.
    func host(for request: Proto.SubmitRunRequest, by owner: Principal) throws(LinkStatus) -> String? {
        guard request.deliver else { return nil }
        guard !request.repository.isEmpty, !request.commit.isEmpty else {
            throw LinkStatus(.invalid, "only a run of a commit in a repository can be delivered")
        }
        guard !request.dirty else {
            throw LinkStatus(.invalid, DeliveredReport.refusal(ofDirty: request.commit))
        }
        guard let place = places.first(where: { $0.repository == request.repository }) else {
            throw LinkStatus(
                .invalid,
                "this farm delivers nothing to \(request.repository.prefix(200)): the file of its --deliver does not name it"
            )
        }
        let isAllowed =
            (place.owners == nil && place.teams == nil) || place.owners?.contains(owner.name) == true
            || owner.team.map { place.teams?.contains($0) == true } == true
        guard isAllowed else {
            throw LinkStatus(.denied, "\(owner.title) may not have runs delivered to \(place.repository)")
        }
        return place.kind
    }

    /// What is to happen now that a run has its verdict: committed together with that.
    static func intents(
        of run: RunID, _ request: Proto.SubmitRunRequest, farm: String, at now: Instant
    ) -> [DeliveryRecord] {
        guard request.deliver, let host = DeliveryTarget.Host(rawValue: request.deliverHost) else { return [] }
        let target = DeliveryTarget(host, repository: request.repository, request: pullRequest(of: request))
        let name = DeliveryKey(run: run, farm: farm)
        return HostStep.Kind.all(at: target).map { step in
            DeliveryRecord(
                key: "\(name) \(step.rawValue)", kind: host.rawValue, run: run,
                body: Proto.DeliveryOrder.with {
                    $0.host = host.rawValue
                    $0.repository = target.repository
                    $0.step = step.rawValue
                    $0.commit = request.commit
                    $0.request = UInt32(clamping: target.request ?? 0)
                }.encoded(), intendedAt: now)
        }
    }

    /// The pull or merge request that a submission names, or whose event it is.
    private static func pullRequest(of request: Proto.SubmitRunRequest) -> Int? {
        if request.deliverRequest > 0 { return Int(request.deliverRequest) }
        // `try?`: it was read when the run was submitted.
        guard !request.eventJson.isEmpty, let event = try? JSONParser.value(request.eventJson) else { return nil }
        let number = event["pull_request"]?["number"]?.number ?? event["object_attributes"]?["iid"]?.number
        return number.flatMap { (1...Double(Int32.max)).contains($0) ? Int($0) : nil }
    }
}
