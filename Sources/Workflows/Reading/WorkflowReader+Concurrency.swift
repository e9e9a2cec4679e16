import Expressions
import Model

/// `concurrency`, of a workflow and of a job, and groups that end what they are to order.
extension WorkflowReader {
    mutating func concurrency(_ node: YAMLNode, in scope: ExpressionScope) {
        guard node.entries != nil else {
            if node.scalar.map({ $0.text.isEmpty }) ?? false || node.isNull {
                error(node, "'concurrency' must name a group", help: "concurrency: ${{ github.ref }}")
            } else {
                template(node, "'concurrency'", in: scope)
            }
            return
        }
        let keys = [Key("group"), Key("cancel-in-progress"), Key("queue")]
        guard let parts = mapping(node, "'concurrency'", keys) else { return }
        if let group = parts["group"] {
            template(group, "'group'", in: scope)
        } else {
            error(node, "'concurrency' has no 'group'", help: "group: ${{ github.ref }}")
        }
        if let cancel = parts["cancel-in-progress"] {
            _ = literal(cancel, "'cancel-in-progress'", "true or false", in: scope) { $0.boolean != nil }
        }
        if let queue = parts["queue"], let word = text(queue, "'queue'") {
            if word == "max" {
                if let cancel = parts["cancel-in-progress"], cancel.scalar.map({ $0.text != "false" }) ?? true {
                    error(
                        queue, "'queue: max' and 'cancel-in-progress' exclude each other",
                        help: "who waits for its turn ends nobody: remove one of them")
                }
            } else if word != "single" {
                error(queue, "'queue' must be single or max, not '\(word)'", help: "queue: single, or leave it out")
            }
        }
    }

    /// A group that holds what it is in itself, or that a job's own cells take from each other.
    mutating func adviseOnConcurrency(of job: JobSource, in workflow: Workflow) {
        let called = job.call?.workflow?.concurrencyNode
        let run = workflow.concurrencyNode.flatMap(Self.group)
        if let node = job.concurrency, let own = Self.group(node) {
            if let run, run.text.lowercased() == own.text.lowercased() {
                warning(
                    .concurrency, own.position,
                    "this is the group of the workflow, which its run is in until all its jobs have ended: the job is never let in",
                    help: "give the job a group of its own: \(own.text)-\(job.id)")
            } else {
                adviseOnSharing(node, own, by: job)
            }
        }
        guard let inner = called.flatMap(Self.group), !inner.reads.contains("inputs"), let uses = job.call else {
            return
        }
        for (outer, whose) in [(run, "this workflow"), (job.concurrency.flatMap(Self.group), "this job")] {
            guard let outer, outer.text.lowercased() == inner.text.lowercased() else { continue }
            warning(
                .concurrency, uses.position,
                "the called workflow has the group of \(whose), '\(inner.text)', which is held until the call has ended: it is never let in",
                help: "'github.workflow' is the caller's name in both: add a word to one of the groups")
            return
        }
    }

    /// One goes on and one waits; a third takes the place of the second.
    private mutating func adviseOnSharing(_ node: YAMLNode, _ group: GroupText, by job: JobSource) {
        let queues = node["queue"]?.scalar?.text == "max"
        let cancels = node["cancel-in-progress"]?.scalar?.text == "true"
        guard !queues, job.maxParallel == nil, group.reads.isDisjoint(with: ["matrix", "strategy"]),
            let cells = job.matrix.flatMap(Self.cellsAtLeast), cells > (cancels ? 1 : 2)
        else { return }
        warning(
            .concurrency, group.position,
            "all cells of the job '\(job.id)' are in this one group: "
                + (cancels ? "each ends the one before it" : "one goes on, one waits, and the others are cancelled"),
            help: cancels
                ? "name the cell in it: \(group.text)-${{ strategy.job-index }}"
                : "let them queue: concurrency: {group: …, queue: max}, or name the cell in it")
    }

    private struct GroupText {
        var text: String
        var position: SourcePosition
        /// The contexts that it reads.
        var reads: Set<String>
    }

    private static func group(_ node: YAMLNode) -> GroupText? {
        let named = node["group"] ?? node
        guard let text = named.scalar?.text.trimmingSpace, !text.isEmpty else { return nil }
        let reads = NodeExpressions.references(of: named).compactMap(\.first)
        return GroupText(text: text, position: named.position, reads: Set(reads))
    }

    /// How many cells the axes of a matrix come to, as far as they are written out; `nil` where something is taken away from them.
    private static func cellsAtLeast(_ matrix: YAMLNode) -> Int? {
        guard let entries = matrix.entries, !entries.contains(where: { $0.key == "exclude" }) else { return nil }
        let axes = entries.filter { $0.key != "include" }
        guard !axes.isEmpty else { return entries.first?.value.items?.count }
        return axes.reduce(1) { count, axis in
            let (product, overflow) = count.multipliedReportingOverflow(by: max(1, axis.value.items?.count ?? 1))
            return overflow ? .max : product
        }
    }
}
