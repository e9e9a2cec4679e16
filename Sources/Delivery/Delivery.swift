import JSON
package import Model

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

    private enum Stage: Equatable {
        /// Asks whose the token is.
        case introduce
        /// Looks for what an earlier delivery left.
        case search(page: Int)
        /// Writes: anew, or over what has this number.
        case write(over: String?)
    }

    private let settings: Settings
    private var steps: [HostStep]
    private var stage: Stage
    /// Whose the token is, once that was asked.
    private var author: HostStep.Author?
    private var attempt = 1
    private var waitUntil: Instant?
    private(set) package var problems: [String] = []
    private(set) package var delivered: [HostStep.Kind] = []

    package init(_ report: DeliveredReport, to target: DeliveryTarget, token: String, settings: Settings = Settings()) {
        self.settings = settings
        steps = HostStep.Kind.all(at: target).map { HostStep($0, of: report, at: target, token: token) }
        stage = .write(over: nil)
        if report.commit.isEmpty {
            steps.removeAll { $0.kind != .comment }
            problems.append("not delivered: the run has no commit that a status could stand at")
        }
        begin()
    }

    /// What is to be done now.
    package func next(at now: Instant) -> Action {
        guard let step = steps.first else { return .finished(problems) }
        if let waitUntil, now < waitUntil { return .wait(until: waitUntil) }
        switch stage {
        case .introduce: return .send(step.whoAmI)
        case .search(let page): return .send(step.search(page: page))
        case .write(let over): return .send(step.write(over: over))
        }
    }

    /// Takes the answer to what `next` said to send.
    package mutating func take(_ answer: HTTPAnswer, at now: Instant) {
        guard let step = steps.first else { return }
        waitUntil = nil
        let question: HostStep.Question =
            switch stage {
            case .introduce: .whoAmI
            case .search: .search
            case .write(nil): .write
            case .write(_?): .overwrite
            }
        switch step.meaning(of: answer, to: question, at: now) {
        case .good(let response): succeed(step, response)
        case .gone: stage = .write(over: nil)
        case .again(let why, let asked, _): again(step, why, after: asked, at: now)
        case .refused(let why): giveUp(step, why)
        }
    }

    private mutating func succeed(_ step: HostStep, _ response: HTTPResponse) {
        attempt = 1
        if stage == .introduce {
            author = step.author(in: response)
            stage = .search(page: 1)
            return
        }
        guard case .search(let page) = stage else {
            delivered.append(step.kind)
            return goOn()
        }
        switch step.found(in: response, by: step.needsAuthor ? author : nil) {
        // Each run has a check run of its own: a later one's stays as it is.
        case .done(_, let key) where step.kind == .check && key != step.report.key: stage = .write(over: nil)
        // Somebody asked for it: it is said anew, whoever said it before.
        case .done(let id, _), .outdated(let id): stage = .write(over: id)
        case .nextPage where page < settings.pagesMax: stage = .search(page: page + 1)
        case .nextPage, .nothing: stage = .write(over: nil)
        }
    }

    private mutating func again(_ step: HostStep, _ why: String, after asked: Duration?, at now: Instant) {
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
        if case .write(nil) = stage, step.kind != .status { stage = .search(page: 1) }
    }

    private mutating func giveUp(_ step: HostStep, _ why: String) {
        problems.append("\(step.kind.rawValue) not delivered: \(why)")
        goOn()
    }

    private mutating func goOn() {
        steps.removeFirst()
        begin()
    }

    private mutating func begin() {
        attempt = 1
        waitUntil = nil
        // Of several statuses of one name the last one counts.
        guard let step = steps.first, step.kind != .status else { return stage = .write(over: nil) }
        stage = step.needsAuthor && author == nil ? .introduce : .search(page: 1)
    }
}
