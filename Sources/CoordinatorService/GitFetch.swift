import Glibc
import Model
import Programs

/// Fetches one commit of a repository that nobody here knows or trusts, into a folder: its files, and nothing of git.
///
/// Git gets no configuration but what stands here, no hooks, no credentials, one protocol, bounded time, memory and
/// files. Objects are read, never run; submodules are not fetched.
struct GitFetch: Sendable {
    struct Bounds: Equatable, Sendable {
        /// Of all commands together.
        var time = Duration.seconds(120)
        /// One file of git's own: a pack.
        var packBytesMax = 512 << 20
        /// Of the commit's files, unpacked.
        var contentBytesMax = 256 << 20
        var filesMax = 20_000
        /// Address space of one command.
        var memoryBytesMax = 4 << 30
        var processorSecondsMax = 300
    }

    struct Problem: Error, Equatable {
        var text: String
        /// Asking again may help: the network, the server, this machine was in the way.
        var mayPass: Bool
    }

    let rules: ActionRules
    var bounds = Bounds()

    /// Blocks until the files are there.
    ///
    /// - Parameter folder: does not exist yet; what was made of it when this throws is the caller's to remove.
    func fetch(_ repository: String, at commit: String, into folder: String) throws(Problem) {
        let deadline = ContinuousClock.now.advanced(by: bounds.time)
        let address = rules.address(of: repository)
        let what = "\(repository)@\(commit.prefix(12))"
        try git(["init", "--quiet", "--template=", "--object-format=sha1", folder], in: "/", what, deadline)
        try git(
            [
                "fetch", "--quiet", "--no-tags", "--depth=1", "--no-recurse-submodules", "--no-write-fetch-head",
                "--no-auto-maintenance", "--", address, commit,
            ], in: folder, what, deadline)
        // What a server sends under the name of a commit hashes to that name: git has compared it.
        try git(["cat-file", "-e", "\(commit)^{commit}"], in: folder, what, deadline)
        try measure(try git(["ls-tree", "-r", "-l", "-z", "--full-tree", commit], in: folder, what, deadline), what)
        try git(["read-tree", commit], in: folder, what, deadline)
        try git(["checkout-index", "--all", "--quiet"], in: folder, what, deadline)
    }

    /// `100644 blob DIGEST    SIZE\tpath`, ended by a zero byte: what unpacking would make.
    private func measure(_ listing: [UInt8], _ what: String) throws(Problem) {
        var (files, bytes) = (0, 0)
        for entry in listing.split(separator: 0) {
            let words = entry.prefix { $0 != UInt8(ascii: "\t") }.split(separator: UInt8(ascii: " "))
            guard words.count == 4 else {
                throw Problem(text: "\(what): git lists what nobody understands", mayPass: false)
            }
            files += 1
            // A submodule has no size.
            bytes += Int(String(decoding: words[3], as: UTF8.self)) ?? 0
            guard files <= bounds.filesMax, bytes <= bounds.contentBytesMax else {
                throw Problem(
                    text: "\(what) is too large: an action's repository has at most \(bounds.filesMax) files, and "
                        + "\(ByteCount(Int64(bounds.contentBytesMax)))", mayPass: false)
            }
        }
    }

    @discardableResult
    private func git(
        _ arguments: [String], in folder: String, _ what: String, _ deadline: ContinuousClock.Instant
    ) throws(Problem) -> [UInt8] {
        var order = Program.Order("git", Self.configuration.flatMap { ["-c", $0] } + arguments)
        order.directory = folder
        order.environment = Self.environment(protocol: rules.scheme, folder: folder)
        order.outputBytesMax = bounds.filesMax * 512
        order.timeout = max(.milliseconds(1), ContinuousClock.now.duration(to: deadline))
        order.limits = [
            (UInt32(RLIMIT_FSIZE.rawValue), UInt64(bounds.packBytesMax)),
            (UInt32(RLIMIT_AS.rawValue), UInt64(bounds.memoryBytesMax)),
            (UInt32(RLIMIT_CPU.rawValue), UInt64(bounds.processorSecondsMax)),
            (UInt32(RLIMIT_CORE.rawValue), 0),
        ]
        switch Program.run(order) {
        case .success(let answer): return answer.output
        case .failure(let failure): throw problem(failure, arguments[0], what)
        }
    }

    private static let configuration = [
        "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.bigFileThreshold=16m", "core.autocrlf=false",
        "core.symlinks=true", "core.protectHFS=true", "core.protectNTFS=true", "fetch.unpackLimit=1",
        "transfer.fsckObjects=false", "submodule.recurse=false", "gc.auto=0", "maintenance.auto=false",
        "pack.threads=1", "index.threads=1", "credential.helper=", "http.followRedirects=initial",
        "http.lowSpeedLimit=1000", "http.lowSpeedTime=30", "protocol.version=2", "advice.detachedHead=false",
    ]

    /// What git finds: nothing of whoever started the coordinator but the way to the network.
    private static func environment(protocol scheme: String, folder: String) -> [String] {
        var environment = [
            "PATH=" + (variable("PATH") ?? "/usr/local/bin:/usr/bin:/bin"), "HOME=" + folder, "LC_ALL=C.UTF-8",
            "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
            "GIT_ASKPASS=/bin/false", "SSH_ASKPASS=/bin/false", "GIT_ALLOW_PROTOCOL=" + scheme,
            "GIT_SSH_COMMAND=ssh -oBatchMode=yes", "GIT_LFS_SKIP_SMUDGE=1", "GIT_CEILING_DIRECTORIES=" + folder,
        ]
        for name in [
            "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
            "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "SSH_AUTH_SOCK",
        ] {
            if let value = variable(name) { environment.append("\(name)=\(value)") }
        }
        return environment
    }

    private static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    /// What git says of a repository or a commit that is not there, or not for strangers.
    private static let lasting = [
        "not our ref", "couldn't find remote ref", "not found", "does not appear to be a git repository",
        "could not read Username", "could not read Password", "Authentication failed", "Permission denied",
        "no such remote ref", "does not exist", "unadvertised object", "returned error: 403", "returned error: 401",
    ]

    private func problem(_ failure: Program.Failure, _ command: String, _ what: String) -> Problem {
        // The last line that is git's own.
        let lines = failure.complaint.split(whereSeparator: \.isNewline)
        let line = lines.last { $0.hasPrefix("fatal:") || $0.hasPrefix("error:") } ?? lines.last ?? ""
        let said = line.isEmpty ? failure.problem : "\(failure.problem): \(line.prefix(300))"
        if failure.isLate {
            return Problem(
                text: "\(what) could not be fetched from \(rules.server) within \(bounds.time.components.seconds) s",
                mayPass: true)
        }
        // A pack that grows beyond the kernel's limit ends the program that writes it; git then says no more than this. A
        // connection that was cut says more.
        let isCut = ["early EOF", "unexpected disconnect", "hung up"].contains { failure.complaint.contains($0) }
        if command == "fetch", failure.complaint.contains("invalid index-pack output"), !isCut {
            return Problem(
                text: "\(what) is too large or damaged: a repository of actions has at most "
                    + "\(ByteCount(Int64(bounds.packBytesMax))) packed", mayPass: false)
        }
        guard command == "fetch" else {
            return Problem(text: "\(what): git \(command) failed: \(said)", mayPass: false)
        }
        let isLasting = Self.lasting.contains { failure.complaint.contains($0) }
        return Problem(text: "\(what) cannot be fetched from \(rules.server): \(said)", mayPass: !isLasting)
    }
}
