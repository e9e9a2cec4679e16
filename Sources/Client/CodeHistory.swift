import Artifacts
import Glibc
import Model
import Programs

/// A `.git` that travels with the code: the commit that is checked out, with as much before it as a workflow asks for, and
/// nothing of this machine's configuration, hooks and local branches.
enum CodeHistory {
    static let folderName = ".git"

    /// Makes it in a new folder, which the caller removes.
    ///
    /// - Parameter repository: where git finds the commits; that may be a shallow clone, or a work tree beside another.
    /// - Returns: the new folder; `folderName` lies in it.
    /// - Throws: `ClientError` when git fails: less history than asked for would be a lie.
    static func make(
        _ wanted: HistoryWanted, of repository: String, _ origin: CodePacking.Origin, remote: String
    ) throws(ClientError) -> String {
        var template = Array("/tmp/sheaf-history-XXXXXX".utf8CString)
        guard unsafe mkdtemp(&template) != nil else { throw ClientError("no temporary folder can be made in /tmp") }
        let place = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        do throws(ClientError) {
            try fill(place, wanted, repository, origin, remote)
        } catch {
            remove(place)
            throw error
        }
        return place
    }

    static func remove(_ place: String) { _ = Program.output("rm", ["-rf", "--", place]) }

    private static func fill(
        _ place: String, _ wanted: HistoryWanted, _ repository: String, _ origin: CodePacking.Origin, _ remote: String
    ) throws(ClientError) {
        try git(["init", "--quiet", "--template=", "--initial-branch=main", place], in: "/")
        var fetch = [
            // One pack, made the same way each time.
            "-c", "fetch.unpackLimit=1", "-c", "gc.auto=0", "-c", "protocol.file.allow=always", "fetch", "--quiet",
            "--no-write-fetch-head", "--update-shallow", "--no-recurse-submodules",
            // Any commit may be asked for, a detached one too.
            "--upload-pack=git -c pack.threads=1 -c uploadpack.allowAnySHA1InWant=true upload-pack",
            wanted.tags ? "--tags" : "--no-tags",
        ]
        if let depth = wanted.depth { fetch.append("--depth=\(depth)") }
        fetch += [repository, origin.commit]
        if wanted.depth == nil { fetch.append("+refs/remotes/origin/*:refs/remotes/origin/*") }
        try git(fetch, in: place)
        if origin.branch.isEmpty {
            try git(["update-ref", "--no-deref", "HEAD", origin.commit], in: place)
        } else {
            try git(["update-ref", "refs/heads/\(origin.branch)", origin.commit], in: place)
            try git(["symbolic-ref", "HEAD", "refs/heads/\(origin.branch)"], in: place)
        }
        try git(["read-tree", "HEAD"], in: place)
        if let address = address(of: remote) {
            try git(["config", "remote.origin.url", address], in: place)
            try git(["config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"], in: place)
        }
    }

    /// A remote without the name and the password that may stand in it; `nil` for a folder of this machine.
    static func address(of remote: String) -> String? {
        guard let mark = remote.firstRange(of: "://") else {
            // `git@host:owner/name`
            return remote.hasPrefix("/") || remote.hasPrefix(".") || !remote.contains(":") ? nil : remote
        }
        let scheme = remote[..<mark.lowerBound]
        guard scheme != "file" else { return nil }
        let rest = remote[mark.upperBound...]
        let end = rest.firstIndex(of: "/") ?? rest.endIndex
        guard scheme != "ssh", let at = rest[..<end].lastIndex(of: "@") else { return remote }
        return "\(scheme)://\(rest[rest.index(after: at)...])"
    }

    private static func git(_ arguments: [String], in folder: String) throws(ClientError) {
        // A log of who moved what when would differ from second to second, and name people of this machine.
        let words = ["-C", folder, "-c", "core.logAllRefUpdates=false"] + arguments
        guard case .failure(let failure) = Program.run(.init("git", words)) else { return }
        let line = failure.complaint.split(whereSeparator: \.isNewline).last.map { ": \($0.prefix(300))" } ?? ""
        throw ClientError("git's history cannot be packed: \(failure.problem)\(line)")
    }
}
