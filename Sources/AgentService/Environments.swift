import Glibc
import Locks
import Model

/// An environment that was built: immutable, and shared by all who need the same.
struct BuiltEnvironment: Sendable, Equatable {
    var key: Digest
    /// `<folder>/base` is the virtual environment, where there is an interpreter.
    var folder: String
    var interpreter: Interpreter?
    /// Packages and interpreter, one per line.
    var lock: String

    var base: String { folder + "/base" }
    /// `bin` and `lib/python3.11/site-packages` of the base.
    var sitePackages: String {
        let numbers = (interpreter?.version ?? "").split(separator: ".").prefix(2).joined(separator: ".")
        return "lib/python\(numbers)/site-packages"
    }
}

/// Keeps an environment from being removed for as long as somebody holds this.
final class EnvironmentUse: Sendable {
    private let lock: CInt
    fileprivate init(adopting lock: CInt) { self.lock = lock }
    /// Lets others use it too; one that cannot be shared now stays its holder's alone.
    fileprivate func share() { _ = flock(lock, LOCK_SH | LOCK_NB) }
    /// Lets go of the lock before its descriptor: a child that was started and has not called exec yet holds that, too.
    deinit {
        _ = flock(lock, LOCK_UN)
        close(lock)
    }
}

/// The environments of an agent: each built once per key, however many attempts ask for it at the same time.
///
/// `<folder>/<key>/base` is where an environment is built and where it stays, for a virtual environment holds its own path
/// in many files and cannot be moved. `complete` beside it, written last, is what makes it one; whatever has none is the
/// rest of a failed or interrupted build and is removed. Whoever builds or removes one has its lock file alone, whoever
/// uses it shares it with others, in whatever process; the kernel lets go of it when they end.
final class Environments: Sendable {
    let folder: String
    private let claims = Mutex(Claims())
    private let builds = Mutex(0)
    /// Keys that were worked out before, so that the code tree need not be unpacked again.
    private let known = Mutex([String: Digest]())

    private struct Claims {
        var held: Set<Digest> = []
        var waiters: [Digest: [(id: UInt64, continuation: CheckedContinuation<Bool, Never>)]] = [:]
        var nextID: UInt64 = 0
    }

    init(in folder: String) throws(AgentError) {
        self.folder = folder
        try Files.makeFolder(folder, mode: 0o755)
    }

    /// How many environments this process has built.
    var buildCount: Int { builds.withLock { $0 } }

    func knownKey(_ recipe: String) -> Digest? { known.withLock { $0[recipe] } }
    func remember(_ recipe: String, _ key: Digest) {
        known.withLock { known in
            if known.count >= 10_000 { known.removeAll() }
            known[recipe] = key
        }
    }

    /// What somebody waits for, in words for the log.
    enum Waiting: String {
        case build = "another attempt builds the environment: waiting"
        case use = "the environment was changed after it was built: it is built anew when those who use it have ended"
    }

    /// Gives the environment of a key, built by `build` unless it is there. Others who want it wait until it is built, and not for
    /// those who use it; when the one who builds it fails or is cancelled, the next one tries.
    ///
    /// - Parameter waiting: called before each kind of waiting, once.
    /// - Parameter build: fills the folder's `base`, and returns the lock's text.
    /// - Returns: the environment, whether it was there already, and what keeps it there.
    func get(
        _ key: Digest, interpreter: Interpreter?, waiting: @Sendable (Waiting) -> Void = { _ in },
        isolation: isolated (any Actor)? = #isolation, build: (_ folder: String) async throws -> String
    ) async throws -> (environment: BuiltEnvironment, isHit: Bool, use: EnvironmentUse) {
        if let (found, use) = try shared(key, interpreter) { return (found, true, use) }
        try await claim(key) { waiting(.build) }
        defer { release(key) }
        let use: EnvironmentUse
        switch try await take(key, interpreter, waiting) {
        case .found(let found, let use): return (found, true, use)
        case .absent(let alone): use = alone
        }
        let place = folder + "/" + key.hex
        let leftovers = Files.removeTree(place)
        guard leftovers.isEmpty else { throw AgentError.system("remove the unfinished environment \(place)", EBUSY) }
        try Files.makeFolder(place, mode: 0o755)
        do {
            let text = try await build(place)
            try Task.checkCancellation()
            Self.freeze(place)
            try Files.replace(place + "/lock.txt", with: Array(text.utf8), mode: 0o644)
            try Files.replace(place + "/bytes", with: Array("\(Self.bytes(of: place))\n".utf8), mode: 0o644)
            try Files.replace(place + "/seal", with: Array(Self.seal(of: place + "/base").utf8), mode: 0o644)
            try Files.replace(place + "/complete", with: Array("\(key)\n".utf8), mode: 0o644)
        } catch {
            Files.removeTree(place)
            throw error
        }
        builds.withLock { $0 += 1 }
        // Nobody removes it in between: what was just used goes last, and a lock that cannot be shared is kept alone.
        use.share()
        guard let built = find(key, interpreter) else {
            throw AgentError.system("read the environment just built at \(place)", EIO)
        }
        return (built, false, use)
    }

    /// The complete environment of a key, if it is there and nobody has touched it since.
    private func find(_ key: Digest, _ interpreter: Interpreter?) -> BuiltEnvironment? {
        let place = folder + "/" + key.hex
        guard Files.exists(place + "/complete"), let lock = try? Files.text(place + "/lock.txt", bytesMax: 16 << 20),
            let seal = try? Files.text(place + "/seal"), seal == Self.seal(of: place + "/base")
        else { return nil }
        // When it was last used: the least recently used goes first.
        _ = unsafe utimensat(AT_FDCWD, place + "/complete", nil, 0)
        return BuiltEnvironment(key: key, folder: place, interpreter: interpreter, lock: lock)
    }

    /// Makes a base read-only, and the agent's own where it may change owners.
    private static func freeze(_ place: String) {
        walk(place + "/base") { path, facts in
            if geteuid() == 0 { _ = unsafe lchown(path, 0, 0) }
            guard facts.kind != .link else { return }
            let runs = facts.kind == .folder || facts.mode & 0o100 != 0
            _ = unsafe chmod(path, runs ? 0o555 : 0o444)
        }
    }

    /// Sums up names, sizes, times and rights of all that a base holds: without root its user could write to it, and this
    /// finds out.
    private static func seal(of base: String) -> String {
        var count = 0
        var sum: UInt64 = 0
        walk(base) { path, facts in
            // Python may write its caches anew; they are checked by Python against their sources.
            guard !path.contains("/__pycache__") else { return }
            count += 1
            let modified = facts.kind == .folder ? 0 : facts.modified.nanoseconds
            sum = sum &+ StableHash("\(path) \(facts.sizeBytes) \(facts.mode) \(modified)").value
        }
        return "\(count) \(String(sum, radix: 16))\n"
    }

    static func walk(_ path: String, _ visit: (String, Files.Facts) -> Void) {
        guard let facts = Files.facts(path, followingLinks: false) else { return }
        if facts.kind == .folder { for name in Files.names(in: path) { walk(path + "/" + name, visit) } }
        visit(path, facts)
    }

    // MARK: One at a time

    private func claim(_ key: Digest, _ waiting: () -> Void) async throws {
        let id = claims.withLock { claims in
            claims.nextID += 1
            return claims.nextID
        }
        let isFree = claims.withLock { $0.held.insert(key).inserted }
        if isFree { return }
        waiting()
        let isOurs = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Bool, Never>) in
                let answer: Bool? = claims.withLock { claims in
                    if Task.isCancelled { return false }
                    if claims.held.insert(key).inserted { return true }
                    claims.waiters[key, default: []].append((id, continuation))
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            let waiter = claims.withLock { claims -> CheckedContinuation<Bool, Never>? in
                guard let index = claims.waiters[key]?.firstIndex(where: { $0.id == id }) else { return nil }
                return claims.waiters[key]?.remove(at: index).continuation
            }
            waiter?.resume(returning: false)
        }
        guard isOurs else { throw AgentError.cancelled }
    }

    private func release(_ key: Digest) {
        let next = claims.withLock { claims -> CheckedContinuation<Bool, Never>? in
            guard var waiters = claims.waiters[key], !waiters.isEmpty else {
                claims.waiters[key] = nil
                claims.held.remove(key)
                return nil
            }
            let first = waiters.removeFirst()
            claims.waiters[key] = waiters
            return first.continuation
        }
        next?.resume(returning: true)
    }

    private enum Taken {
        case found(BuiltEnvironment, EnvironmentUse)
        /// It is to be built, by whoever holds this and nobody else.
        case absent(EnvironmentUse)
    }

    /// The environment of a key beside others who use it, if it is there.
    private func shared(_ key: Digest, _ interpreter: Interpreter?) throws -> (BuiltEnvironment, EnvironmentUse)? {
        guard let lock = try lockFile(key, LOCK_SH) else { return nil }
        let use = EnvironmentUse(adopting: lock)
        return find(key, interpreter).map { ($0, use) }
    }

    /// Waits until the environment is there, whoever uses it, or until nobody else has the key's lock file, in whatever process.
    private func take(
        _ key: Digest, _ interpreter: Interpreter?, _ waiting: (Waiting) -> Void
    ) async throws -> Taken {
        var said: Set<Waiting> = []
        // One that was touched is not looked through again and again: whoever builds it anew writes another file.
        var refused: UInt64?
        while true {
            let written = Files.facts(folder + "/" + key.hex + "/complete")?.inode
            if let written, written != refused {
                if let (found, use) = try shared(key, interpreter) { return .found(found, use) }
                refused = written
            }
            if let lock = try lockFile(key, LOCK_EX) {
                let use = EnvironmentUse(adopting: lock)
                // Another process may have built it in between.
                guard let found = find(key, interpreter) else { return .absent(use) }
                use.share()
                return .found(found, use)
            }
            let reason: Waiting = written == nil ? .build : .use
            if said.insert(reason).inserted { waiting(reason) }
            do { try await Task.sleep(for: .milliseconds(200)) } catch { throw AgentError.cancelled }
        }
    }

    /// - Returns: `nil` when somebody else has it.
    func lockFile(_ key: Digest, _ kind: CInt) throws(AgentError) -> CInt? {
        let path = lockPath(key)
        while true {
            let raw = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
            guard raw >= 0 else { throw .failed("open \(path)") }
            guard flock(raw, kind | LOCK_NB) == 0 else {
                let code = errno
                close(raw)
                if code == EINTR { continue }
                guard code == EWOULDBLOCK else { throw .system("lock \(path)", code) }
                return nil
            }
            // Whoever removed the environment in between removed this file too: then others have another one.
            var facts = stat()
            let isHere = unsafe fstat(raw, &facts) == 0 && Files.facts(path)?.inode == UInt64(facts.st_ino)
            if isHere { return raw }
            close(raw)
        }
    }

    func lockPath(_ key: Digest) -> String { folder + "/." + key.hex + ".lock" }
}
