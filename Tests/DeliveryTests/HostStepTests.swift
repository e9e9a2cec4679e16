import Delivery
import JSON
import Model
import Testing

/// What is left at a code host is found again there, by whose it is.
@Suite struct `A step at a code host` {
    private static func step(
        _ kind: HostStep.Kind, _ run: UInt64, farm: String = "0a1b2c3d4e5f", at host: DeliveryTarget.Host = .github,
        verdict: Verdict? = .pass, summary: String = "all 3 gates pass", body: String = "# report"
    ) -> HostStep {
        let report = DeliveredReport(
            run: RunID(run), farm: farm, workflow: "nightly", commit: "abc123", verdict: verdict, summary: summary,
            markdown: "\(body)\n<!-- sheaf-run: r99.0a1b2c3d4e5f -->")
        return HostStep(
            kind, of: report, at: DeliveryTarget(host, repository: "owner/name", request: 3), token: "secret")
    }

    /// What a host shows of what it was told, newest first, as its interface documents it.
    private static func shown(
        _ requests: [HTTPRequest], _ kind: HostStep.Kind, _ host: DeliveryTarget.Host
    ) throws -> HTTPResponse {
        let entries = try requests.enumerated().reversed().map { index, request -> Value in
            guard case .object(let members) = try JSONParser.value(request.body) else { return .null }
            // GitLab shows as `status` what it took as `state`.
            let shown = members.map { host == .gitlab && $0.key == "state" ? .init("status", $0.value) : $0 }
            return .object([.init("id", .number(Double(index + 1)))] + shown)
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
            let found = mine.found(in: try Self.shown([mine.write(over: nil)], kind, host))
            #expect(found == .done(id: "1", by: mine.report.key), "\(kind)")
            // What is not of this run, or a later one of this farm, is not mistaken for it.
            let unlike = mine.found(in: try Self.shown(others, kind, host))
            #expect(unlike == (kind == .comment ? .outdated(id: "3") : .nothing), "\(kind)")
            #expect(mine.found(in: HTTPResponse(status: 200, body: Array("[]".utf8))) == .nothing)
            #expect(mine.found(in: HTTPResponse(status: 200, body: Array("no JSON".utf8))) == .nothing)
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
                let found = now.found(in: try Self.shown([told], kind, host))
                let isSame = told.body == wanted.body
                #expect(found == (isSame ? .done(id: "1", by: now.report.key) : .outdated(id: "1")), "\(kind)")
                // What was said last counts, also where hosts end lines in two characters.
                let text = String(decoding: wanted.body, as: UTF8.self).replacing("\\n", with: "\\r\\n")
                let ended = HTTPRequest("POST", "", body: Array(text.utf8))
                let again = now.found(in: try Self.shown([told, ended], kind, host))
                #expect(again == .done(id: "2", by: now.report.key), "\(kind)")
                let alone = now.found(in: try Self.shown([ended], kind, host))
                #expect(alone == .done(id: "1", by: now.report.key), "\(kind)")
            }
        }
    }

    /// A delivery that comes late takes nothing back.
    @Test func `leaves the last word to a later run`() throws {
        for kind in HostStep.Kind.allCases {
            let (mine, later) = (Self.step(kind, 17), Self.step(kind, 18))
            let found = mine.found(in: try Self.shown([later.write(over: nil)], kind, .github))
            // Each run has a check run of its own.
            #expect(found == (kind == .check ? .nothing : .done(id: "1", by: later.report.key)), "\(kind)")
        }
    }

    @Test func `goes on to the next page only behind a full one`() throws {
        let mine = Self.step(.comment, 17)
        let words: [Value] = (0..<100).map { ["id": .number(Double($0)), "body": .string("\($0)")] }
        func answer(_ entries: [Value]) -> HTTPResponse {
            HTTPResponse(status: 200, body: Array(JSONWriter.text(.array(entries)).utf8))
        }
        #expect(mine.found(in: answer(words)) == .nextPage)
        #expect(mine.found(in: answer(words.dropLast())) == .nothing)
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
