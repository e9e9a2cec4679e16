import Glibc
package import Model

/// Which files of a folder make a tree.
package enum Selection: Sendable {
    /// Everything below the folder, without files and folders of these names, wherever they are.
    case everything(except: Set<String>)
    /// These files, relative to the folder; those that are gone are left out (git lists what it tracks, not what is).
    case files([TreePath])
    /// What the lines of an upload's `path` match.
    ///
    /// - `hidden`: whether names that start with a dot count; GitHub's default is no.
    case patterns(PathPatterns, hidden: Bool)
}

/// What a selection found: files and symbolic links, in path order, as they were at that moment.
package struct TreeScan: Sendable {
    struct Found: Sendable {
        /// In the packed tree: relative to `base`.
        var path: TreePath
        var facts: FileFacts
        /// Where a symbolic link points to.
        var target: [UInt8]?
    }

    /// The folder that the tree's paths start from: with patterns, the least common ancestor of their search paths.
    package let base: Folder
    /// A folder from elsewhere that stands in the tree's root.
    let aside: FolderWalk.Aside?
    let found: [Found]
    /// The clock when the scan began, in nanoseconds since 1970.
    let startedNanoseconds: Int64
    /// Patterns without special characters that matched nothing: worth a warning.
    package let unmatched: [String]
    /// Symbolic links to folders below which a pattern might have matched something: they are not followed (GitHub's
    /// own action does), which is worth a warning too.
    package let unfollowed: [String]

    package var isEmpty: Bool { found.isEmpty }
    package var count: Int { found.count }
    package var contentBytes: Int { found.reduce(0) { $0 + ($1.target == nil ? $1.facts.sizeBytes : 0) } }
    /// What is neither a folder nor a link, by its path below `base`.
    package var files: [TreePath] { found.compactMap { $0.target == nil ? $0.path : nil } }
    /// The paths in the packed tree.
    package var paths: [String] { found.map(\.path.text) }

    /// Looks at every file that is selected, and opens none.
    ///
    /// - Parameter now: the time; `nil` asks the clock.
    /// - Throws: `ArtifactError`, for the first thing that cannot be packed.
    package init(of root: Folder, _ selection: Selection, at now: Instant? = nil) throws(ArtifactError) {
        let started = now?.nanoseconds ?? Self.clock()
        switch selection {
        case .everything(let excluded):
            self = try Self.everything(below: root, except: excluded, started)
        case .files(let paths):
            self = try Self.listed(paths, below: root, started)
        case .patterns(let patterns, let hidden):
            self = try Self.matching(patterns, below: root, hidden: hidden, started)
        }
        for entry in found { try Self.verify(entry) }
    }

    /// The same tree with a folder more, which lies elsewhere: all that is in it.
    ///
    /// - Parameter name: of the folder in the tree's root, where nothing else may have it.
    package func adding(_ folder: Folder, as name: String) throws(ArtifactError) -> TreeScan {
        let start = Array(name.utf8)
        precondition(aside == nil && TreePath.problem(start) == nil)
        let taken = found.first { $0.path.bytes == start || $0.path.bytes.starts(with: start + [UInt8(ascii: "/")]) }
        if let taken { throw .unusablePath(path: taken.path.text, problem: "the name is taken") }
        var walker = Walker(root: folder)
        try walker.walk(folder, path: start) { _, _ in .matches }
        return try TreeScan(
            base: base, found: found + walker.found, started: startedNanoseconds, unmatched: unmatched,
            unfollowed: unfollowed, aside: .init(name: name, folder: folder))
    }

    private static func clock() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    private init(
        base: Folder, found: [Found], started: Int64, unmatched: [String] = [], unfollowed: [String] = [],
        aside: FolderWalk.Aside? = nil
    ) throws(ArtifactError) {
        self.base = base
        self.aside = aside
        self.found = found.sorted { $0.path < $1.path }
        self.unmatched = unmatched
        self.unfollowed = unfollowed
        startedNanoseconds = started
        guard found.count <= Limits.treeFilesMax else { throw .tooMuch(limit: "files", most: Limits.treeFilesMax) }
        var total = 0
        for entry in found where entry.target == nil { total += entry.facts.sizeBytes }
        guard total <= TreeLimits.contentBytesMax else {
            throw .tooMuch(limit: "bytes in one tree", most: TreeLimits.contentBytesMax)
        }
    }

    private static func everything(
        below root: Folder, except excluded: Set<String>, _ started: Int64
    ) throws(ArtifactError) -> TreeScan {
        var walker = Walker(root: root)
        try walker.walk(root, path: []) { names, _ in
            excluded.contains(String(decoding: names[names.count - 1], as: UTF8.self)) ? .no : .matches
        }
        return try TreeScan(base: root, found: walker.found, started: started)
    }

    private static func listed(
        _ paths: [TreePath], below root: Folder, _ started: Int64
    ) throws(ArtifactError) -> TreeScan {
        var walk = FolderWalk(below: root)
        var found: [Found] = []
        var before: TreePath?
        for path in paths.sorted() where path != before {
            before = path
            do {
                let (folder, name) = try walk.parent(of: path)
                if let entry = try look(at: name, in: folder, path: path) { found.append(entry) }
            } catch ArtifactError.missing {
                // Its folder is gone with it.
                continue
            }
        }
        return try TreeScan(base: root, found: found, started: started)
    }

    /// - Returns: `nil` when nothing has this name.
    private static func look(at name: String, in folder: Folder, path: TreePath) throws(ArtifactError) -> Found? {
        guard let facts = folder.facts(of: name) else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw SystemCode.fault("looking at \(path)")
        }
        switch facts.kind {
        case .regular: return Found(path: path, facts: facts)
        case .link: return Found(path: path, facts: facts, target: try folder.target(of: name))
        case .directory: throw .submodule(path: path.text)
        case .special(let kind): throw .special(path: path.text, kind: kind)
        }
    }

    private static func matching(
        _ patterns: PathPatterns, below root: Folder, hidden: Bool, _ started: Int64
    ) throws(ArtifactError) -> TreeScan {
        var walker = Walker(root: root)
        let searchPaths = patterns.searchPaths
        for path in searchPaths { try search(path, patterns, hidden: hidden, root: root, walker: &walker) }

        walker.found.sort { $0.path < $1.path }
        let unmatched = patterns.globs.filter { glob in
            glob.isLiteral && !glob.excludes && !holds(walker.found, atOrBelow: glob.searchPath)
        }
        // One search path that is the one file found: the tree starts at its folder. One that is a folder: there.
        // Several: at their least common ancestor.
        var base = searchPaths[0]
        if searchPaths.count > 1 {
            for path in searchPaths.dropFirst() { base = zip(base, path).prefix { $0 == $1 }.map(\.0) }
        }
        if walker.found.contains(where: { $0.path.parts.count == base.count }) { base.removeLast() }
        let prefix = base.reduce(0) { $0 + $1.count + 1 }
        let found = walker.found.map { entry in
            var entry = entry
            entry.path = TreePath(trusted: Array(entry.path.bytes.dropFirst(prefix)))
            return entry
        }
        let folder =
            found.isEmpty || base.isEmpty ? root : try root.subfolder(path(of: base), creating: false, owner: nil)
        let scan = try TreeScan(
            base: folder, found: found, started: started, unmatched: unmatched.map(\.text),
            unfollowed: walker.unfollowed)
        try scan.verifyLinkTargets()
        return scan
    }

    /// Whether sorted entries hold this path, or one below it.
    private static func holds(_ found: [Found], atOrBelow names: [[UInt8]]) -> Bool {
        let path = Array(names.joined(separator: [UInt8(ascii: "/")]))
        guard !path.isEmpty else { return !found.isEmpty }
        return [path, path + [UInt8(ascii: "/")]].contains { wanted in
            var low = 0
            var high = found.count
            while low < high {
                let middle = low + (high - low) / 2
                if found[middle].path.bytes.lexicographicallyPrecedes(wanted) {
                    low = middle + 1
                } else {
                    high = middle
                }
            }
            guard low < found.count else { return false }
            let there = found[low].path.bytes
            return wanted.last == UInt8(ascii: "/") ? there.starts(with: wanted) : there == wanted
        }
    }

    private static func path(of names: [[UInt8]]) throws(ArtifactError) -> TreePath {
        try TreePath(Array(names.joined(separator: [UInt8(ascii: "/")])))
    }

    private static func search(
        _ start: [[UInt8]], _ patterns: PathPatterns, hidden: Bool, root: Folder, walker: inout Walker
    ) throws(ArtifactError) {
        let matches = { (names: [ArraySlice<UInt8>], isFolder: Bool) -> Glob.Match in
            if !hidden, names.count >= start.count, names[names.count - 1].first == UInt8(ascii: ".") { return .no }
            return patterns.match(names, isFolder: isFolder)
        }
        guard !start.isEmpty else { return try walker.walk(root, path: [], matches) }
        let path = try path(of: start)
        do {
            var walk = FolderWalk(below: root)
            let (folder, name) = try walk.parent(of: path)
            try walker.visit(
                name: path.parts[path.parts.count - 1], text: name, in: folder, path: path.bytes, isStart: true,
                matches)
        } catch ArtifactError.missing {
            // Nothing is there: `unmatched` says so.
            return
        }
    }

    /// What an artifact points to it must hold: whoever reads it elsewhere has nothing else.
    private func verifyLinkTargets() throws(ArtifactError) {
        let links = found.filter { $0.target != nil }
        guard !links.isEmpty else { return }
        var held: Set<ArraySlice<UInt8>> = [[]]
        for entry in found {
            held.insert(entry.path.bytes[...])
            var parent = entry.path.parent
            while !parent.isEmpty, held.insert(parent).inserted {
                parent = parent.prefix(parent.lastIndex(of: UInt8(ascii: "/")) ?? 0)
            }
        }
        for link in links {
            guard let target = link.target, link.path.allowsLink(to: target) else { continue }
            guard held.contains(link.path.destination(of: target)[...]) else {
                throw .linkDangles(path: link.path.text, target: String(decoding: target, as: UTF8.self))
            }
        }
    }

    private static func verify(_ entry: Found) throws(ArtifactError) {
        guard let target = entry.target, !entry.path.allowsLink(to: target) else { return }
        throw .linkLeaves(path: entry.path.text, target: String(decoding: target, as: UTF8.self))
    }
}

/// What an upload that finds nothing does: `if-no-files-found`.
package enum NoFilesPolicy: String, Sendable, CaseIterable { case warn, error, ignore }

extension TreeScan {
    /// What the step's log should say about the upload.
    ///
    /// - Throws: `ArtifactError.nothingFound` when the policy is `error` and nothing was found.
    package func warnings(_ policy: NoFilesPolicy, for patterns: PathPatterns) throws(ArtifactError) -> [String] {
        let links = unfollowed.map { "\($0) is a symbolic link to a folder and was not followed" }
        guard isEmpty else { return unmatched.map { "`\($0)` matches no file" } + links }
        switch policy {
        case .ignore: return []
        case .warn:
            let names = patterns.included.map { "`\($0)`" }.joined(separator: ", ")
            return ["no file matches \(names): nothing is uploaded"] + links
        case .error: throw .nothingFound(patterns: patterns.included)
        }
    }
}

/// Walks folders depth first and collects what matches.
private struct Walker {
    let root: Folder
    var found: [TreeScan.Found] = []
    var unfollowed: [String] = []

    typealias Matches = (_ names: [ArraySlice<UInt8>], _ isFolder: Bool) -> Glob.Match

    init(root: Folder) { self.root = root }

    mutating func walk(_ folder: Folder, path: [UInt8], _ matches: Matches) throws(ArtifactError) {
        for name in try folder.names() {
            let text = String(decoding: name, as: UTF8.self)
            let full = path.isEmpty ? name : path + [UInt8(ascii: "/")] + name
            try visit(name: name[...], text: text, in: folder, path: full, matches)
        }
    }

    mutating func visit(
        name: ArraySlice<UInt8>, text: String, in folder: Folder, path bytes: [UInt8], isStart: Bool = false,
        _ matches: Matches
    ) throws(ArtifactError) {
        let names = bytes.split(separator: UInt8(ascii: "/"))
        // A name that is not UTF-8 would be looked up under another name: say so, where it is wanted at all.
        if String(validating: name, as: UTF8.self) == nil {
            guard matches(names, false) == .matches else { return }
            throw .unusablePath(path: folder.below(text), problem: "the name is not UTF-8")
        }
        guard let facts = folder.facts(of: text) else {
            // Removed since it was listed.
            if errno == ENOENT { return }
            throw SystemCode.fault("looking at \(folder.below(text))")
        }
        switch (facts.kind, matches(names, facts.kind == .directory)) {
        case (.directory, .matches), (.directory, .mayHold):
            guard names.count < TreeLimits.depthMax else {
                throw .tooMuch(limit: "folders inside each other at \(folder.path)", most: TreeLimits.depthMax)
            }
            try walk(try folder.child(name, creating: false, owner: nil).folder, path: bytes, matches)
        case (.regular, .matches):
            try append(TreeScan.Found(path: TreePath(bytes), facts: facts))
        case (.link, .matches):
            try append(TreeScan.Found(path: TreePath(bytes), facts: facts, target: folder.target(of: text)))
        case (.special(let kind), .matches):
            throw .special(path: String(decoding: bytes, as: UTF8.self), kind: kind)
        case (.link, .mayHold):
            let path = String(decoding: bytes, as: UTF8.self)
            // The part of a pattern without special characters was to be searched: that is a promise.
            guard !isStart else { throw .throughLink(path: path, link: path) }
            if folder.leadsToFolder(text) { unfollowed.append(path) }
        case (.regular, _), (.link, .no), (.special, _), (.directory, .no):
            return
        }
    }

    private mutating func append(_ entry: TreeScan.Found) throws(ArtifactError) {
        found.append(entry)
        guard found.count <= Limits.treeFilesMax else { throw .tooMuch(limit: "files", most: Limits.treeFilesMax) }
    }
}
