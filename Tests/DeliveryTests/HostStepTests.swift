import Delivery
import JSON
import Model
import Testing

/// What is left at a code host is found again there, by whose it is.
@Suite struct `A step at a code host` {
    static func step(
        _ kind: HostStep.Kind, _ run: UInt64, farm: String = "0a1b2c3d4e5f", at host: DeliveryTarget.Host = .github,
        verdict: Verdict? = .pass, summary: String = "all 3 gates pass", body: String = "# report"
    ) -> HostStep {
        let report = DeliveredReport(
            run: RunID(run), farm: farm, workflow: "nightly", commit: "abc123", verdict: verdict, summary: summary,
            markdown: "\(body)\n<!-- sheaf-run: r99.0a1b2c3d4e5f -->")
        return HostStep(
            kind, of: report, at: DeliveryTarget(host, repository: "owner/name", request: 3), token: "secret")
    }

    private static let me = HostStep.Author.user(id: "7")

    /// What a host shows of what it was told, newest first, as its interface documents it.
    private static func shown(
        _ requests: [HTTPRequest], _ kind: HostStep.Kind, _ host: DeliveryTarget.Host
    ) throws -> HTTPResponse {
        let entries = try requests.enumerated().reversed().map { index, request -> Value in
            guard case .object(let members) = try JSONParser.value(request.body) else { return .null }
            // GitLab shows as `status` what it took as `state`.
            let shown = members.map { host == .gitlab && $0.key == "state" ? .init("status", $0.value) : $0 }
            let author: Value = ["id": 7, "login": "farm", "type": "User"]
            return .object(
                [.init("id", .number(Double(index + 1)))] + ["user", "creator", "author"].map { .init($0, author) }
                    + shown)
        }
        let page: Value = kind == .check ? ["total_count": 1, "check_runs": .array(entries)] : .array(entries)
        return HTTPResponse(status: 200, body: Array(JSONWriter.text(page).utf8))
    }

    @Test(arguments: DeliveryTarget.Host.allCases) func `is found by the key of its run`(
        host: DeliveryTarget.Host
    ) throws {
        let target = DeliveryTarget(host, repository: "owner/name", request: 3)
        for kind in HostStep.Kind.all(at: target) {
            let mine = Self.step(kind, 17, at: host)
            let others = [
                Self.step(kind, 16, at: host), Self.step(kind, 17, farm: "ffffffffffff", at: host),
                Self.step(kind, 170, farm: "ffffffffffff", at: host),
            ].map { $0.write(over: nil) }
            let found = mine.found(in: try Self.shown([mine.write(over: nil)], kind, host), by: Self.me)
            #expect(found == .done(id: "1", by: mine.report.key), "\(kind)")
            // What is not of this run, or a later one of this farm, is not mistaken for it.
            let unlike = mine.found(in: try Self.shown(others, kind, host), by: Self.me)
            #expect(unlike == (kind == .comment ? .outdated(id: "3") : .nothing), "\(kind)")
            #expect(mine.found(in: HTTPResponse(status: 200, body: Array("[]".utf8)), by: Self.me) == .nothing)
            #expect(mine.found(in: HTTPResponse(status: 200, body: Array("no JSON".utf8)), by: Self.me) == .nothing)
        }
    }

    /// A farm that was restored from a copy judges its runs again: the same key, and perhaps another verdict.
    @Test(arguments: DeliveryTarget.Host.allCases) func `of its run that says something else is written over`(
        host: DeliveryTarget.Host
    ) throws {
        let target = DeliveryTarget(host, repository: "owner/name", request: 3)
        for kind in HostStep.Kind.all(at: target) {
            let now = Self.step(kind, 17, at: host, verdict: .fail, summary: "1 of 3 gates fails")
            for before in [
                Self.step(kind, 17, at: host, verdict: .pass, summary: "1 of 3 gates fails"),
                Self.step(kind, 17, at: host, verdict: nil, summary: "1 of 3 gates fails"),
                Self.step(kind, 17, at: host, verdict: .fail, summary: "2 of 3 gates fail"),
                Self.step(kind, 17, at: host, verdict: .fail, summary: "1 of 3 gates fails", body: "# 0.7, not 0.9"),
            ] {
                let (told, wanted) = (before.write(over: nil), now.write(over: nil))
                let found = now.found(in: try Self.shown([told], kind, host), by: Self.me)
                let isSame = told.body == wanted.body
                #expect(found == (isSame ? .done(id: "1", by: now.report.key) : .outdated(id: "1")), "\(kind)")
                // What was said last counts, also where hosts end lines in two characters.
                let text = String(decoding: wanted.body, as: UTF8.self).replacing("\\n", with: "\\r\\n")
                let ended = HTTPRequest("POST", "", body: Array(text.utf8))
                let again = now.found(in: try Self.shown([told, ended], kind, host), by: Self.me)
                #expect(again == .done(id: "2", by: now.report.key), "\(kind)")
                let alone = now.found(in: try Self.shown([ended], kind, host), by: Self.me)
                #expect(alone == .done(id: "1", by: now.report.key), "\(kind)")
            }
        }
    }

    /// Everybody can read a mark, and write it: of a later run, too.
    @Test(arguments: DeliveryTarget.Host.allCases) func `is not what somebody else wrote, whatever mark it bears`(
        host: DeliveryTarget.Host
    ) throws {
        for kind in [HostStep.Kind.status, .comment] {
            let mine = Self.step(kind, 17, at: host)
            for run in [17, 900] as [UInt64] {
                let page = try Self.shown([Self.step(kind, run, at: host).write(over: nil)], kind, host)
                #expect(mine.found(in: page, by: .user(id: "8")) == .nothing)
                // The token of an app: a person's words are not its own.
                #expect(mine.found(in: page, by: .app) == .nothing)
                let bot = String(decoding: page.body, as: UTF8.self).replacing("\"User\"", with: "\"Bot\"")
                let found = mine.found(in: HTTPResponse(status: 200, body: Array(bot.utf8)), by: .app)
                #expect((found == .nothing) == (host == .gitlab))
            }
        }
        let answer = { (status: Int, body: String, question: HostStep.Question) in
            Self.step(.comment, 17, at: host).meaning(
                of: .response(HTTPResponse(status: status, body: Array(body.utf8))), to: question, at: .seconds(1))
        }
        let step = Self.step(.comment, 17, at: host)
        guard case .good(let user) = answer(200, #"{"id": 7, "login": "farm"}"#, .whoAmI),
            case .good(let app) = answer(403, #"{"message": "Resource not accessible by integration"}"#, .whoAmI)
        else {
            Issue.record("both are answers")
            return
        }
        #expect(step.author(in: user) == .user(id: "7") && step.author(in: app) == .app)
        #expect(answer(404, "", .overwrite) == .gone && answer(403, "", .overwrite) == .gone)
        guard case .refused = answer(403, "", .write) else {
            Issue.record("what may not be written anew is refused")
            return
        }
    }

    /// A proxy's page, or a login's, is no sign that anything was delivered.
    @Test func `is not done by an answer that is none of the interface's`() {
        for kind in HostStep.Kind.allCases {
            for question in [HostStep.Question.search, .write, .overwrite, .whoAmI] {
                for body in ["<html>sign in</html>", "", "{}", "[1", "null"] {
                    let answer = HTTPResponse(
                        status: 200, headers: ["content-type": "text/html"], body: Array(body.utf8))
                    guard
                        case .again(let why, _, isUndone: false) = Self.step(kind, 17).meaning(
                            of: .response(answer), to: question, at: .seconds(1))
                    else {
                        Issue.record("\(kind) \(question) took \(body)")
                        continue
                    }
                    #expect(why.contains("(text/html): is 'https://api.github.com' the right address?"), "\(why)")
                }
            }
        }
    }

    /// A delivery that comes late takes nothing back.
    @Test func `leaves the last word to a later run`() throws {
        for kind in HostStep.Kind.allCases {
            let (mine, later) = (Self.step(kind, 17), Self.step(kind, 18))
            let found = mine.found(in: try Self.shown([later.write(over: nil)], kind, .github), by: Self.me)
            #expect(found == .done(id: "1", by: later.report.key), "\(kind)")
        }
    }

    /// GitHub takes the newest check run of a name for the check: one that comes late would stand above what came after it.
    @Test func `is no check run behind that of a later run`() throws {
        let (earlier, later) = (Self.step(.check, 17, verdict: .pass), Self.step(.check, 18, verdict: .fail))
        let alone = try Self.shown([later.write(over: nil)], .check, .github)
        #expect(earlier.found(in: alone, by: nil) == .done(id: "1", by: later.report.key))
        // One that was there before is brought up to date: it stays older.
        let began = Self.step(.check, 17, verdict: nil)
        let both = try Self.shown([began.write(over: nil), later.write(over: nil)], .check, .github)
        #expect(earlier.found(in: both, by: nil) == .outdated(id: "1"))
    }

    @Test func `goes on to the next page only behind a full one`() throws {
        let mine = Self.step(.comment, 17)
        let words: [Value] = (0..<100).map { ["id": .number(Double($0)), "body": .string("\($0)")] }
        func answer(_ entries: [Value]) -> HTTPResponse {
            HTTPResponse(status: 200, body: Array(JSONWriter.text(.array(entries)).utf8))
        }
        #expect(mine.found(in: answer(words), by: Self.me) == .nextPage)
        #expect(mine.found(in: answer(words.dropLast()), by: Self.me) == .nothing)
    }

    /// The key is never what is cut off.
    @Test func `bears its key, however long the words`() throws {
        let long = String(repeating: "🌾", count: 500)
        let body = try JSONParser.value(Self.step(.status, 17, summary: long).write(over: nil).body)
        let text = try #require(body["description"]?.string)
        #expect(text.hasSuffix("… [r17.0a1b2c3d4e5f]") && text.utf16.count <= 140)
    }

    @Test(arguments: ["", "r", "r0", "17", "r17.", "r17.a.b", "r-1", "r017", "r17 ", "x17.a", "r99999999999999999999"])
    func `takes no other text for a key`(text: String) {
        #expect(DeliveryKey(text).map { "\($0)" } ?? "none" != text)
    }
}
