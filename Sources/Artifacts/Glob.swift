/// One line of an `upload-artifact` path, as GitHub's toolkit reads it: `*`, `?`, `[a-z]`, `**`, `\` before a special
/// character, and `!` in front for what to leave out. Braces and the like are plain characters.
package struct Glob: Sendable, Equatable {
    enum Part: Sendable, Equatable {
        /// A name without special characters.
        case literal([UInt8])
        /// A name with `*`, `?` or `[…]`.
        case pattern([Atom])
        /// `**`: any number of folders, none included.
        case anyFolders
    }

    enum Atom: Sendable, Equatable {
        case scalar(Unicode.Scalar), anyOne, anyMany
        case oneOf([ClosedRange<UInt32>], negated: Bool)
    }

    /// As it was written.
    package let text: String
    package let excludes: Bool
    let parts: [Part]
    /// Written with `/` at its end: only folders match, and what they hold.
    let foldersOnly: Bool

    /// - Parameter line: without space around it, not empty.
    /// - Parameter workspace: the absolute path that absolute patterns must start with; `nil` refuses those.
    /// - Throws: `ArtifactError.outside`, `.badPattern`.
    package init(_ line: String, workspace: String?) throws(ArtifactError) {
        text = line
        var body = Substring(line)
        var excludes = false
        while body.first == "!" {
            excludes.toggle()
            body = body.dropFirst().drop { $0 == " " }
        }
        self.excludes = excludes
        if body == "~" || body.hasPrefix("~/") { throw .outside(path: line) }
        if body.hasPrefix("/") {
            // The workspace's own path is no pattern, even where it holds a `[`.
            guard let workspace, !workspace.isEmpty else { throw .outside(path: line) }
            let root = workspace.hasSuffix("/") ? workspace : workspace + "/"
            if body.hasPrefix(root) {
                body = body.dropFirst(root.count)
            } else if body + "/" == root {
                body = ""
            } else {
                throw .outside(path: line)
            }
        }
        guard body.utf8.count <= 4096 else { throw .badPattern(pattern: line, problem: "longer than 4096 bytes") }
        guard !body.utf8.contains(0) else { throw .badPattern(pattern: line, problem: "it contains a zero byte") }
        foldersOnly = body.hasSuffix("/")
        var parts: [Part] = []
        for (index, name) in body.split(separator: "/").enumerated() {
            if name == "." {
                guard index == 0 else {
                    throw .badPattern(pattern: line, problem: "`.` may stand only at the start of a path")
                }
                continue
            }
            let part = Self.part(name)
            if part == .literal(Array("..".utf8)) { throw .outside(path: line) }
            // Two `**` in a row mean one.
            if part == .anyFolders, parts.last == .anyFolders { continue }
            parts.append(part)
        }
        guard parts.count <= TreeLimits.depthMax else {
            throw .badPattern(pattern: line, problem: "more than \(TreeLimits.depthMax) parts")
        }
        self.parts = parts
    }

    /// The names at the start that hold no special character: where the search begins.
    var searchPath: [[UInt8]] {
        var path: [[UInt8]] = []
        for part in parts {
            guard case .literal(let name) = part else { break }
            path.append(name)
        }
        return path
    }

    var isLiteral: Bool { searchPath.count == parts.count }

    private static func part(_ name: Substring) -> Part {
        if name == "**" { return .anyFolders }
        var atoms: [Atom] = []
        var special = false
        let scalars = Array(name.unicodeScalars)
        var index = 0
        while index < scalars.count {
            let scalar = scalars[index]
            index += 1
            switch scalar {
            case "\\":
                // A backslash at the end stands for itself.
                atoms.append(.scalar(index < scalars.count ? scalars[index] : scalar))
                index += 1
            case "*":
                special = true
                if atoms.last != .anyMany { atoms.append(.anyMany) }
            case "?":
                special = true
                atoms.append(.anyOne)
            case "[":
                if let (atom, end) = oneOf(scalars, from: index) {
                    special = true
                    atoms.append(atom)
                    index = end
                } else {
                    atoms.append(.scalar(scalar))
                }
            default: atoms.append(.scalar(scalar))
            }
        }
        guard !special else { return .pattern(atoms) }
        var literal = String.UnicodeScalarView()
        for case .scalar(let scalar) in atoms { literal.append(scalar) }
        return .literal(Array(String(literal).utf8))
    }

    /// Reads `a-z0]` or `!a]`; `nil` when no bracket closes it, and then `[` stands for itself.
    private static func oneOf(_ scalars: [Unicode.Scalar], from start: Int) -> (Atom, end: Int)? {
        var index = start
        var negated = false
        if index < scalars.count, scalars[index] == "!" || scalars[index] == "^" {
            negated = true
            index += 1
        }
        var ranges: [ClosedRange<UInt32>] = []
        let first = index
        while index < scalars.count {
            var scalar = scalars[index]
            index += 1
            if scalar == "]", index - 1 > first { return (.oneOf(ranges, negated: negated), index) }
            if scalar == "\\", index < scalars.count {
                scalar = scalars[index]
                index += 1
            }
            guard index + 1 < scalars.count, scalars[index] == "-", scalars[index + 1] != "]" else {
                ranges.append(scalar.value...scalar.value)
                continue
            }
            var upper = scalars[index + 1]
            index += 2
            if upper == "\\", index < scalars.count {
                upper = scalars[index]
                index += 1
            }
            // A range that runs backwards matches nothing.
            if upper.value >= scalar.value { ranges.append(scalar.value...upper.value) }
        }
        return nil
    }
}

extension Glob {
    /// What a path is to the pattern.
    package enum Match: Equatable {
        case matches
        /// Something below the path may match.
        case mayHold
        case no
    }

    /// Compares a path with the pattern and, as the toolkit does, with everything below what the pattern matches.
    ///
    /// Takes at most parts × names steps, each of at most atoms × characters.
    ///
    /// - Parameter isFolder: whether the last name is a folder.
    func match(_ names: [ArraySlice<UInt8>], isFolder: Bool) -> Match {
        // reached[p]: the first p parts can match the names read so far.
        var reached = [Bool](repeating: false, count: parts.count + 1)
        reached[0] = true
        spread(&reached)
        var insideMatch = parts.isEmpty
        for (index, name) in names.enumerated() {
            if insideMatch { return .matches }
            var next = [Bool](repeating: false, count: parts.count + 1)
            for part in parts.indices where reached[part] {
                switch parts[part] {
                case .anyFolders: next[part] = true
                case .literal(let literal): if literal[...] == name { next[part + 1] = true }
                case .pattern(let atoms): if Self.matches(atoms, name) { next[part + 1] = true }
                }
            }
            reached = next
            spread(&reached)
            let isLast = index == names.count - 1
            if reached[parts.count], !isLast || isFolder || !foldersOnly { insideMatch = true }
        }
        if insideMatch { return .matches }
        return reached.dropLast().contains(true) ? .mayHold : .no
    }

    /// `**` may stand for no folder at all. At the end it needs at least one name, so nothing is added there.
    private func spread(_ reached: inout [Bool]) {
        for part in parts.indices where reached[part] && parts[part] == .anyFolders {
            // `a/**` matches `a` itself too, as in the toolkit: a folder is not packed, so this only opens it.
            reached[part + 1] = true
        }
    }

    /// Greedy matching with one point to come back to: at most atoms × characters steps.
    private static func matches(_ atoms: [Atom], _ name: ArraySlice<UInt8>) -> Bool {
        let scalars = Array(String(decoding: name, as: UTF8.self).unicodeScalars)
        var atom = 0
        var scalar = 0
        var back: (atom: Int, scalar: Int)?
        while scalar < scalars.count {
            if atom < atoms.count, atoms[atom] == .anyMany {
                back = (atom + 1, scalar)
                atom += 1
            } else if atom < atoms.count, matches(atoms[atom], scalars[scalar]) {
                atom += 1
                scalar += 1
            } else if let (resumed, from) = back {
                back = (resumed, from + 1)
                atom = resumed
                scalar = from + 1
            } else {
                return false
            }
        }
        return atoms[atom...].allSatisfy { $0 == .anyMany }
    }

    private static func matches(_ atom: Atom, _ scalar: Unicode.Scalar) -> Bool {
        switch atom {
        case .scalar(let wanted): wanted == scalar
        case .anyOne, .anyMany: true
        case .oneOf(let ranges, let negated): ranges.contains { $0.contains(scalar.value) } != negated
        }
    }
}

/// The `path:` of an upload: lines of patterns, of which later ones win.
package struct PathPatterns: Sendable, Equatable {
    package static let linesMax = 1000

    package let globs: [Glob]
    /// The lines that include something, as written.
    package var included: [String] { globs.filter { !$0.excludes }.map(\.text) }

    /// - Parameter lines: one pattern a line; empty lines and lines that start with `#` mean nothing.
    package init(_ lines: String, workspace: String?) throws(ArtifactError) {
        var globs: [Glob] = []
        for line in lines.split(whereSeparator: \.isNewline) {
            let text = Self.trimmed(line)
            guard !text.isEmpty, !text.hasPrefix("#") else { continue }
            globs.append(try Glob(text, workspace: workspace))
            guard globs.count <= Self.linesMax else {
                throw .tooMuch(limit: "patterns in one path", most: Self.linesMax)
            }
        }
        guard globs.contains(where: { !$0.excludes }) else {
            throw .badPattern(pattern: lines, problem: "it names nothing to include")
        }
        self.globs = globs
    }

    /// Where to search: the patterns' search paths without those that lie below another one.
    var searchPaths: [[[UInt8]]] {
        let all = globs.filter { !$0.excludes }.map(\.searchPath)
        var kept: [[[UInt8]]] = []
        for path in all where !all.contains(where: { $0.count < path.count && path.starts(with: $0) }) {
            if !kept.contains(path) { kept.append(path) }
        }
        return kept
    }

    /// What a path is to all lines together: the last line that matches decides.
    package func match(_ names: [ArraySlice<UInt8>], isFolder: Bool) -> Glob.Match {
        var matches = false
        var mayHold = false
        for glob in globs {
            switch glob.match(names, isFolder: isFolder) {
            case .matches: matches = !glob.excludes
            case .mayHold: if !glob.excludes { mayHold = true }
            case .no: continue
            }
        }
        return matches ? .matches : mayHold ? .mayHold : .no
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text.drop(while: \.isWhitespace)
        while let last = text.last, last.isWhitespace { text = text.dropLast() }
        return String(text)
    }
}
