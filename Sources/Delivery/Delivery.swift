import JSON
package import Model

/// What a code host is to hear about a run.
package struct DeliveredReport: Equatable, Sendable {
    package var run: String
    package var workflow: String
    package var commit: String
    /// `nil` while the run goes on.
    package var verdict: Verdict?
    /// The verdict in one sentence.
    package var summary: String
    /// The whole report; hosts take a little more than 65 000 characters.
    package var markdown: String
    /// Where more can be seen; empty where there is no such place.
    package var link: String

    package init(
        run: String, workflow: String, commit: String, verdict: Verdict?, summary: String, markdown: String,
        link: String = ""
    ) {
        self.run = run
        self.workflow = workflow
        self.commit = commit
        self.verdict = verdict
        self.summary = summary
        self.markdown = markdown
        self.link = link
    }

    /// What finds the comment again that is kept up to date: one for each workflow.
    var marker: String {
        let name = workflow.unicodeScalars.map {
            $0.properties.isAlphabetic || $0.properties.numericType != nil ? String($0) : "_"
        }
        return "<!-- sheaf: \(name.joined().prefix(100)) -->"
    }
}

/// Where a report is delivered.
package struct DeliveryTarget: Equatable, Sendable {
    package enum Host: String, CaseIterable, Sendable { case github, gitlab }

    package var host: Host
    /// `https://api.github.com`, `https://gitlab.com/api/v4`: without `/` at its end.
    package var api: String
    /// `owner/name`, or at GitLab also a project's number.
    package var repository: String
    /// The pull request or merge request that gets the comment; `nil`: none does.
    package var request: Int?

    package init(_ host: Host, api: String? = nil, repository: String, request: Int? = nil) {
        self.host = host
        self.api = api ?? (host == .github ? "https://api.github.com" : "https://gitlab.com/api/v4")
        self.repository = repository
        self.request = request
    }
}

/// Delivers one report: says what to ask next, and takes the answers. Pure; whoever performs it holds clock and network.
///
/// Its steps (commit status, check run, comment) stand for themselves: one that is refused keeps no other from being
/// tried. Nothing that happens here changes a verdict.
package struct Delivery: Sendable {
    package enum Action: Equatable, Sendable {
        case send(HTTPRequest)
        case wait(until: Instant)
        /// Everything was tried; what could not be delivered, in sentences.
        case finished([String])
    }

    package struct Settings: Sendable {
        /// Tries of one question, the first included.
        package var attemptsMax = 6
        package var backoffMin = Duration.seconds(1)
        package var backoffMax = Duration.minutes(2)
        /// What a server may ask to wait for at most.
        package var waitMax = Duration.minutes(15)
        /// Pages of comments that are searched for ours, of 100 each.
        package var pagesMax = 20

        package init() {}
    }

    /// Which step is being done.
    package enum Step: String, CaseIterable, Sendable {
        case status = "commit status"
        case check = "check run"
        case comment
    }

    private enum Stage: Equatable {
        /// Looks for what an earlier delivery left.
        case search(page: Int)
        /// Writes: anew, or over what has this number.
        case write(over: String?)
    }

    let report: DeliveredReport
    let target: DeliveryTarget
    private let token: String
    private let settings: Settings
    private var steps: [Step]
    private var stage: Stage
    private var attempt = 1
    private var waitUntil: Instant?
    private(set) package var problems: [String] = []
    private(set) package var delivered: [Step] = []

    package init(_ report: DeliveredReport, to target: DeliveryTarget, token: String, settings: Settings = Settings()) {
        self.report = report
        self.target = target
        self.token = token
        self.settings = settings
        steps = [.status]
        if target.host == .github { steps.append(.check) }
        if target.request != nil { steps.append(.comment) }
        stage = .write(over: nil)
        if report.commit.isEmpty {
            steps.removeAll { $0 != .comment }
            problems.append("not delivered: the run has no commit that a status could stand at")
        }
        begin()
    }

    /// What is to be done now.
    package func next(at now: Instant) -> Action {
        guard let step = steps.first else { return .finished(problems) }
        if let waitUntil, now < waitUntil { return .wait(until: waitUntil) }
        return .send(request(step, stage))
    }

    /// Takes the answer to what `next` said to send.
    package mutating func take(_ answer: HTTPAnswer, at now: Instant) {
        guard let step = steps.first else { return }
        waitUntil = nil
        switch answer {
        case .failed(let problem): again(step, "no answer: \(problem)", after: nil, at: now)
        case .response(let response):
            switch response.status {
            case 200..<300: succeed(step, response)
            case 408, 500..<600:
                again(step, "\(response.status) of the server", after: Self.asked(response, at: now), at: now)
            case 429: again(step, "429, too many requests", after: Self.asked(response, at: now), at: now)
            // GitHub says so too when a limit of requests is reached.
            case 403 where response.headers["retry-after"] != nil || response.headers["x-ratelimit-remaining"] == "0":
                again(step, "403, too many requests", after: Self.asked(response, at: now), at: now)
            default: giveUp(step, refusal(step, response))
            }
        }
    }

    // MARK: answers

    private mutating func succeed(_ step: Step, _ response: HTTPResponse) {
        attempt = 1
        guard case .search(let page) = stage else {
            delivered.append(step)
            return goOn()
        }
        // `try?`: an answer that is no JSON holds nothing of ours.
        let value = try? JSONParser.value(response.body, repeatedKeys: .keepFirst, depthMax: 100)
        let entries = (step == .check ? value?["check_runs"]?.array : value?.array) ?? []
        if let found = entries.first(where: { isOurs($0, step) }), let number = found["id"]?.number {
            stage = .write(over: "\(Int(number))")
        } else if entries.count >= 100 && page < settings.pagesMax {
            stage = .search(page: page + 1)
        } else {
            stage = .write(over: nil)
        }
    }

    private func isOurs(_ entry: Value, _ step: Step) -> Bool {
        guard entry["id"]?.number != nil else { return false }
        switch step {
        case .check: return entry["external_id"]?.string == report.run
        case .comment:
            // GitLab's own notes (somebody pushed, somebody approved) are no comments.
            return entry["system"]?.boolean != true && entry["body"]?.string?.hasPrefix(report.marker) == true
        case .status: return false
        }
    }

    private mutating func again(_ step: Step, _ why: String, after asked: Duration?, at now: Instant) {
        guard attempt < settings.attemptsMax else {
            return giveUp(step, "\(why), \(attempt) times")
        }
        if let asked, asked > settings.waitMax {
            return giveUp(step, "\(why): it asks to wait \(asked.spelled)")
        }
        let backoff = min(settings.backoffMax, settings.backoffMin * (1 << min(20, attempt - 1)))
        waitUntil = now.advanced(by: max(backoff, asked ?? .zero))
        attempt += 1
        // Whether a write that was not answered came through is not known: it is looked for before it is repeated.
        if case .write(nil) = stage, step != .status { stage = .search(page: 1) }
    }

    private mutating func giveUp(_ step: Step, _ why: String) {
        problems.append("\(step.rawValue) not delivered: \(why)")
        goOn()
    }

    private mutating func goOn() {
        steps.removeFirst()
        begin()
    }

    private mutating func begin() {
        attempt = 1
        waitUntil = nil
        stage = steps.first == .status ? .write(over: nil) : .search(page: 1)
    }

    /// How long the server asks to wait.
    private static func asked(_ response: HTTPResponse, at now: Instant) -> Duration? {
        if let text = response.headers["retry-after"], let seconds = Int64(text), seconds >= 0 {
            return .seconds(min(seconds, 86_400))
        }
        if let text = response.headers["x-ratelimit-reset"] ?? response.headers["ratelimit-reset"],
            let at = Int64(text)
        {
            return max(.zero, now.duration(to: .seconds(min(at, 1 << 40))))
        }
        return nil
    }

    /// Why a request was refused, and what to do about it.
    private func refusal(_ step: Step, _ response: HTTPResponse) -> String {
        let value = try? JSONParser.value(response.body, repeatedKeys: .keepFirst, depthMax: 100)
        let said = (value?["message"]?.string ?? value?["error"]?.string).map { ": \($0.prefix(200))" } ?? ""
        switch (target.host, response.status) {
        case (_, 401): return "401, the token is not valid\(said)"
        case (.github, 403):
            let needed =
                switch step {
                case .status: "statuses: write"
                case .check: "checks: write, which only a GitHub App's token can have"
                case .comment: "pull-requests: write"
                }
            return "403, needs \(needed)\(said)"
        case (.gitlab, 403): return "403, needs a token with the scope api and the role Developer\(said)"
        case (_, 404):
            return "404, there is no \(target.repository) that the token may see"
                + (step == .comment ? ", or no request \(target.request ?? 0) in it" : ", or no such commit in it")
        case (_, 422), (_, 400): return "\(response.status), the server does not take it\(said)"
        default: return "\(response.status)\(said)"
        }
    }

    // MARK: requests

    private func request(_ step: Step, _ stage: Stage) -> HTTPRequest {
        switch target.host {
        case .github: github(step, stage)
        case .gitlab: gitlab(step, stage)
        }
    }

    private func github(_ step: Step, _ stage: Stage) -> HTTPRequest {
        let repository = "/repos/\(Self.path(target.repository))"
        let name = "sheaf / \(report.workflow.prefix(100))"
        switch (step, stage) {
        case (.status, _):
            return send(
                "POST", "\(repository)/statuses/\(Self.path(report.commit))",
                [
                    .init("state", .string(githubState)), .init("context", .string(name)),
                    .init("description", .string(Self.cut(report.summary, to: 140))),
                ] + link("target_url"))
        case (.check, .search(let page)):
            return send(
                "GET",
                "\(repository)/commits/\(Self.path(report.commit))/check-runs?check_name=\(Self.word(name))&filter=all&per_page=100&page=\(page)"
            )
        case (.check, .write(let over)):
            var members: [Value.Member] = [
                .init("name", .string(name)), .init("external_id", .string(report.run)),
                .init("status", report.verdict == nil ? "in_progress" : "completed"),
                .init(
                    "output",
                    [
                        "title": .string(Self.cut(report.summary, to: 255)),
                        "summary": .string(Self.cut(report.markdown, to: 65_000)),
                    ]),
            ]
            if let verdict = report.verdict { members.append(.init("conclusion", .string(Self.conclusion(verdict)))) }
            members += link("details_url")
            guard let over else {
                return send("POST", "\(repository)/check-runs", members + [.init("head_sha", .string(report.commit))])
            }
            return send("PATCH", "\(repository)/check-runs/\(over)", members)
        case (.comment, .search(let page)):
            return send("GET", "\(repository)/issues/\(target.request ?? 0)/comments?per_page=100&page=\(page)")
        case (.comment, .write(let over)):
            let body: [Value.Member] = [.init("body", .string(comment))]
            guard let over else { return send("POST", "\(repository)/issues/\(target.request ?? 0)/comments", body) }
            return send("PATCH", "\(repository)/issues/comments/\(over)", body)
        }
    }

    private func gitlab(_ step: Step, _ stage: Stage) -> HTTPRequest {
        let project = "/projects/\(Self.word(target.repository))"
        let notes = "\(project)/merge_requests/\(target.request ?? 0)/notes"
        switch (step, stage) {
        case (.status, _), (.check, _):
            return send(
                "POST", "\(project)/statuses/\(Self.path(report.commit))",
                [
                    .init("state", .string(gitlabState)),
                    .init("name", .string("sheaf / \(report.workflow.prefix(100))")),
                    .init("description", .string(Self.cut(report.summary, to: 140))),
                ] + link("target_url"))
        case (.comment, .search(let page)):
            return send("GET", "\(notes)?per_page=100&page=\(page)&sort=asc")
        case (.comment, .write(let over)):
            let body: [Value.Member] = [.init("body", .string(comment))]
            guard let over else { return send("POST", notes, body) }
            return send("PUT", "\(notes)/\(over)", body)
        }
    }

    /// The comment: the marker first, by which it is found again.
    private var comment: String { "\(report.marker)\n\(Self.cut(report.markdown, to: 64_000))" }

    private var githubState: String {
        switch report.verdict {
        case nil: "pending"
        case .pass, .waived: "success"
        case .inconclusive, .fail: "failure"
        case .incomplete: "error"
        }
    }

    private var gitlabState: String {
        switch report.verdict {
        case nil: "running"
        case .pass, .waived: "success"
        case .inconclusive, .incomplete, .fail: "failed"
        }
    }

    private static func conclusion(_ verdict: Verdict) -> String {
        switch verdict {
        case .pass, .waived: "success"
        case .inconclusive, .incomplete: "action_required"
        case .fail: "failure"
        }
    }

    private func link(_ name: String) -> [Value.Member] {
        report.link.isEmpty ? [] : [.init(name, .string(report.link))]
    }

    private func send(_ method: String, _ path: String, _ body: [Value.Member]? = nil) -> HTTPRequest {
        var headers: [(name: String, value: String)] = []
        switch target.host {
        case .github:
            headers = [
                ("Accept", "application/vnd.github+json"), ("X-GitHub-Api-Version", "2022-11-28"),
                ("Authorization", "Bearer \(token)"),
            ]
        case .gitlab: headers = [("Accept", "application/json"), ("PRIVATE-TOKEN", token)]
        }
        var bytes: [UInt8] = []
        if let body {
            headers.append(("Content-Type", "application/json"))
            bytes = Array(JSONWriter.text(.object(body)).utf8)
        }
        return HTTPRequest(method, target.api + path, headers: headers, body: bytes)
    }

    /// A text of at most `most` characters (UTF-16, as these hosts count).
    private static func cut(_ text: String, to most: Int) -> String {
        guard text.utf16.count > most else { return text }
        var kept = String.UnicodeScalarView()
        var count = 0
        for scalar in text.unicodeScalars {
            count += scalar.value > 0xFFFF ? 2 : 1
            if count > most - 1 { break }
            kept.append(scalar)
        }
        return String(kept) + "…"
    }

    /// A path whose `/` stay; everything else that is no plain letter is escaped.
    private static func path(_ text: String) -> String {
        text.split(separator: "/", omittingEmptySubsequences: false).map { word(String($0)) }.joined(separator: "/")
    }

    private static func word(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF")
        return text.utf8.map { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                String(UnicodeScalar(byte))
            default: "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
            }
        }.joined()
    }
}
