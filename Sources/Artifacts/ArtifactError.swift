package import Model

/// Why bytes could not be packed, stored, sent or unpacked.
package enum ArtifactError: Error, Equatable, Sendable {
    // The user's mistakes: the same tree fails again.

    /// Nothing exists at this path.
    case missing(path: String)
    /// A path or a pattern names something that is not below the workspace.
    case outside(path: String)
    /// A path goes through a symbolic link instead of naming what is there.
    case throughLink(path: String, link: String)
    /// A symbolic link is absolute, or leads out of the tree, or has `..` after a name.
    case linkLeaves(path: String, target: String)
    /// A symbolic link points to something that the artifact does not hold.
    case linkDangles(path: String, target: String)
    /// A FIFO, a socket, a device.
    case special(path: String, kind: String)
    /// A repository inside the repository.
    case submodule(path: String)
    /// A path that no tree can hold: not UTF-8, too long, an odd part.
    case unusablePath(path: String, problem: String)
    case badPattern(pattern: String, problem: String)
    /// No file matches, and the step wants that to be an error.
    case nothingFound(patterns: [String])
    /// A limit, named, and how many or how much it allows.
    case tooMuch(limit: String, most: Int)
    /// A file that was written, replaced or removed while it was read.
    case changed(path: String)

    // What was received or found on disk is not what its name says.

    /// A manifest that breaks a rule.
    case badManifest(problem: String)
    /// Bytes that do not hash to their name, or cannot be decompressed to their size.
    case damaged(Digest, problem: String)
    /// An object that is not there.
    case absent(Digest)
    /// An object that was there, was found damaged, and is out of the way since.
    case setAside(Digest, at: Instant)

    // Faults of the machine: later it may work.

    /// The place where a file must go is taken by something else.
    case taken(path: String, problem: String)
    case diskFull(doing: String)
    /// Another process has this store open.
    case storeInUse(folder: String)
    case system(code: Int32, doing: String)
}

extension ArtifactError {
    /// Who can do something about it.
    package enum Blame: Sendable {
        /// The workflow's author: trying again changes nothing.
        case user
        /// Whoever sent or kept the bytes.
        case sender
        /// The machine.
        case machine
    }

    package var blame: Blame {
        switch self {
        case .missing, .outside, .throughLink, .linkLeaves, .linkDangles, .special, .submodule, .unusablePath,
            .badPattern, .nothingFound, .tooMuch, .changed, .taken:
            .user
        case .badManifest, .damaged, .absent, .setAside: .sender
        case .diskFull, .storeInUse, .system: .machine
        }
    }

    package var isDiskFull: Bool {
        if case .diskFull = self { true } else { false }
    }
}

extension ArtifactError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .missing(let path):
            "\(path): there is no such file\n  help: make the file before it is packed, or correct the path"
        case .outside(let path):
            "\(path): lies outside the workspace\n  help: name a path below the workspace, without `..`"
        case .throughLink(let path, let link):
            (path == link ? "\(path): is a symbolic link\n" : "\(path): goes through the symbolic link \(link)\n")
                + "  help: links are not followed: copy the file to a place below the workspace"
        case .linkLeaves(let path, let target):
            "\(path): the symbolic link points to \(target), which may lie outside the tree\n"
                + "  help: make the link relative, with `..` only at its start, or leave it out"
        case .linkDangles(let path, let target):
            "\(path): the symbolic link points to \(target), which is not part of the artifact\n"
                + "  help: add the link's target to the paths, or copy the file"
        case .special(let path, let kind):
            "\(path): is a \(kind), which cannot be packed\n  help: remove it or leave it out"
        case .submodule(let path):
            "\(path): is a repository of its own (a submodule), which is not supported yet\n"
                + "  help: ignore it, or add its files to this repository"
        case .unusablePath(let path, let problem):
            "\(path): \(problem)\n  help: rename it or leave it out"
        case .badPattern(let pattern, let problem):
            "`\(pattern)`: \(problem)"
        case .nothingFound(let patterns):
            "no file matches \(patterns.map { "`\($0)`" }.joined(separator: ", "))\n"
                + "  help: correct the path, or set if-no-files-found to warn or ignore"
        case .tooMuch(let limit, let most):
            "more than \(most) \(limit)\n  help: pack less, for example by a narrower path"
        case .changed(let path):
            "\(path): changed while it was read\n  help: wait until whoever writes it has ended"
        case .badManifest(let problem): "not a manifest: \(problem)"
        case .damaged(let digest, let problem): "object \(digest.short) is damaged: \(problem)"
        case .absent(let digest): "object \(digest.short) is not there"
        case .setAside(let digest, let instant):
            "object \(digest.short) was damaged and moved aside on \(instant.utc)\n"
                + "  help: whoever has its bytes can send them again; what was found lies in the store's folder damaged"
        case .taken(let path, let problem): "\(path): cannot be written: \(problem)"
        case .diskFull(let doing): "the disk is full: \(doing)\n  help: free space there"
        case .storeInUse(let folder):
            "\(folder): another process uses this store\n  help: stop it, or use another folder"
        case .system(let code, let doing): "\(doing): \(SystemCode.text(code))"
        }
    }
}
