import Model

/// Which files of a work tree travel to the agents: what git tracks, and what it neither tracks nor ignores.
package enum CodeTree {
    /// What git must be asked, in the folder that is to be packed.
    package static let gitArguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]

    /// Left out where no git says what belongs to the tree.
    package static let excludedNames: Set<String> = [".git", ".sheaf"]

    /// Outside a repository: everything but our own state and git's.
    package static var everything: Selection { .everything(except: excludedNames) }

    /// - Parameter listing: what git wrote: paths, each with a zero byte behind it.
    /// - Throws: `ArtifactError.unusablePath`, and `.submodule` for an untracked repository inside this one.
    package static func selection(listing: [UInt8]) throws(ArtifactError) -> Selection {
        var paths: [TreePath] = []
        for entry in listing.split(separator: 0) {
            if entry.last == UInt8(ascii: "/") {
                throw .submodule(path: String(decoding: entry.dropLast(), as: UTF8.self))
            }
            let path = try TreePath(Array(entry))
            // `.sheaf` holds the state of `sheaf run`, keys among it, wherever that was started.
            guard !path.parts.contains(where: { $0.elementsEqual(".sheaf".utf8) }) else { continue }
            paths.append(path)
            guard paths.count <= Limits.treeFilesMax else {
                throw .tooMuch(limit: "files", most: Limits.treeFilesMax)
            }
        }
        return .files(paths)
    }
}
