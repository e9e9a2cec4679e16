package import Model

/// What a code host is to hear about a run.
package struct DeliveredReport: Equatable, Sendable {
    package var run: RunID
    /// Which farm's run it is: the first digits of its authority's fingerprint. Empty where nobody knows.
    package var farm: String
    package var workflow: String
    package var commit: String
    /// `nil` while the run goes on.
    package var verdict: Verdict?
    /// Whether the run ended because somebody cancelled it, or a newer one took its place.
    package var isCancelled = false
    /// The verdict in one sentence.
    package var summary: String
    /// The whole report; hosts take a little more than 65 000 characters.
    package var markdown: String
    /// Where more can be seen; empty where there is no such place.
    package var link: String

    package init(
        run: RunID, farm: String = "", workflow: String, commit: String, verdict: Verdict?, summary: String,
        markdown: String, link: String = ""
    ) {
        self.run = run
        self.farm = farm
        self.workflow = workflow
        self.commit = commit
        self.verdict = verdict
        self.summary = summary
        self.markdown = markdown
        self.link = link
    }

    /// Why a run of changed files is not told as its commit's.
    package static func refusal(ofDirty commit: String) -> String {
        "what differs from commit \(commit.prefix(12)) cannot be delivered as its result; commit it first"
    }

    /// What is left at the host of this run, and found again there: `r17.0a1b2c3d4e5f`.
    package var key: DeliveryKey { DeliveryKey(run: run, farm: farm) }

    /// What finds the comment again that is kept up to date: one for each workflow, so that `eval gpu` which passes does not
    /// take the place of `eval-gpu` which fails. Everything but letters and figures is written by its number.
    var marker: String {
        let name = workflow.unicodeScalars.map { scalar in
            let isPlain = scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
            return isPlain ? String(scalar) : "_\(String(scalar.value, radix: 16))_"
        }.joined()
        guard name.utf8.count > Self.markerNameMax else { return "<!-- sheaf: \(name) -->" }
        // Of a long name the beginning, and what all of it comes to.
        return "<!-- sheaf: \(name.prefix(Self.markerNameMax)) \(StableHash(workflow)) -->"
    }

    private static let markerNameMax = 100
}

/// Names a run at code hosts, where runs of several farms may stand side by side.
package struct DeliveryKey: Equatable, Sendable, CustomStringConvertible {
    package var run: RunID
    package var farm: String

    package init(run: RunID, farm: String) {
        self.run = run
        self.farm = farm
    }

    package var description: String { farm.isEmpty ? "\(run)" : "\(run).\(farm)" }

    /// Reads what `description` wrote; `nil` for anything else.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts[0].utf8.first == UInt8(ascii: "r"),
            let number = UInt64(parts[0].dropFirst()), number > 0, parts[0] == "\(RunID(number))"
        else { return nil }
        self.init(run: RunID(number), farm: parts.count > 1 ? String(parts[1]) : "")
    }

    /// Whether this is a later run of the same farm.
    func isLater(than other: Self) -> Bool { farm == other.farm && run > other.run }
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

    /// A token is never sent in the clear, except to this machine itself.
    package static func isSafe(api: String) -> Bool {
        api.hasPrefix("https://")
            || ["http://127.0.0.1:", "http://[::1]:", "http://localhost:"].contains(where: api.hasPrefix)
    }
}
