import Artifacts
import Glibc
import Model

/// `actions/checkout`: the tree that was submitted is the only one there is. What asks for another one is told so.
extension AttemptDriver {
    func checkout(_ with: [String: String]) async throws -> [CommandFile.Entry] {
        guard let place else { throw AgentError.cancelled }
        try refuseOthers(with)
        var folder = place.folder.workspace
        if let path = with["path"], !path.isEmpty {
            let target = path.resolved(from: folder).standardizedPath
            guard target.isInside(folder) else {
                throw AgentError.user("checkout's path '\(path)' leads out of the workspace")
            }
            if target != folder { folder = try subfolder(target, of: folder) }
        }
        let manifest = try await unpackTree(into: folder, existing: .replace)
        let whole = try Folder(at: folder)
        if let depth = Submodules.depth(with["submodules"] ?? "") {
            let absent = try Submodules.absent(in: manifest, of: whole, deep: depth)
            guard absent.isEmpty else {
                throw AgentError.user(
                    "the submodule '\(absent[0].prefix(200))' was not there when the code was submitted"
                        + (absent.count > 1 ? ", nor \(absent.count - 1) more" : "")
                        + ": git submodule update --init --recursive, then submit again")
            }
        }
        if with["lfs"] == "true" {
            let pointers = try LargeFiles.pointers(in: manifest, of: whole)
            guard pointers.isEmpty else {
                let count = Spelling.counted(pointers.count, "file")
                throw AgentError.user(
                    "\(count) of the submitted tree \(pointers.count == 1 ? "is a pointer" : "are pointers") of Git LFS "
                        + "('\(pointers[0].prefix(200))'), and what they point to was not there: git lfs pull, then "
                        + "submit again")
            }
        }
        if let depth = with["fetch-depth"], depth != "1", !depth.isEmpty,
            Files.facts(folder + "/.git", followingLinks: false) == nil
        {
            output.say(
                "checkout: the code was submitted without git's history, so 'fetch-depth: \(depth)' has no effect")
        }
        checkedOutMetrics = Files.facts(metricsPath, followingLinks: false)
        for index in metricPatterns.indices {
            for path in try metricFiles(of: index) {
                checkedOutSources[path] = Files.facts(place.folder.workspace + "/" + path, followingLinks: false)
            }
        }
        return [
            .init(name: "ref", value: assignment.github("ref")), .init(name: "commit", value: assignment.github("sha")),
        ]
    }

    /// Another repository, or another commit of this one.
    private func refuseOthers(_ with: [String: String]) throws(AgentError) {
        let own = assignment.github("repository")
        if let repository = with["repository"], !repository.isEmpty, repository.lowercased() != own.lowercased() {
            throw AgentError.user(
                "checkout of another repository ('\(repository)') is not supported: only the submitted tree is here")
        }
        guard let ref = with["ref"], !ref.isEmpty else { return }
        let commit = assignment.github("sha")
        var names = [assignment.github("ref"), assignment.github("ref_name"), commit]
        if assignment.github("ref_type") == "branch" { names.append("refs/heads/" + names[1]) }
        // The head of a pull request, where that was submitted and not its merge.
        let head = assignment.context("github")["event"]?["pull_request"]?["head"]?["sha"]?.string
        if commit.isEmpty || head ?? commit == commit {
            let branch = assignment.github("head_ref")
            names += [head ?? "", branch, "refs/heads/" + branch]
        }
        guard names.contains(ref) else {
            throw AgentError.user(
                "checkout of '\(ref.prefix(200))' is not supported: only the submitted tree is here, which is "
                    + "'\(assignment.github("ref"))' at \(assignment.github("sha").prefix(12)); check the other one out and "
                    + "submit that")
        }
    }
}

/// Repositories within the one that was submitted. Those that were checked out there travel with it.
enum Submodules {
    private static let depthMax = 10
    private static let fileBytesMax = 1 << 20
    static let countMax = 10_000

    /// How deep `submodules` of checkout wants them; `nil`: not at all.
    static func depth(_ word: String) -> Int? {
        switch word.lowercased() {
        case "true": 1
        case "recursive": depthMax
        default: nil
        }
    }

    /// Paths of those that `.gitmodules` names and that have no file in the tree.
    static func absent(in manifest: Manifest, of folder: Folder, deep: Int) throws -> [String] {
        var absent: [String] = []
        var level = [""]
        var seen = 0
        for _ in 0..<deep where !level.isEmpty {
            var next: [String] = []
            for start in level {
                guard let file = try? TreePath(start + ".gitmodules"),
                    let bytes = try folder.bytes(of: file, bytesMax: fileBytesMax)
                else { continue }
                for path in paths(in: String(decoding: bytes, as: UTF8.self)) {
                    seen += 1
                    guard seen <= countMax else { throw AgentError.user("there are more than \(countMax) submodules") }
                    if holds(manifest, below: start + path) {
                        next.append(start + path + "/")
                    } else {
                        absent.append(start + path)
                    }
                }
            }
            level = next
        }
        return absent
    }

    /// `path = libs/x` of each section, as git reads its configuration; what is no path of a tree is passed over.
    static func paths(in text: String) -> [String] {
        var lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).map(String.init)[...]
        var paths: [String] = []
        while var line = lines.popFirst()?.trimmed {
            // A section's first value may stand beside its name.
            if line.hasPrefix("["), let end = Self.end(ofSection: line) {
                line = String(line[line.index(after: end)...]).trimmed
            }
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, String(parts[0]).trimmed.lowercased() == "path" else { continue }
            var value = String(parts[1])
            // A backslash at the end of a line goes on with the next.
            while value.hasSuffix("\\"), !value.hasSuffix("\\\\"), let next = lines.popFirst() {
                value = String(value.dropLast()) + next
            }
            if let path = Self.value(value), (try? TreePath(path)) != nil { paths.append(path) }
        }
        return paths
    }

    /// The bracket that ends `[submodule "a ] b"]`.
    private static func end(ofSection line: String) -> String.Index? {
        var (isQuoted, isEscaped) = (false, false)
        for index in line.indices {
            switch line[index] {
            case _ where isEscaped: isEscaped = false
            case "\\": isEscaped = true
            case "\"": isQuoted.toggle()
            case "]" where !isQuoted: return index
            default: break
            }
        }
        return nil
    }

    /// A value of git's configuration: quotations, escapes, and a comment behind it; `nil` where it is broken.
    private static func value(_ text: String) -> String? {
        var (value, kept) = ("", 0)
        var (isQuoted, isEscaped) = (false, false)
        for character in text.drop(while: { $0 == " " || $0 == "\t" }) {
            if isEscaped {
                switch character {
                case "n": value.append("\n")
                case "t": value.append("\t")
                case "b": value.append("\u{8}")
                case "\"", "\\": value.append(character)
                default: return nil
                }
                isEscaped = false
                kept = value.count
            } else if character == "\\" {
                isEscaped = true
            } else if character == "\"" {
                isQuoted.toggle()
                kept = value.count
            } else if !isQuoted, character == "#" || character == ";" {
                break
            } else {
                value.append(character)
                // Blanks at the end count within a quotation alone.
                if isQuoted || (character != " " && character != "\t") { kept = value.count }
            }
        }
        return isQuoted || isEscaped ? nil : String(value.prefix(kept))
    }

    private static func holds(_ manifest: Manifest, below path: String) -> Bool {
        let start = Array((path + "/").utf8)
        var (low, high) = (0, manifest.files.count)
        while low < high {
            let middle = low + (high - low) / 2
            if manifest.files[middle].path.bytes.lexicographicallyPrecedes(start) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low < manifest.files.count && manifest.files[low].path.bytes.starts(with: start)
    }
}

/// Git LFS: in a repository stand pointers, a line with this beginning first.
enum LargeFiles {
    private static let mark = Array("version https://git-lfs.github.com/spec/".utf8)
    /// A pointer is less than this, by Git LFS's own specification.
    private static let pointerBytesMax = 1024

    /// Paths of the files that are pointers still.
    static func pointers(in manifest: Manifest, of folder: Folder) throws -> [String] {
        let attributes = try manifest.files.filter { $0.path.text.hasSuffix(".gitattributes") }.contains { file in
            let bytes = try folder.bytes(of: file.path, bytesMax: 1 << 20) ?? []
            return String(decoding: bytes, as: UTF8.self).contains("filter=lfs")
        }
        // Who keeps no file there need not be asked for each.
        guard attributes else { return [] }
        return try manifest.files.filter { (mark.count...pointerBytesMax).contains($0.sizeBytes) }.compactMap { file in
            let bytes = try folder.bytes(of: file.path, bytesMax: pointerBytesMax) ?? []
            return bytes.starts(with: mark) ? file.path.text : nil
        }
    }
}
