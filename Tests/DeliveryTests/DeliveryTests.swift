import Delivery
import JSON
import Model
import Testing

/// A code host as far as a delivery sees it: what it holds, and what goes wrong.
private struct FakeHost {
    var statuses: [Value] = []
    var checks: [(id: Int, body: Value)] = []
    var comments: [(id: Int, body: String, author: Int)] = []
    /// Comments that the token may not change.
    var locked: Set<Int> = []
    private var nextID = 1

    /// Answers as GitHub and GitLab do. Requests are held against what their interfaces take.
    mutating func answer(_ request: HTTPRequest) -> HTTPAnswer {
        let path = request.url.split(separator: "?")[0]
        let body = request.body.isEmpty ? nil : try? JSONParser.value(request.body)
        let isGitHub = request.url.hasPrefix("https://api.github.com")
        let authorized =
            isGitHub
            ? request.headers.contains { $0 == ("Authorization", "Bearer secret") }
            : request.headers.contains { $0 == ("PRIVATE-TOKEN", "secret") }
        guard authorized else {
            return .response(HTTPResponse(status: 401, body: Array(#"{"message":"Bad credentials"}"#.utf8)))
        }
        if path.hasSuffix("/user") { return json(200, ["id": 7, "login": "farm"]) }
        if path.contains("/statuses/") {
            let states =
                isGitHub
                ? ["error", "failure", "pending", "success"]
                : ["pending", "running", "success", "failed", "canceled", "skipped"]
            guard request.method == "POST", states.contains(body?["state"]?.string ?? ""),
                (body?["description"]?.string ?? "").utf16.count <= 140
            else { return invalid("state") }
            statuses.append(body ?? .null)
            return json(201, ["id": 1])
        }
        if path.hasSuffix("/check-runs") && request.method == "GET" {
            return json(
                200,
                [
                    "check_runs": .array(
                        checks.map { ["id": .number(Double($0.id)), "external_id": $0.body["external_id"] ?? .null] })
                ])
        }
        if path.contains("/check-runs") {
            guard (body?["output"]?["summary"]?.string ?? "").utf16.count <= 65_535,
                ["success", "failure", "cancelled", "action_required"].contains(body?["conclusion"]?.string ?? "")
            else { return invalid("output") }
            if request.method == "PATCH", let id = Int(path.split(separator: "/").last ?? ""),
                let place = checks.firstIndex(where: { $0.id == id })
            {
                checks[place].body = body ?? .null
                return json(200, ["id": .number(Double(id))])
            }
            guard request.method == "POST", body?["head_sha"] != nil else { return invalid("head_sha") }
            checks.append((nextID, body ?? .null))
            nextID += 1
            return json(201, ["id": .number(Double(nextID - 1))])
        }
        guard path.contains("/comments") || path.contains("/notes") else {
            return .response(HTTPResponse(status: 404))
        }
        if request.method == "GET" {
            let page = Int(request.url.split(separator: "&").first { $0.hasPrefix("page=") }?.dropFirst(5) ?? "1") ?? 1
            let shown = comments.dropFirst((page - 1) * 100).prefix(100)
            return json(
                200,
                .array(
                    shown.map {
                        [
                            "id": .number(Double($0.id)), "body": .string($0.body),
                            isGitHub ? "user" : "author": ["id": .number(Double($0.author)), "type": "User"],
                        ]
                    }))
        }
        guard let text = body?["body"]?.string, text.utf16.count <= 65_536 else { return invalid("body") }
        if request.method == (isGitHub ? "PATCH" : "PUT"), let id = Int(path.split(separator: "/").last ?? ""),
            let place = comments.firstIndex(where: { $0.id == id })
        {
            if locked.contains(id) { return .response(HTTPResponse(status: 403)) }
            comments[place].body = text
            return json(200, ["id": .number(Double(id))])
        }
        guard request.method == "POST" else { return .response(HTTPResponse(status: 405)) }
        comments.append((nextID, text, 7))
        nextID += 1
        return json(201, ["id": .number(Double(nextID - 1))])
    }

    mutating func say(_ text: String) {
        comments.append((nextID, text, 8))
        nextID += 1
    }

    private func json(_ status: Int, _ value: Value) -> HTTPAnswer {
        .response(HTTPResponse(status: status, body: Array(JSONWriter.text(value).utf8)))
    }

    private func invalid(_ name: String) -> HTTPAnswer {
        .response(HTTPResponse(status: 422, body: Array("{\"message\":\"Validation Failed: \(name)\"}".utf8)))
    }
}

@Suite struct `A delivery` {
    private func report(
        _ run: UInt64 = 17, farm: String = "", verdict: Verdict = .fail, markdown: String = "# report"
    ) -> DeliveredReport {
        DeliveredReport(
            run: RunID(run), farm: farm, workflow: "nightly <eval>", commit: "abc123", verdict: verdict,
            summary: "1 of 2 gates fails",
            markdown: markdown)
    }

    /// Performs a delivery against a host; `disturb` may answer in its place.
    private func perform(
        _ host: inout FakeHost, _ report: DeliveredReport, to target: DeliveryTarget, token: String = "secret",
        disturb: (Int, HTTPRequest) -> HTTPAnswer? = { _, _ in nil }
    ) -> (problems: [String], asked: [HTTPRequest], waited: Duration) {
        var delivery = Delivery(report, to: target, token: token)
        var (now, waited) = (Instant.seconds(1_800_000_000), Duration.zero)
        var asked: [HTTPRequest] = []
        for _ in 0..<500 {
            switch delivery.next(at: now) {
            case .finished(let problems): return (problems, asked, waited)
            case .wait(let until):
                waited += now.duration(to: until)
                now = until
            case .send(let request):
                asked.append(request)
                delivery.take(disturb(asked.count, request) ?? host.answer(request), at: now)
            }
        }
        Issue.record("it does not come to an end")
        return ([], asked, waited)
    }

    private let github = DeliveryTarget(.github, repository: "owner/name", request: 12)
    private let gitlab = DeliveryTarget(.gitlab, repository: "group/name", request: 12)

    @Test func `leaves one status, one check and one comment, however often it is done`() {
        var host = FakeHost()
        host.say("a person's words")
        for run in [17, 17, 18] as [UInt64] {
            #expect(perform(&host, report(run), to: github).problems == [])
        }
        #expect(host.statuses.count == 3 && host.checks.count == 2 && host.comments.count == 2)
        #expect(
            host.comments[1].body.hasPrefix(
                "<!-- sheaf: nightly_20__3c_eval_3e_ -->\n<!-- sheaf-run: r18 -->\n# report"))
        #expect(host.statuses[0]["state"] == "failure" && host.checks[0].body["conclusion"] == "failure")
        // Whoever delivers an earlier one again takes nothing of a later one's.
        #expect(perform(&host, report(16), to: github).problems == [])
        #expect(host.checks.map { $0.body["external_id"]?.string } == ["r17", "r18", "r16"])
        var other = FakeHost()
        for _ in 0..<2 { #expect(perform(&other, report(), to: gitlab).problems == []) }
        #expect(other.statuses.count == 2 && other.checks.isEmpty && other.comments.count == 1)
        #expect(other.statuses[0]["state"] == "failed")
    }

    /// Who wrote a comment may change its words afterwards.
    @Test func `is written over nothing that somebody else wrote`() {
        for target in [github, gitlab] {
            var host = FakeHost()
            host.say("<!-- sheaf: nightly_20__3c_eval_3e_ -->\n<!-- sheaf-run: r99 -->\nall is well")
            #expect(perform(&host, report(), to: target).problems == [])
            #expect(host.comments.map(\.author) == [8, 7] && host.comments[0].body.hasSuffix("all is well"))
            // What may not be changed, nor is there any more, is written anew.
            host.locked = [host.comments[1].id]
            #expect(perform(&host, report(18), to: target).problems == [])
            #expect(host.comments.map(\.author) == [8, 7, 7])
        }
    }

    /// One that passes must not take the place of one that fails.
    @Test func `keeps a comment for each workflow, however alike their names are`() {
        let long = String(repeating: "x", count: 5000)
        let names = ["eval gpu", "eval-gpu", "eval_gpu", "eval_20_gpu", "evalgpu", "評価", "评价", long, long + "y", "-->"]
        var host = FakeHost()
        for _ in 0..<2 {
            for name in names {
                var report = report()
                report.workflow = name
                #expect(perform(&host, report, to: github).problems == [])
            }
        }
        #expect(host.comments.count == names.count)
        for comment in host.comments {
            let first = comment.body.prefix { $0 != "\n" }
            #expect(first.hasSuffix(" -->") && first.dropLast(4).contains("-->") == false && first.utf16.count < 200)
        }
    }

    @Test func `finds its comment behind hundreds of others`() {
        var host = FakeHost()
        for number in 0..<350 { host.say("\(number)") }
        _ = perform(&host, report(), to: github)
        _ = perform(&host, report(18, verdict: .pass), to: github)
        #expect(host.comments.count == 351 && host.checks.last?.body["conclusion"] == "success")
    }

    @Test func `says each verdict in the host's words`() {
        for (verdict, state, conclusion) in [
            (Verdict.pass, "success", "success"), (.waived, "success", "success"), (.fail, "failure", "failure"),
            (.inconclusive, "failure", "action_required"), (.incomplete, "error", "action_required"),
        ] {
            var host = FakeHost()
            _ = perform(&host, report(verdict: verdict), to: github)
            #expect(host.statuses[0]["state"] == .string(state))
            #expect(host.checks[0].body["conclusion"] == .string(conclusion))
        }
        // What somebody cancelled needs nobody's action; what failed before that did.
        for (verdict, conclusion, state) in [
            (Verdict.incomplete, "cancelled", "canceled"), (.fail, "failure", "failed"),
        ] {
            var cancelled = report(verdict: verdict)
            cancelled.isCancelled = true
            var (host, other) = (FakeHost(), FakeHost())
            _ = perform(&host, cancelled, to: github)
            _ = perform(&other, cancelled, to: gitlab)
            #expect(host.checks.first?.body["conclusion"] == .string(conclusion))
            #expect(other.statuses.first?["state"] == .string(state))
        }
    }

    @Test func `keeps to the lengths that hosts take`() {
        var host = FakeHost()
        let long = String(repeating: "🌾x", count: 60_000)
        var report = report(markdown: long)
        report.summary = long
        #expect(perform(&host, report, to: github).problems == [])
        #expect(host.comments[0].body.utf16.count < 65_536)
    }

    /// One row for what a server may say, and what is told then.
    @Test(arguments: [
        (403, "commit status not delivered: 403, needs statuses: write: no", 3),
        (404, "there is no owner/name that the token may see", 3), (401, "401, the token is not valid", 3),
        (422, "422, the server does not take it: no", 3), (500, "500 of the server, 6 times", 3),
        (429, "429, too many requests, 6 times", 3),
        (302, "302, the server sends elsewhere: is 'https://api.github.com' the right address?", 3),
        (301, "301, owner/name has another name or place now: give that to --repository", 3),
    ])
    func `tells what a server refuses, and ends`(status: Int, words: String, count: Int) {
        var host = FakeHost()
        let (problems, asked, _) = perform(&host, report(), to: github) { _, _ in
            .response(HTTPResponse(status: status, body: Array(#"{"message":"no"}"#.utf8)))
        }
        #expect(problems.count == count && problems[0].contains(words), "\(problems)")
        #expect(problems.allSatisfy { $0.contains("not delivered: ") } && asked.count <= 24)
        #expect(status != 403 || problems[2].contains("needs pull-requests: write"))
    }

    @Test func `does the other steps where one is refused`() {
        var host = FakeHost()
        let (problems, _, _) = perform(&host, report(), to: github) { _, request in
            request.url.contains("check-runs") ? .response(HTTPResponse(status: 403)) : nil
        }
        #expect(
            problems == ["check run not delivered: 403, needs checks: write, which only a GitHub App's token can have"])
        #expect(host.statuses.count == 1 && host.comments.count == 1)
    }

    @Test func `waits as long as it is asked to, and no longer than is sensible`() {
        var host = FakeHost()
        let patient = perform(&host, report(), to: github) { count, _ in
            count == 1 ? .response(HTTPResponse(status: 429, headers: ["retry-after": "30"])) : nil
        }
        #expect(patient.problems == [] && patient.waited >= .seconds(30) && patient.waited < .seconds(40))
        let limited = perform(&host, report(), to: github) { count, _ in
            count == 1
                ? .response(
                    HTTPResponse(
                        status: 403,
                        headers: ["x-ratelimit-remaining": "0", "x-ratelimit-reset": "1800000060"])) : nil
        }
        #expect(limited.problems == [] && limited.waited >= .seconds(60))
        // When requests are counted anew every answer tells.
        let counted = perform(&host, report(), to: github) { count, _ in
            count == 1
                ? .response(
                    HTTPResponse(
                        status: 502,
                        headers: ["x-ratelimit-remaining": "4990", "x-ratelimit-reset": "1800003000"])) : nil
        }
        #expect(counted.problems == [] && counted.waited < .seconds(60))
        // The second limit is told in words.
        for status in [403, 429] {
            var host = FakeHost()
            let second = perform(&host, report(), to: github) { count, request in
                count < 20 && count % 2 == 0
                    ? .response(
                        HTTPResponse(
                            status: status,
                            body: Array(#"{"message":"You have exceeded a secondary rate limit."}"#.utf8))) : nil
            }
            #expect(second.problems == [] && second.waited >= .seconds(60), "\(second.problems)")
            #expect(host.comments.count == 1)
        }
        let asking = perform(&host, report(), to: github) { _, request in
            request.url.contains("statuses")
                ? .response(HTTPResponse(status: 503, headers: ["retry-after": "86400"])) : nil
        }
        #expect(asking.problems.count == 1 && asking.problems[0].contains("it asks to wait"), "\(asking.problems)")
    }

    /// The answer to a write was lost: it is looked for before it is written again.
    @Test func `leaves no second comment where an answer was lost`() {
        for target in [github, gitlab] {
            var host = FakeHost()
            var lost = 0
            var server = host
            var delivery = Delivery(report(), to: target, token: "secret")
            var now = Instant.seconds(1_800_000_000)
            var isOver = false
            while !isOver {
                switch delivery.next(at: now) {
                case .finished(let problems):
                    #expect(problems == [])
                    isOver = true
                case .wait(let until): now = until
                case .send(let request):
                    let answer = server.answer(request)
                    let isWrite = request.method == "POST" && !request.url.contains("statuses")
                    if isWrite && lost < 2 {
                        lost += 1
                        delivery.take(.failed("the connection was reset"), at: now)
                    } else {
                        delivery.take(answer, at: now)
                    }
                }
            }
            host = server
            #expect(host.comments.count == 1 && host.checks.count == (target.host == .github ? 1 : 0))
        }
    }

    @Test func `never shows the token`() {
        var host = FakeHost()
        let (problems, asked, _) = perform(&host, report(), to: github, token: "hunter2")
        #expect(problems.count == 3 && problems.allSatisfy { !$0.contains("hunter2") })
        #expect(
            asked.allSatisfy {
                !$0.url.contains("hunter2") && !String(decoding: $0.body, as: UTF8.self).contains("hunter2")
            })
    }
}
