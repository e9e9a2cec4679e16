package import Model

extension ResolvedBaseline {
    package var note: BaselineNote {
        var note =
            switch source {
            case .found(let results, let name): BaselineNote(reference, name, results.header)
            case .absent(let reason): BaselineNote(reference, .absent, reason)
            case .unavailable(let reason): BaselineNote(reference, .unavailable, reason)
            }
        note.gates = gates
        note.skippedAreNew = skippedAreNew
        note.returning = returning
        return note
    }

    /// The baselines of a judging that is done again: what was noted then, with the results that are at hand now.
    ///
    /// - Parameters:
    ///   - notes: of the results that are judged; of a reference that has none, the first of `files` is taken.
    ///   - files: baselines' results with their files' names.
    package static func again(
        _ references: [GateRule.BaselineReference], notes: [BaselineNote], files: [(results: Results, name: String)]
    ) -> [ResolvedBaseline] {
        references.flatMap { reference in
            let noted = notes.filter { $0.reference == reference }
            guard !noted.isEmpty else {
                return [ResolvedBaseline(reference, again(reference, nil, files: files, others: files))]
            }
            // What stood in for one reference, or one gate, stands in for no other.
            let others = files.filter { file in
                !notes.contains { $0.run != nil && $0.run == file.results.header.run }
            }
            return noted.map { note in
                var resolved = ResolvedBaseline(
                    reference, gates: note.gates, again(reference, note, files: files, others: others))
                resolved.skippedAreNew = note.skippedAreNew
                resolved.returning = note.returning
                return resolved
            }
        }
    }

    private static func again(
        _ reference: GateRule.BaselineReference, _ note: BaselineNote?, files: [(results: Results, name: String)],
        others: [(results: Results, name: String)]
    ) -> Source {
        if case .run(let run) = reference {
            // That run is meant, and no other: what a file says of itself decides, not that it was given.
            guard let file = files.first(where: { $0.results.header.run == run }) else {
                if let note, note.state != .found { return .unavailable(note.text) }
                return .unavailable(missing(run, files))
            }
            if let tree = note?.tree, let other = file.results.header.tree, tree != other {
                return .unavailable("\(file.name) is of another \(run): its tree is \(other.short), not \(tree.short)")
            }
            return .found(file.results, name: note?.text ?? file.name)
        }
        guard let note else {
            return files.first.map { .found($0.results, name: $0.name) } ?? .unavailable("no --baseline was given")
        }
        if let run = note.run, let file = files.first(where: { $0.results.header.run == run }) {
            return .found(file.results, name: note.text)
        }
        // Another one was asked for by name: it is compared with, and called what it is.
        if let file = others.first { return .found(file.results, name: file.name) }
        switch note.state {
        case .absent: return .absent(note.text)
        case .unavailable: return .unavailable(note.text)
        case .found: return .unavailable("the farm compared with \(note.text), which --baseline can give")
        }
    }

    private static func missing(_ run: RunID, _ files: [(results: Results, name: String)]) -> String {
        guard !files.isEmpty else { return "\(run) is not at hand: export it, and give it as --baseline" }
        let told = files.prefix(5).map { file in
            "\(file.name) is \(file.results.header.run.map { "of \($0)" } ?? "of no run that it names")"
        }
        return "\(run) is wanted: \(told.joined(separator: ", "))"
    }
}

extension BaselineNote {
    /// What is kept of a baseline that was found: which code was measured, how and on what.
    init(_ reference: GateRule.BaselineReference, _ name: String, _ header: ResultsHeader) {
        self.init(reference, .found, name, run: header.run)
        commit = header.commit
        tree = header.tree
        provenance = header.provenance
    }

    /// `{"run"|"branch"|"alias": …, "gates", "state", "text", "of"}`.
    var written: Value {
        let reference: Value.Member =
            switch reference {
            case .run(let run): .init("run", .string(run.description))
            case .branch(let branch): .init("branch", .string(branch))
            case .alias(let alias): .init("alias", .string(alias))
            }
        var members = [reference, .init("state", .string(state.rawValue)), .init("text", .string(text))]
        if let gates { members.append(.init("gates", .array(gates.map(Value.string)))) }
        if skippedAreNew { members.append(.init("skipped_are_new", .boolean(true))) }
        if !returning.isEmpty { members.append(.init("returning", .array(returning.map(Value.string)))) }
        if let run { members.append(.init("of", .string(run.description))) }
        if let commit { members.append(.init("commit", .string(commit))) }
        if let tree { members.append(.init("tree", .string(tree.hex))) }
        if !provenance.isEmpty { members.append(.init("provenance", .object(provenance))) }
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
        gates = value["gates"]?.array?.compactMap(\.string)
        skippedAreNew = value["skipped_are_new"]?.boolean ?? false
        returning = (value["returning"]?.array ?? []).compactMap(\.string)
        commit = value["commit"]?.string
        tree = value["tree"]?.string.flatMap { Digest(hex: $0) }
        provenance = value["provenance"]?.members ?? []
    }
}
