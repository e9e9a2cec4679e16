import Expressions
package import Model

extension Workflow {
    /// The history that checkouts ask for, those of called workflows and of actions included; `nil` where the files alone are
    /// enough. What an expression comes to nobody knows yet: then all of it.
    package var historyWanted: HistoryWanted? {
        var wanted: HistoryWanted?
        func take(_ other: HistoryWanted?) {
            guard let other else { return }
            wanted = wanted?.joined(with: other) ?? other
        }
        for job in jobs {
            take(Self.history(of: job.work.steps))
            take(job.call?.workflow?.historyWanted)
        }
        return wanted
    }

    private static func history(of steps: [Step]) -> HistoryWanted? {
        var wanted: HistoryWanted?
        var (checksOut, callsGit) = (false, false)
        for step in steps {
            var own: HistoryWanted?
            switch step.action {
            case .run(let script):
                if Self.callsGit(script) { callsGit = true }
                continue
            case .uses(let action, _, let with):
                guard CaseFolding.equal(action, "actions/checkout") else { continue }
                checksOut = true
                own = history(of: with)
            case .local(let action, _):
                if case .steps(let inner, _) = action.body { own = history(of: inner) }
            }
            if let own { wanted = wanted?.joined(with: own) ?? own }
        }
        // At GitHub every checkout has its one commit: who asks git for it shall find it.
        return wanted ?? (checksOut && callsGit ? HistoryWanted(depth: 1, tags: false) : nil)
    }

    /// Whether `git` is a word of a script, at the place of a command or in one.
    private static func callsGit(_ script: String) -> Bool {
        guard script.contains("git") else { return false }
        return ShellScript(script).lines.contains { line in
            line.words.contains { word in word.split { "$(){}`\"';&|=".contains($0) }.contains("git") }
        }
    }

    private static func history(of with: [Template]) -> HistoryWanted? {
        func text(_ name: String) -> String {
            with.last { CaseFolding.equal($0.name, name) }?.text.trimmingSpace ?? ""
        }
        let (depth, tags) = (text("fetch-depth"), text("fetch-tags"))
        let wantsTags = !["", "false"].contains(tags)
        // GitHub's own action takes what is no number for its standard, and 0 for all, with the tags.
        let count = depth.isEmpty ? 1 : TemplateText.hasExpression(depth) ? 0 : max(0, Int(depth) ?? 1)
        if count == 0 { return HistoryWanted(depth: nil, tags: true) }
        return count == 1 && !wantsTags ? nil : HistoryWanted(depth: count, tags: wantsTags)
    }
}
