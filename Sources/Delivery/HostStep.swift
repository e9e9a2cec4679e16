import JSON
import Model

/// One thing that a code host is told about a run: how it is looked for, how it is written, and what the host's answers
/// mean. What is written bears the run's key, so that it is found again.
package struct HostStep: Equatable, Sendable {
    package enum Kind: String, CaseIterable, Sendable {
        case status = "commit status"
        case check = "check run"
        case comment

        /// What can be told to a host.
        package static func all(at target: DeliveryTarget) -> [Self] {
            switch (target.host, target.request) {
            case (.github, nil): [.status, .check]
            case (.github, _?): [.status, .check, .comment]
            case (.gitlab, nil): [.status]
            case (.gitlab, _?): [.status, .comment]
            }
        }
    }

    /// What an answer to a request means.
    package enum Meaning: Equatable, Sendable {
        case good(HTTPResponse)
        /// It may be asked again, after a while.
        ///
        /// - isUndone: a write has certainly not happened; else nobody knows.
        case again(String, after: Duration?, isUndone: Bool)
        /// What was to be written over is not there any more, or not ours to change: it is written anew.
        case gone
        /// This request will never be taken; why, and what to do about it.
        case refused(String)
    }

    /// What is asked of a host.
    package enum Question: Equatable, Sendable { case whoAmI, search, write, overwrite }

    /// Who writes at a host. What somebody else wrote is not ours, whatever mark it bears: a mark can be copied.
    package enum Author: Equatable, Sendable {
        case user(id: String)
        /// An app's token is nobody's: it is told by what only apps are called.
        case app
    }

    /// What a page of what the host has holds of ours.
    package enum Found: Equatable, Sendable {
        /// What is to be said stands there already, word for word; or a later run has said something, and has the last word.
        case done(id: String, by: DeliveryKey)
        /// What an earlier run left, or this one when it had come to something else, before the farm was restored from a copy
        /// and judged it again: it is written over.
        case outdated(id: String)
        case nextPage
        case nothing
    }

    /// Entries of a page, as both hosts give at most.
    static let pageSize = 100

    package let kind: Kind
    package let report: DeliveredReport
    package let target: DeliveryTarget
    private let token: String

    package init(_ kind: Kind, of report: DeliveredReport, at target: DeliveryTarget, token: String) {
        self.kind = kind
        self.report = report
        self.target = target
        self.token = token
    }

    // MARK: Requests

    /// Whether others can write what looks like ours; a check run is its app's alone.
    package var needsAuthor: Bool { kind != .check }

    package var whoAmI: HTTPRequest { send("GET", "/user") }

    package func search(page: Int) -> HTTPRequest {
        let commit = Self.path(report.commit)
        let paged = "per_page=\(Self.pageSize)&page=\(page)"
        switch (target.host, kind) {
        case (.github, .status): return send("GET", "\(place)/commits/\(commit)/statuses?\(paged)")
        case (.github, .check):
            return send(
                "GET", "\(place)/commits/\(commit)/check-runs?check_name=\(Self.word(name))&filter=all&\(paged)")
        case (.github, .comment): return send("GET", "\(place)/issues/\(target.request ?? 0)/comments?\(paged)")
        case (.gitlab, .status), (.gitlab, .check):
            return send("GET", "\(place)/repository/commits/\(commit)/statuses?name=\(Self.word(name))&\(paged)")
        case (.gitlab, .comment): return send("GET", "\(notes)?\(paged)&sort=asc")
        }
    }

    /// - Parameter over: what is replaced; a status never is, for the last one of a name counts.
    package func write(over: String?) -> HTTPRequest {
        switch (target.host, kind) {
        case (.github, .status):
            return send(
                "POST", "\(place)/statuses/\(Self.path(report.commit))",
                [
                    .init("state", .string(githubState)), .init("context", .string(name)),
                    .init("description", .string(description)),
                ] + link("target_url"))
        case (.github, .check):
            guard let over else {
                return send("POST", "\(place)/check-runs", check + [.init("head_sha", .string(report.commit))])
            }
            return send("PATCH", "\(place)/check-runs/\(over)", check)
        case (.github, .comment):
            guard let over else { return send("POST", "\(place)/issues/\(target.request ?? 0)/comments", comment) }
            return send("PATCH", "\(place)/issues/comments/\(over)", comment)
        case (.gitlab, .status), (.gitlab, .check):
            return send(
                "POST", "\(place)/statuses/\(Self.path(report.commit))",
                [
                    .init("state", .string(gitlabState)), .init("name", .string(name)),
                    .init("description", .string(description)),
                ] + link("target_url"))
        case (.gitlab, .comment):
            guard let over else { return send("POST", notes, comment) }
            return send("PUT", "\(notes)/\(over)", comment)
        }
    }

    private var place: String {
        switch target.host {
        case .github: "/repos/\(Self.path(target.repository))"
        case .gitlab: "/projects/\(Self.word(target.repository))"
        }
    }
    private var notes: String { "\(place)/merge_requests/\(target.request ?? 0)/notes" }
    /// Of workflows whose names begin alike each has its own: a host takes the same name for the same check.
    private var name: String {
        let workflow = report.workflow
        guard workflow.utf16.count > 100 else { return "sheaf / \(workflow)" }
        var cut = workflow.prefix(80)
        while cut.utf16.count > 80 { cut.removeLast() }
        return "sheaf / \(cut)… \(StableHash(workflow))"
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

    // MARK: Bodies

    /// The key stands at the end, where it is looked for.
    private var description: String {
        let mark = " [\(report.key)]"
        return Self.cut(report.summary, to: 140 - mark.utf16.count) + mark
    }

    private var check: [Value.Member] {
        var members: [Value.Member] = [
            .init("name", .string(name)), .init("external_id", .string("\(report.key)")),
            .init("status", report.verdict == nil ? "in_progress" : "completed"),
            .init(
                "output",
                [
                    "title": .string(checkTitle), "summary": .string(checkSummary),
                ]),
        ]
        if let conclusion { members.append(.init("conclusion", .string(conclusion))) }
        return members + link("details_url")
    }

    private var checkTitle: String { Self.cut(report.summary, to: 255) }
    private var checkSummary: String { Self.cut(report.markdown, to: 65_000) }

    private var comment: [Value.Member] { [.init("body", .string(body))] }

    /// The marker comes first, by which the comment is found again; then whose it is.
    private var body: String {
        "\(report.marker)\n\(Self.runMark(report.key))\n\(Self.cut(report.markdown, to: 64_000))"
    }

    private static func runMark(_ key: DeliveryKey) -> String { "<!-- sheaf-run: \(key) -->" }

    private func link(_ name: String) -> [Value.Member] {
        report.link.isEmpty ? [] : [.init(name, .string(report.link))]
    }

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
        case .incomplete where report.isCancelled: "canceled"
        case .inconclusive, .incomplete, .fail: "failed"
        }
    }

    /// `nil` while the run goes on.
    private var conclusion: String? {
        switch report.verdict {
        case nil: nil
        case .pass, .waived: "success"
        case .incomplete where report.isCancelled: "cancelled"
        case .inconclusive, .incomplete: "action_required"
        case .fail: "failure"
        }
    }

    // MARK: Answers

    /// Who the token is of, by the answer to `whoAmI`.
    package func author(in response: HTTPResponse) -> Author {
        let value = try? JSONParser.value(response.body, repeatedKeys: .keepFirst, depthMax: 100)
        return value.flatMap(Self.id(of:)).map { .user(id: $0) } ?? .app
    }

    /// What a page that was searched holds of ours.
    ///
    /// - Parameter author: who we are; `nil` where nobody else can write it.
    package func found(in response: HTTPResponse, by author: Author?) -> Found {
        // `try?`: an answer that is no JSON holds nothing of ours.
        let value = try? JSONParser.value(response.body, repeatedKeys: .keepFirst, depthMax: 100)
        let entries = (kind == .check ? value?["check_runs"]?.array : value?.array) ?? []
        var later: Found?
        for entry in entries {
            guard let id = Self.id(of: entry), let mark = mark(of: entry), isWritten(entry, by: author) else {
                continue
            }
            if let key = mark.key, key.isLater(than: report.key) {
                // A check run of this run, which is older than that, may be changed: the newest one counts.
                guard kind == .check else { return .done(id: id, by: key) }
                later = later ?? .done(id: id, by: key)
                continue
            }
            if mark.key == report.key { return says(entry) ? .done(id: id, by: report.key) : .outdated(id: id) }
            // Of statuses and check runs each run has its own. An earlier status is found before those that are older still.
            if kind == .comment { return .outdated(id: id) }
        }
        if let later { return later }
        return entries.count >= Self.pageSize ? .nextPage : .nothing
    }

    private func isWritten(_ entry: Value, by author: Author?) -> Bool {
        let writer = entry[target.host == .gitlab ? "author" : kind == .status ? "creator" : "user"]
        switch author {
        case nil: return true
        case .user(let id): return writer.flatMap(Self.id(of:)) == id
        case .app: return target.host == .github && writer?["type"]?.string == "Bot"
        }
    }

    /// Whether an entry of this run says what is to be said now. A key alone tells whose it is, and not what it says.
    private func says(_ entry: Value) -> Bool {
        switch kind {
        case .check:
            let output = entry["output"]
            return Self.agree(entry["status"], report.verdict == nil ? "in_progress" : "completed")
                && Self.agree(entry["conclusion"], conclusion ?? "")
                && Self.agree(output?["title"], checkTitle) && Self.agree(output?["summary"], checkSummary)
        case .status:
            // GitLab takes it as `state` and shows it as `status`.
            let state = target.host == .github ? entry["state"] : entry["status"]
            return Self.agree(state, target.host == .github ? githubState : gitlabState)
                && Self.agree(entry["description"], description)
        case .comment: return Self.agree(entry["body"], body)
        }
    }

    /// But for white space: hosts make two characters of a line's end, and cut what stands behind the last one.
    private static func agree(_ shown: Value?, _ wanted: String) -> Bool {
        let words = { (text: String) in text.split(whereSeparator: \.isWhitespace) }
        return words(shown?.string ?? "") == words(wanted)
    }

    /// The number that a host has given to what was written.
    package static func receipt(of response: HTTPResponse) -> String {
        let value = try? JSONParser.value(response.body, repeatedKeys: .keepFirst, depthMax: 100)
        return value.flatMap(id(of:)) ?? "without a number"
    }

    static func id(of entry: Value) -> String? {
        guard let number = entry["id"]?.number, number >= 0, number < 9e15 else { return nil }
        return "\(Int(number))"
    }

    /// Whose an entry is; `nil` for what is not of this workflow. The inner one is `nil` where it does not say.
    private func mark(of entry: Value) -> (key: DeliveryKey?, Void)? {
        switch kind {
        case .check:
            guard let id = entry["external_id"]?.string else { return nil }
            return (DeliveryKey(id), ())
        case .status:
            guard (entry["context"] ?? entry["name"])?.string == name, let text = entry["description"]?.string,
                text.hasSuffix("]"), let open = text.lastIndex(of: "[")
            else { return nil }
            return (DeliveryKey(text[text.index(after: open)...].dropLast()), ())
        case .comment:
            // GitLab's own notes (somebody pushed, somebody approved) are no comments.
            guard entry["system"]?.boolean != true, let body = entry["body"]?.string, body.hasPrefix(report.marker)
            else { return nil }
            // Hosts may have made two characters of each line's end.
            let second = body.split(whereSeparator: \.isNewline).dropFirst().first ?? ""
            let (before, after) = ("<!-- sheaf-run: ", " -->")
            guard second.hasPrefix(before), second.hasSuffix(after) else { return (nil, ()) }
            return (DeliveryKey(second.dropFirst(before.count).dropLast(after.count)), ())
        }
    }

    // MARK: Words

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
