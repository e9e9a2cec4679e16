import Delivery
import JSON
import Model
import Testing

/// What the answers of code hosts mean, as their documents and their users have them.
@Suite struct `An answer of a code host` {
    private static let now = Instant.seconds(1_800_000_000)

    private static func meaning(
        _ status: Int, _ words: String = "", _ headers: [String: String] = [:], to question: HostStep.Question = .write,
        of kind: HostStep.Kind = .comment, at host: DeliveryTarget.Host = .github
    ) -> HostStep.Meaning {
        let message: Value = ["message": .string(words)]
        let answer = HTTPResponse(status: status, headers: headers, body: Array(JSONWriter.text(message).utf8))
        return `A step at a code host`.step(kind, 17, at: host).meaning(of: .response(answer), to: question, at: now)
    }

    private static let counted = ["x-ratelimit-remaining": "4990", "x-ratelimit-reset": "1800003000"]
    private static let usedUp = ["x-ratelimit-remaining": "0", "x-ratelimit-reset": "1800000090"]

    private static let limits: [(Int, String, [String: String], Int)] = [
        (403, "You have exceeded a secondary rate limit. Please wait a few minutes.", [:], 60),
        (403, "API rate limit exceeded for user ID 7.", [:], 60),
        (403, "You have triggered an abuse detection mechanism.", [:], 60),
        (403, "You have exceeded a secondary rate limit.", counted, 60),
        (403, "API rate limit exceeded for user ID 7.", usedUp, 90), (403, "", ["retry-after": "7"], 7),
        (429, "", [:], 60), (429, "", counted, 60), (429, "", usedUp, 90),
        (429, "", ["retry-after": "7"].merging(usedUp) { $1 }, 7),
        (429, "Retry later", ["ratelimit-remaining": "0", "ratelimit-reset": "1800000030"], 30),
        (429, "Retry later", ["ratelimit-remaining": "9", "ratelimit-reset": "1800000030"], 60),
    ]

    /// GitHub tells its limits by 403 or 429, in headers or in words alone. None of it is a missing right.
    @Test(arguments: limits)
    func `is a limit, and tells how long`(status: Int, words: String, headers: [String: String], seconds: Int) {
        for kind in HostStep.Kind.allCases {
            for question in [HostStep.Question.whoAmI, .search, .write, .overwrite] {
                #expect(
                    Self.meaning(status, words, headers, to: question, of: kind)
                        == .again("\(status), too many requests", after: .seconds(seconds), isUndone: true),
                    "\(kind) \(question)")
            }
        }
    }

    /// Whatever a server, or what stands before it, says: nothing is waited for longer than a day.
    @Test(arguments: [
        ("-9223372036854775808", 0), ("-9223372037", 0), ("-1", 0), ("1", 0), ("1800000000", 0), ("1800000090", 90),
        ("9223372036", 86_400), ("9223372037", 86_400), ("9223372036854775807", 86_400), ("9223372036854775808", 60),
        ("soon", 60), ("", 60), ("1800000090.5", 60),
    ])
    func `survives any time that is said`(text: String, seconds: Int) {
        let limit = ["x-ratelimit-remaining": "0", "x-ratelimit-reset": text]
        #expect(
            Self.meaning(429, "", limit)
                == .again("429, too many requests", after: .seconds(seconds), isUndone: true))
        let isTime = Int64(text) != nil && Int64(text) ?? 0 >= 0
        let pause = isTime ? min(Int64(text) ?? 0, 86_400) : 60
        #expect(
            Self.meaning(429, "", ["retry-after": text])
                == .again("429, too many requests", after: .seconds(pause), isUndone: true))
    }

    /// The counters come with every answer, also where something else is wrong.
    @Test func `binds by its counters only who has used them up`() {
        #expect(Self.meaning(502, "", Self.counted) == .again("502 of the server", after: nil, isUndone: false))
        #expect(
            Self.meaning(502, "", Self.usedUp) == .again("502 of the server", after: .seconds(90), isUndone: false))
    }

    @Test func `sends to write anew only over what is gone, or not ours`() {
        for headers in [[:], Self.counted] {
            for status in [403, 404, 410] {
                #expect(Self.meaning(status, "no", headers, to: .overwrite) == .gone, "\(status)")
            }
        }
        // It is gone with the last request that was left, too.
        for status in [404, 410] { #expect(Self.meaning(status, "no", Self.usedUp, to: .overwrite) == .gone) }
        for status in [400, 401, 422] {
            guard case .refused = Self.meaning(status, "no", to: .overwrite) else {
                Issue.record("\(status) is refused")
                continue
            }
        }
    }

    /// Else what somebody else wrote were taken for ours, or ours for somebody else's.
    @Test func `tells an app by what is said only to apps`() {
        #expect(
            Self.meaning(403, "Resource not accessible by integration", to: .whoAmI)
                == .good(HTTPResponse(status: 403)))
        for (status, words) in [(403, "Forbidden"), (403, ""), (404, "Not Found")] {
            guard case .refused = Self.meaning(status, words, to: .whoAmI) else {
                Issue.record("\(status) \(words) tells nobody")
                continue
            }
        }
    }

    /// After an answer that was lost, or a word that somebody else had meanwhile.
    @Test(arguments: [
        "Cannot transition status via :run from :running",
        #"Cannot transition status via :run from :running (Reason(s): Status cannot transition via "run")"#,
        "Cannot transition status via :enqueue from :pending", "Cannot transition status via :succeed from :success",
        "Cannot transition status via :drop from :canceled",
    ])
    func `is good where GitLab has the state already`(words: String) {
        guard case .good = Self.meaning(400, words, of: .status, at: .gitlab) else {
            Issue.record("it is done")
            return
        }
        for other in [
            Self.meaning(400, "state does not have a valid value", of: .status, at: .gitlab),
            Self.meaning(400, words, of: .status, at: .github),
        ] {
            guard case .refused = other else {
                Issue.record("\(other) is refused")
                continue
            }
        }
    }

    @Test(arguments: [
        (DeliveryTarget.Host.github, 301, "Moved Permanently"), (.github, 307, "Moved Permanently"), (.github, 308, ""),
        (.gitlab, 301, "This resource has been moved permanently"),
        (.gitlab, 405, "Non GET methods are not allowed for moved projects"),
    ])
    func `says that a repository has moved, and what to do`(host: DeliveryTarget.Host, status: Int, words: String) {
        #expect(
            Self.meaning(status, words, at: host)
                == .refused(
                    "\(status), owner/name has another name or place now: give that to --repository, or in the file of "
                        + "--deliver"))
        #expect(Self.meaning(405, "405 Not Allowed", at: host) == .refused("405: 405 Not Allowed"))
        // That is a login's page, or a proxy's.
        guard case .refused(let why) = Self.meaning(302, words, at: host) else {
            Issue.record("nothing is followed")
            return
        }
        #expect(why.hasSuffix("the right address?"), "\(why)")
    }
}
