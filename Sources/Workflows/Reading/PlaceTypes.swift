import Expressions
import Model

/// What the contexts of a place hold, as far as the file tells: their members' names and kinds.
struct PlaceTypes {
    var inputs = ValueType.record([:])
    var secrets = ValueType.texts
    private(set) var env: [ValueType.Field] = []
    private var known: Set<[UInt16]> = []
    /// Variables that hold a secret.
    var secretVariables: [String] = []
    /// Something may set variables that the file does not name: an action, a script.
    var envIsOpen = false
    var needs = ValueType.record([:])
    var matrix = ValueType.record([:])
    var steps: [ValueType.Field] = []
    var jobs = ValueType.record([:]) {
        didSet {
            guard case .object(let fields, _) = jobs else { return }
            jobsByID = Dictionary(fields.map { ($0.name, $0) }) { first, _ in first }
        }
    }
    private var jobsByID: [String: ValueType.Field] = [:]

    /// The type of the context `needs` of what needs these jobs.
    func needs(of ids: [String]) -> ValueType { .object(ids.compactMap { jobsByID[$0] }, others: nil) }

    /// Makes a variable known.
    mutating func define(_ variable: String) {
        if known.insert(CaseFolding.fold(variable)).inserted { env.append(.init(variable, .string)) }
    }

    /// Forgets variables that were defined since.
    mutating func forget(since outer: PlaceTypes) {
        env = outer.env
        known = outer.known
        secretVariables = outer.secretVariables
    }

    /// More axes and members than any matrix has are not told apart.
    private static let fieldsMax = 1000

    /// The types of all contexts that a scope has.
    func fields(of scope: ExpressionScope) -> [ValueType.Field] {
        scope.names.map { ValueType.Field($0, type(of: $0)) }
    }

    private func type(of name: String) -> ValueType {
        switch name {
        case "github": Self.github
        case "inputs": inputs
        case "secrets": secrets
        case "vars": .texts
        case "env": .object(env, others: envIsOpen ? .string : nil)
        case "needs": needs
        case "matrix": matrix
        case "steps": .object(steps, others: nil)
        case "jobs": jobs
        case "strategy":
            .record(["fail-fast": .boolean, "job-index": .number, "job-total": .number, "max-parallel": .number])
        case "runner":
            .record([
                "name": .string, "os": .words(["Linux", "Windows", "macOS"]),
                "arch": .words(["X86", "X64", "ARM", "ARM64"]), "temp": .string, "tool_cache": .string,
                "debug": .string, "environment": .string, "workspace": .string,
            ])
        case "job":
            .record(
                [
                    "status": .words(["success", "failure", "cancelled"]),
                    "container": .record(["id": .string, "network": .string]),
                    "services": .object(
                        [],
                        others: .record(["id": .string, "network": .string, "ports": .object([], others: .string)])),
                    "check_run_id": .number,
                ], others: .string)
        default: .any
        }
    }

    /// The members of `github` that are texts: docs.github.com, contexts reference.
    private static let githubTexts = [
        "action", "action_path", "action_ref", "action_repository", "action_status", "actor", "actor_id", "api_url",
        "base_ref", "env", "event_name", "event_path", "graphql_url", "head_ref", "job", "job_workflow_ref",
        "job_workflow_sha", "output", "path", "ref", "ref_name", "ref_type", "repository", "repository_id",
        "repository_owner", "repository_owner_id", "repository_visibility", "repositoryUrl", "retention_days",
        "run_attempt", "run_id", "run_number", "secret_source", "server_url", "sha", "state", "step_summary", "token",
        "triggering_actor", "workflow", "workflow_ref", "workflow_sha", "workspace", "artifact_cache_size_limit",
    ]

    static let github = ValueType.object(
        githubTexts.map { name in
            switch name {
            case "ref_type": ValueType.Field(name, .words(["branch", "tag"]))
            // GitHub's own runs have one that nobody can name in `on`.
            case "event_name": ValueType.Field(name, .words(EventKind.all.keys.sorted() + ["dynamic"]))
            default: ValueType.Field(name, .string)
            }
        } + [
            // The payload's inputs are texts, whatever their type.
            ValueType.Field("event", .object([.init("inputs", .texts)], others: .any)),
            ValueType.Field("ref_protected", .boolean),
        ], others: nil)

    /// How steps and jobs end.
    private static let endings = ValueType.words(["success", "failure", "cancelled", "skipped"])

    /// What `steps.<id>` holds.
    static func step(outputs: ValueType) -> ValueType {
        .record(["outputs": outputs, "outcome": endings, "conclusion": endings])
    }

    /// What `needs.<id>` holds.
    ///
    /// - Parameter withCells: single cells can be asked for, by their id.
    static func need(outputs: ValueType, withCells: Bool) -> ValueType {
        guard withCells else { return .record(["result": endings, "outputs": outputs]) }
        let cell = ValueType.record(["result": endings, "outputs": outputs, "values": .open])
        return .record(["result": endings, "outputs": outputs, "cells": .object([], others: cell)])
    }

    /// The `matrix` context of a job, as its text tells.
    static func matrix(_ node: YAMLNode?) -> ValueType {
        guard let node else { return .record([:]) }
        guard let entries = node.entries, entries.count <= fieldsMax else { return .open }
        var fields: [ValueType.Field] = []
        var isOpen = false
        func add(_ name: String, _ type: ValueType) {
            if let place = fields.firstIndex(where: { CaseFolding.equal($0.name, name) }) {
                fields[place].type = fields[place].type.joined(with: type)
            } else {
                fields.append(.init(name, type))
            }
        }
        for entry in entries where entry.key != "include" && entry.key != "exclude" {
            if TemplateText.hasExpression(entry.key) { isOpen = true }
            let items = entry.value.items?.map(type) ?? [.any]
            for item in items { add(entry.key, item) }
            if entry.value.items?.isEmpty == true { add(entry.key, .any) }
        }
        if let include = node["include"] {
            guard let items = include.items else { return .object(fields, others: .any) }
            for item in items {
                guard let added = item.entries else {
                    isOpen = true
                    continue
                }
                guard fields.count + added.count <= fieldsMax else { return .open }
                for entry in added {
                    if TemplateText.hasExpression(entry.key) { isOpen = true }
                    add(entry.key, type(of: entry.value))
                }
            }
        }
        return .object(fields, others: isOpen ? .any : nil)
    }

    /// The type of a value with expressions in it.
    private static func type(of node: YAMLNode) -> ValueType {
        switch node.kind {
        case .scalar(let scalar):
            if TemplateText.hasExpression(scalar.text) {
                .any
            } else if case .string(let text) = node.value {
                .words([text])
            } else {
                ValueType(of: node.value)
            }
        case .sequence(let items):
            .array(ValueType.common(to: items.map(type)))
        case .mapping(let entries):
            .object(entries.map { .init($0.key, type(of: $0.value)) }, others: nil)
        }
    }
}
