import Model

/// Whether an event starts a workflow.
package enum StartDecision: Equatable, Sendable {
    case starts
    /// Why not, in a sentence.
    case doesNot(String)
}

extension Workflow {
    /// Holds an event against `on`. Filters need the event's payload: without one, whoever asks for the run decides.
    package func start(by request: PlanRequest) -> StartDecision {
        let name = eventName(of: request)
        let named = triggers.filter { $0.name == name }
        guard !named.isEmpty else {
            return .doesNot("'on' does not name '\(name)'; it names \(events.joined(separator: ", "))")
        }
        guard request.event.members?.isEmpty == false else { return .starts }
        var reason = ""
        for trigger in named {
            switch trigger.start(by: request) {
            case .starts: return .starts
            case .doesNot(let why): reason = why
            }
        }
        return .doesNot(reason)
    }
}

extension EventTrigger {
    func start(by request: PlanRequest) -> StartDecision {
        let event = request.event
        if let reason = refusalOfType(event) { return .doesNot(reason) }
        switch name {
        case "push": return push(request)
        case "pull_request", "pull_request_target":
            return named(event["pull_request"]?["base"]?["ref"], "the base branch") ?? changed(request) ?? .starts
        case "merge_group":
            return named(event["merge_group"]?["base_ref"], "the base branch") ?? .starts
        case "workflow_run":
            let run = event["workflow_run"] ?? event["workflow"]
            if let wanted = workflows, let given = (run?["name"] ?? event["workflow"]?["name"])?.string,
                !wanted.contains(given)
            {
                return .doesNot("'\(given)' is none of the workflows \(wanted.joined(separator: ", "))")
            }
            return named(run?["head_branch"], "the branch") ?? .starts
        case "schedule":
            if let line = event["schedule"]?.string, !crons.contains(line) {
                return .doesNot("'\(line)' is none of the schedule's lines: \(crons.joined(separator: "; "))")
            }
            return .starts
        default: return .starts
        }
    }

    /// The event's activity, against `types` or what counts without them.
    private func refusalOfType(_ event: Value) -> String? {
        guard let action = event["action"]?.string, let kind = EventKind.all[name] else { return nil }
        guard kind.keys.contains("types"), let wanted = types ?? kind.typesByDefault else { return nil }
        if wanted.contains(action) { return nil }
        return types == nil
            ? "'\(action)' starts nothing by itself: without 'types' only \(wanted.joined(separator: ", ")) do"
            : "'\(action)' is none of the types \(wanted.joined(separator: ", "))"
    }

    private func push(_ request: PlanRequest) -> StartDecision {
        let event = request.event
        if event["deleted"]?.boolean == true { return .doesNot("the push deletes what it names") }
        if let message = Self.skipping(event["head_commit"]?["message"]?.string) { return .doesNot(message) }
        guard let ref = event["ref"]?.string ?? (request.ref.isEmpty ? nil : request.ref) else {
            return changed(request) ?? .starts
        }
        if let tag = Self.tail(of: ref, after: "refs/tags/") {
            guard let tags else {
                return branches == nil ? .starts : .doesNot("only branches are listed, and '\(tag)' is a tag")
            }
            // Paths are not looked at when a tag is pushed.
            return tags.admits(tag) ? .starts : .doesNot(Self.refusal("the tag", tag, tags))
        }
        let branch = Self.tail(of: ref, after: "refs/heads/") ?? ref
        if let branches {
            guard branches.admits(branch) else { return .doesNot(Self.refusal("the branch", branch, branches)) }
        } else if tags != nil {
            return .doesNot("only tags are listed, and '\(branch)' is a branch")
        }
        return changed(request) ?? .starts
    }

    private static func tail(of ref: String, after prefix: String) -> String? {
        ref.hasPrefix(prefix) ? String(ref.dropFirst(prefix.count)) : nil
    }

    private func named(_ value: Value?, _ what: String) -> StartDecision? {
        guard let branches, let ref = value?.string else { return nil }
        let branch = Self.tail(of: ref, after: "refs/heads/") ?? ref
        return branches.admits(branch) ? nil : .doesNot(Self.refusal(what, branch, branches))
    }

    /// The changed paths against `paths`; where nobody knows them, they count as matching.
    private func changed(_ request: PlanRequest) -> StartDecision? {
        guard let paths, let changed = request.changedPaths ?? Self.changedPaths(of: request.event) else { return nil }
        if paths.admits(anyOf: changed) { return nil }
        let several = changed.count == 1 ? "'\(changed[0])' is" : "\(changed.count) changed files are"
        return .doesNot(
            paths.isIgnoring
                ? "\(several) among the paths to ignore: \(paths.text)" : "\(several) not among the paths \(paths.text)"
        )
    }

    /// What the commits of a push have changed; `nil` where the payload does not say.
    private static func changedPaths(of event: Value) -> [String]? {
        guard let commits = event["commits"]?.array, !commits.isEmpty else { return nil }
        var paths: Set<String> = []
        var isTold = false
        for commit in commits {
            for key in ["added", "modified", "removed"] {
                guard let list = commit[key]?.array else { continue }
                isTold = true
                paths.formUnion(list.compactMap(\.string))
            }
        }
        return isTold ? paths.sorted() : nil
    }

    private static func refusal(_ what: String, _ name: String, _ filter: PatternFilter) -> String {
        filter.isIgnoring
            ? "\(what) '\(name)' is to be ignored: \(filter.text)" : "\(what) '\(name)' is not among \(filter.text)"
    }

    /// Words of a commit's message that say: start nothing.
    private static func skipping(_ message: String?) -> String? {
        let words = ["[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]"]
        guard let message else { return nil }
        if let word = words.first(where: { message.lowercased().contains($0) }) { return "the message says \(word)" }
        // A trailer, as git's own, behind an empty line.
        let lines = message.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
            .map { $0.filter { !$0.isWhitespace }.lowercased() }
        let end = lines.lastIndex { !$0.isEmpty } ?? 0
        guard let gap = lines[...end].lastIndex(of: ""), lines[gap...end].contains("skip-checks:true") else {
            return nil
        }
        return "the message ends with skip-checks: true"
    }
}
