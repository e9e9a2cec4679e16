package import Model

extension ResolvedBaseline {
    var note: BaselineNote {
        switch source {
        case .found(let results, let name): BaselineNote(reference, .found, name, run: results.header.run)
        case .absent(let reason): BaselineNote(reference, .absent, reason)
        case .unavailable(let reason): BaselineNote(reference, .unavailable, reason)
        }
    }

    /// The baselines of a judging that is done again: what was noted then, with the results that are at hand now.
    ///
    /// - Parameters:
    ///   - notes: of the results that are judged; of a reference that has none, the first of `files` is taken.
    ///   - files: baselines' results with their files' names.
    package static func again(
        _ references: [GateRule.BaselineReference], notes: [BaselineNote], files: [(results: Results, name: String)]
    ) -> [ResolvedBaseline] {
        references.map { reference in
            guard let note = notes.first(where: { $0.reference == reference }) else {
                guard let file = files.first else { return .init(reference, .absent("no --baseline was given")) }
                return .init(reference, .found(file.results, name: file.name))
            }
            if let run = note.run, let file = files.first(where: { $0.results.header.run == run }) {
                return .init(reference, .found(file.results, name: note.text))
            }
            // Another one was asked for by name: it is compared with, and called what it is.
            if let file = files.first { return .init(reference, .found(file.results, name: file.name)) }
            switch note.state {
            case .absent: return .init(reference, .absent(note.text))
            case .unavailable: return .init(reference, .unavailable(note.text))
            case .found:
                return .init(reference, .unavailable("the farm compared with \(note.text), which --baseline can give"))
            }
        }
    }
}

extension BaselineNote {
    /// `{"run"|"branch"|"alias": …, "state", "text", "of"}`.
    var written: Value {
        let reference: Value.Member =
            switch reference {
            case .run(let run): .init("run", .string(run.description))
            case .branch(let branch): .init("branch", .string(branch))
            case .alias(let alias): .init("alias", .string(alias))
            }
        var members = [reference, .init("state", .string(state.rawValue)), .init("text", .string(text))]
        if let run { members.append(.init("of", .string(run.description))) }
        return .object(members)
    }

    /// - Returns: `nil` for what `written` does not write.
    init?(written value: Value) {
        guard let state = value["state"]?.string.flatMap(State.init), let text = value["text"]?.string else {
            return nil
        }
        let reference: GateRule.BaselineReference
        if let run = value["run"]?.string {
            guard let run = RunID(run) else { return nil }
            reference = .run(run)
        } else if let branch = value["branch"]?.string {
            reference = .branch(branch)
        } else if let alias = value["alias"]?.string {
            reference = .alias(alias)
        } else {
            return nil
        }
        self.init(reference, state, text, run: value["of"]?.string.flatMap { RunID($0) })
    }
}
