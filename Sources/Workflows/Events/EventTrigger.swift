package import Model

/// One event of `on`, with what narrows it.
package struct EventTrigger: Equatable, Sendable {
    package var name: String
    package var position: SourcePosition
    /// `nil`: the types that the event has by default.
    package var types: [String]?
    package var branches: PatternFilter?
    package var tags: PatternFilter?
    package var paths: PatternFilter?
    /// Names of workflows, for `workflow_run`.
    package var workflows: [String]?
    package var crons: [String] = []

    package init(name: String, position: SourcePosition) {
        self.name = name
        self.position = position
    }
}

/// `branches`, `tags` or `paths`, or the same with `-ignore`.
package struct PatternFilter: Equatable, Sendable {
    package var isIgnoring: Bool
    package var patterns: [PathPattern]

    package init(isIgnoring: Bool, patterns: [PathPattern]) {
        self.isIgnoring = isIgnoring
        self.patterns = patterns
    }

    /// Whether one name gets through: the last pattern that matches it decides.
    package func admits(_ name: String) -> Bool {
        if isIgnoring { return !patterns.contains { !$0.isNegative && $0.matches(name) } }
        return patterns.last { $0.matches(name) }.map { !$0.isNegative } ?? false
    }

    /// Whether a set of changed paths gets through: one path that does is enough.
    package func admits(anyOf names: [String]) -> Bool { names.contains { admits($0) } }

    var text: String { patterns.map(\.source).joined(separator: ", ") }
}

/// What an event may be narrowed by.
struct EventKind {
    var keys: [String]
    /// Its activity types; empty where any text is one.
    var types: [String] = []
    /// The types that start a workflow that names none; `nil`: all.
    var typesByDefault: [String]?

    private static let branchKeys = ["branches", "branches-ignore"]
    private static let pathKeys = ["paths", "paths-ignore"]
    private static let pullRequestTypes = [
        "assigned", "unassigned", "labeled", "unlabeled", "opened", "edited", "closed", "reopened", "synchronize",
        "converted_to_draft", "ready_for_review", "locked", "unlocked", "milestoned", "demilestoned",
        "review_requested", "review_request_removed", "auto_merge_enabled", "auto_merge_disabled", "enqueued",
        "dequeued",
    ]
    private static let pullRequest = EventKind(
        keys: ["types"] + branchKeys + pathKeys, types: pullRequestTypes,
        typesByDefault: ["opened", "synchronize", "reopened"])

    /// docs.github.com, events that trigger workflows.
    static let all: [String: EventKind] = [
        "branch_protection_rule": typed(["created", "edited", "deleted"]),
        "check_run": typed(["created", "rerequested", "completed", "requested_action"]),
        "check_suite": typed(["completed", "requested", "rerequested"]),
        "create": EventKind(keys: []), "delete": EventKind(keys: []),
        "deployment": EventKind(keys: []), "deployment_status": EventKind(keys: []),
        "discussion": typed([
            "created", "edited", "deleted", "transferred", "pinned", "unpinned", "labeled", "unlabeled", "locked",
            "unlocked", "category_changed", "answered", "unanswered",
        ]),
        "discussion_comment": typed(["created", "edited", "deleted"]),
        "fork": EventKind(keys: []), "gollum": EventKind(keys: []),
        "image_version": EventKind(keys: ["types", "names", "versions"]),
        "issue_comment": typed(["created", "edited", "deleted"]),
        "issues": typed([
            "opened", "edited", "deleted", "transferred", "pinned", "unpinned", "closed", "reopened", "assigned",
            "unassigned", "labeled", "unlabeled", "locked", "unlocked", "milestoned", "demilestoned", "typed",
            "untyped",
        ]),
        "label": typed(["created", "edited", "deleted"]),
        "merge_group": EventKind(keys: ["types"] + branchKeys, types: ["checks_requested", "destroyed"]),
        "milestone": typed(["created", "closed", "opened", "edited", "deleted"]),
        "page_build": EventKind(keys: []),
        "project": typed(["created", "closed", "reopened", "edited", "deleted"]),
        "project_card": typed(["created", "moved", "converted", "edited", "deleted"]),
        "project_column": typed(["created", "updated", "moved", "deleted"]),
        "public": EventKind(keys: []),
        "pull_request": pullRequest, "pull_request_target": pullRequest,
        "pull_request_review": typed(["submitted", "edited", "dismissed"]),
        "pull_request_review_comment": typed(["created", "edited", "deleted"]),
        "push": EventKind(keys: branchKeys + ["tags", "tags-ignore"] + pathKeys),
        "registry_package": typed(["published", "updated"]),
        "release": typed(["published", "unpublished", "created", "edited", "deleted", "prereleased", "released"]),
        "repository_dispatch": EventKind(keys: ["types"]),
        "schedule": EventKind(keys: []), "status": EventKind(keys: []), "watch": typed(["started"]),
        "workflow_call": EventKind(keys: []), "workflow_dispatch": EventKind(keys: []),
        "workflow_run": EventKind(
            keys: ["types", "workflows"] + branchKeys, types: ["completed", "requested", "in_progress"]),
    ]

    private static func typed(_ types: [String]) -> EventKind { EventKind(keys: ["types"], types: types) }
}
