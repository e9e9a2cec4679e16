import Glibc
import Locks
import Model

import struct Synchronization.Atomic

/// What an attempt lives in: a folder, cgroups, and where the agent may make one a chamber.
///
/// To make and remove these is most of what a short attempt costs. So a berth that an attempt has left as it found it serves
/// the next one of the same run: nothing of it still runs, nothing that it wrote is left, nothing was mounted, no limit was met. What is in
/// doubt goes, and the next attempt gets a new one.
struct Berth: Sendable {
    let folder: AttemptFolder
    let groups: Groups
    fileprivate let view: [Chamber.Mount]?
    fileprivate let natures: [String: AttemptFolder.Nature]?
    /// What the view shows of the machine, as it was when the berth was made.
    private let sights: PrivateViews.Sights?
    /// Founded by an earlier attempt; while an attempt works its enclosure has it.
    fileprivate var chamber: Chamber?

    private static let made = Atomic<Int>(0)

    /// Whose attempts live in it: those of one run, so of one submitter.
    fileprivate let run: RunID

    /// What it must be like.
    struct Wish: Sendable {
        /// Attempts hand descriptors of their folders to each other, through sockets of the machine, and these outlive them: what
        /// belonged to one run is never another's.
        var run: RunID
        /// Who works in it.
        var account: Account?
        var limits: Cgroups.Limits
        /// A container's: it serves once, and the container is the chamber.
        var isContained = false
    }

    /// One that nobody has used.
    fileprivate init(_ wish: Wish, on host: AttemptHost) throws(AgentError) {
        run = wish.run
        let number = Self.made.wrappingAdd(1, ordering: .relaxed).newValue
        try Files.makeFolder(host.attemptsFolder, mode: 0o711)
        folder = try AttemptFolder(
            at: host.attemptsFolder + "/\(number)", for: wish.account, isContained: wish.isContained,
            hasView: host.views != nil && !wish.isContained)
        sights = host.views?.sights
        view = host.hasChambers && !wish.isContained ? host.views?.mounts(for: folder) ?? [] : nil
        natures = view == nil ? nil : folder.natures()
        groups = Groups(
            in: host.cgroups, name: "\(number)-\(host.incarnation)", limits: wish.limits, areKilled: view == nil)
    }

    private init(_ folder: AttemptFolder, _ groups: Groups, like other: Berth) {
        self.folder = folder
        self.groups = groups
        run = other.run
        view = other.view
        natures = other.natures
        sights = other.sights
        chamber = other.chamber
    }

    /// The same berth for another attempt.
    fileprivate func given(to wish: Wish, on host: AttemptHost) throws(AgentError) -> Berth {
        if let chamber, !chamber.isAlive { throw .system("enter the chamber of an earlier attempt", ESRCH) }
        guard host.views?.sights == sights else {
            throw .system("see in an earlier attempt's chamber what is there", ESTALE)
        }
        let folder = try folder.given(to: wish.account)
        if groups.renew(for: wish.limits) { return Berth(folder, groups, like: self) }
        groups.remove()
        let number = Self.made.wrappingAdd(1, ordering: .relaxed).newValue
        let groups = Groups(
            in: host.cgroups, name: "\(number)-\(host.incarnation)", limits: wish.limits, areKilled: false)
        return Berth(folder, groups, like: self)
    }

    /// What holds the processes of an attempt in it together.
    ///
    /// - Parameter mark: the attempt's.
    func enclosure(mark: String, ownUser: uid_t?) -> Enclosure {
        Enclosure(in: groups, mark: mark, ownUser: ownUser, view: view, chamber: chamber)
    }

    /// - Returns: what could not be removed.
    fileprivate func remove() -> [String] {
        _ = chamber?.end(within: .seconds(10))
        groups.remove()
        return folder.remove()
    }

    fileprivate func holding(_ chamber: Chamber?) -> Berth {
        var berth = self
        berth.chamber = chamber
        return berth
    }

    fileprivate var mayServeAgain: Bool { natures.map { folder.clear($0, view ?? []) } ?? false }
}

/// An agent's berths that wait for an attempt.
final class Berths: Sendable {
    /// More than this wait for nobody: a machine has not many times as many cores.
    static let idleMax = 64

    private let idle = Mutex(Idle())

    private struct Idle {
        var berths: [Berth] = []
        var isClosed = false
        var made = 0

        mutating func take(_ run: RunID) -> Berth? {
            berths.lastIndex { $0.run == run }.map { berths.remove(at: $0) }
        }

        mutating func takeOther(than run: RunID) -> Berth? {
            berths.firstIndex { $0.run != run }.map { berths.remove(at: $0) }
        }
    }

    /// How many were made new: each costs a chamber, cgroups and folders.
    var made: Int { idle.withLock { $0.made } }

    deinit { close() }

    /// A berth for one attempt, used or new.
    func lend(_ wish: Berth.Wish, on host: AttemptHost) throws(AgentError) -> Berth {
        while !wish.isContained, let used = idle.withLock({ $0.take(wish.run) }) {
            // What cannot be given on goes; that one stands in the way of nothing.
            if let berth = try? used.given(to: wish, on: host) { return berth }
            _ = used.remove()
        }
        // Another run's that waits makes room, for that run may be over: as many wait as have worked at one time.
        if let other = idle.withLock({ $0.takeOther(than: wish.run) }) { _ = other.remove() }
        let berth = try Berth(wish, on: host)
        idle.withLock { $0.made += 1 }
        return berth
    }

    /// Takes a berth back in which nothing runs any more.
    ///
    /// - Parameter isLeftAsFound: what `Enclosure.isLeftAsFound` said.
    /// - Returns: what could not be removed.
    func takeBack(_ lent: Berth, from enclosure: Enclosure, isLeftAsFound: Bool) -> [String] {
        let berth = lent.holding(enclosure.leaveChamber())
        guard isLeftAsFound, berth.groups.isEmpty, berth.mayServeAgain else { return berth.remove() }
        let isKept = idle.withLock { idle in
            guard !idle.isClosed, idle.berths.count < Self.idleMax else { return false }
            idle.berths.append(berth)
            return true
        }
        return isKept ? [] : berth.remove()
    }

    /// Removes what waits. What comes back later is removed then.
    func close() {
        let left = idle.withLock { idle in
            idle.isClosed = true
            defer { idle.berths = [] }
            return idle.berths
        }
        for berth in left { _ = berth.remove() }
    }
}
