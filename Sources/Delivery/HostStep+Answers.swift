import JSON
package import Model

/// What the answers of code hosts mean.
extension HostStep {
    package func meaning(of answer: HTTPAnswer, to question: Question, at now: Instant) -> Meaning {
        guard case .response(let response) = answer else {
            guard case .failed(let problem) = answer else { preconditionFailure("an answer is one of two") }
            return .again("no answer: \(problem)", after: nil, isUndone: false)
        }
        switch response.status {
        case 200..<300:
            if isAnswer(response, to: question) { return .good(response) }
            let type = response.headers["content-type"].map { " (\($0.prefix(60)))" } ?? ""
            return .again(
                "\(response.status) with no answer of the interface\(type): is '\(target.api)' the right address?",
                after: nil, isUndone: false)
        // Apps are no users, and GitHub says so.
        case 403 where question == .whoAmI && Self.message(response).contains(Self.noUser):
            return .good(HTTPResponse(status: 403))
        // After an answer that was lost, or one that somebody else gave meanwhile: it is what it was to become, or further.
        case 400 where target.host == .gitlab && Self.message(response).hasPrefix(Self.noTransition):
            return .good(response)
        // Whatever the counters say, which come with every answer: of these only a 403 can mean them.
        case 404 where question == .overwrite, 410 where question == .overwrite: return .gone
        case 403 where question == .overwrite && !Self.isLimited(response): return .gone
        case 408, 500..<600:
            return .again("\(response.status) of the server", after: Self.asked(response, at: now), isUndone: false)
        // GitHub says 403 too when a limit of requests is reached.
        case 403 where Self.isLimited(response), 429:
            return .again(
                "\(response.status), too many requests", after: Self.asked(response, at: now) ?? Self.limitPause,
                isUndone: true)
        default: return .refused(refusal(response))
        }
    }

    private static let noUser = "Resource not accessible by integration"
    private static let noTransition = "Cannot transition status"
    /// GitLab sends a search on to a project's new path, and refuses a write at the old one.
    private static let movedProject = "not allowed for moved projects"
    /// Where a server does not say how long; GitHub wants a minute at least.
    private static let limitPause = Duration.seconds(60)

    /// GitHub's second limit comes with a sentence, and not always with a header.
    private static func isLimited(_ response: HTTPResponse) -> Bool {
        let said = message(response).lowercased()
        return response.headers["retry-after"] != nil || isUsedUp(response) || said.contains("rate limit")
            || said.contains("abuse")
    }

    private static func isUsedUp(_ response: HTTPResponse) -> Bool {
        (response.headers["x-ratelimit-remaining"] ?? response.headers["ratelimit-remaining"]) == "0"
    }

    /// What a server says of an answer that is none; empty where it says nothing.
    private static func message(_ response: HTTPResponse) -> String {
        // `try?`: a page that is no JSON says nothing to us.
        let value = try? JSONParser.value(response.body, repeatedKeys: .keepFirst, depthMax: 100)
        return value?["message"]?.string ?? value?["error"]?.string ?? ""
    }

    /// Whether it has the shape of what was asked for: a page of a proxy or of somebody's login is none.
    private func isAnswer(_ response: HTTPResponse, to question: Question) -> Bool {
        let value = try? JSONParser.value(response.body, repeatedKeys: .keepFirst, depthMax: 100)
        switch question {
        case .whoAmI, .write, .overwrite: return value.flatMap(Self.id(of:)) != nil
        case .search: return (kind == .check ? value?["check_runs"]?.array : value?.array) != nil
        }
    }

    private static let waitMax = Duration.seconds(86_400)

    /// How long the server asks to wait; a day at most, whatever it says.
    private static func asked(_ response: HTTPResponse, at now: Instant) -> Duration? {
        if let text = response.headers["retry-after"], let seconds = Int64(text), seconds >= 0 {
            return min(.seconds(seconds), waitMax)
        }
        // Every answer tells when the next requests are counted; who has some left need not wait for that.
        if isUsedUp(response),
            let text = response.headers["x-ratelimit-reset"] ?? response.headers["ratelimit-reset"],
            let at = Int64(text)
        {
            return min(max(.zero, now.duration(to: .seconds(at))), waitMax)
        }
        return nil
    }

    /// Why a request was refused, and what to do about it.
    private func refusal(_ response: HTTPResponse) -> String {
        let message = Self.message(response)
        let said = message.isEmpty ? "" : ": \(message.prefix(200))"
        switch (target.host, response.status) {
        case (_, 301), (_, 307), (_, 308): return moved(response)
        case (.gitlab, 405) where message.contains(Self.movedProject): return moved(response)
        case (_, 302), (_, 303):
            return "\(response.status), the server sends elsewhere: is '\(target.api)' the right address?"
        case (_, 401): return "401, the token is not valid\(said)"
        case (.github, 403):
            let needed =
                switch kind {
                case .status: "statuses: write"
                case .check: "checks: write, which only a GitHub App's token can have"
                case .comment: "pull-requests: write"
                }
            return "403, needs \(needed)\(said)"
        case (.gitlab, 403): return "403, needs a token with the scope api and the role Developer\(said)"
        case (_, 404):
            return "404, there is no \(target.repository) that the token may see"
                + (kind == .comment ? ", or no request \(target.request ?? 0) in it" : ", or no such commit in it")
        case (_, 422), (_, 400): return "\(response.status), the server does not take it\(said)"
        default: return "\(response.status)\(said)"
        }
    }

    private func moved(_ response: HTTPResponse) -> String {
        "\(response.status), \(target.repository) has another name or place now: "
            + "give that to --repository, or in the file of --deliver"
    }
}
