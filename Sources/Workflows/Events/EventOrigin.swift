import Model

/// What an event says of the code that it is about, by GitHub's table of events: `github.ref` and `github.actor`.
struct EventOrigin: Equatable {
    /// `refs/heads/main`, `refs/tags/v1`, `refs/pull/7/merge`; empty where nobody knows.
    var ref: String
    /// Who caused the event; `nil`: the payload does not say.
    var actor: String?

    /// - Parameters:
    ///   - payload: the event's own, which may be empty.
    ///   - checkedOut: the ref of what is submitted, for events that name none.
    init(_ event: String, _ payload: Value, checkedOut: String) {
        actor = payload["sender"]?["login"]?.string
        ref = Self.ref(event, payload, checkedOut)
    }

    private static func ref(_ event: String, _ payload: Value, _ checkedOut: String) -> String {
        let named = payload["ref"]?.string
        switch event {
        case "pull_request", "pull_request_review", "pull_request_review_comment":
            // Whatever asks to be merged is no branch of the repository: what holds for one must not hold for it.
            let number = (payload["number"] ?? payload["pull_request"]?["number"])?.number.map {
                "\(Int(exactly: $0) ?? 0)"
            }
            let place = number ?? short(checkedOut)
            return place.isEmpty ? "" : "refs/pull/\(place)/merge"
        case "pull_request_target":
            return branch(payload["pull_request"]?["base"]?["ref"]?.string) ?? main(payload) ?? checkedOut
        case "merge_group": return branch(payload["merge_group"]?["head_ref"]?.string) ?? checkedOut
        case "release": return payload["release"]?["tag_name"]?.string.map { "refs/tags/" + $0 } ?? checkedOut
        case "create":
            guard let named else { return checkedOut }
            return payload["ref_type"]?.string == "tag" ? "refs/tags/" + named : branch(named) ?? checkedOut
        case "deployment", "deployment_status":
            return branch(payload["deployment"]?["ref"]?.string) ?? checkedOut
        case "push", "workflow_dispatch": return branch(named) ?? checkedOut
        // All others run on the default branch.
        default: return main(payload) ?? checkedOut
        }
    }

    private static func main(_ payload: Value) -> String? { branch(payload["repository"]?["default_branch"]?.string) }

    private static func branch(_ name: String?) -> String? {
        guard let name, !name.isEmpty else { return nil }
        return name.hasPrefix("refs/") ? name : "refs/heads/" + name
    }

    /// `main` of `refs/heads/main`, `7/merge` of `refs/pull/7/merge`.
    static func short(_ ref: String) -> String {
        ["refs/heads/", "refs/tags/", "refs/pull/"].first { ref.hasPrefix($0) }.map { String(ref.dropFirst($0.count)) }
            ?? ref
    }
}
