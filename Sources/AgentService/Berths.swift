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
    /// Founded by an earlier attempt, or ahead; while an attempt works its enclosure has it.
    fileprivate var chamber: Chamber?
    /// The machine's table of mounts when the chamber was founded ahead: what came and went since, a machine may have kept from
    /// chambers that were there.
    private var machine: String?

    private static let made = Atomic<Int>(0)

    /// Whose attempts live in it: those of one run, so of one submitter; `nil` while it is nobody's yet.
    fileprivate let run: RunID?

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
    fileprivate init(_ wish: Wish, of run: RunID?, on host: AttemptHost) throws(AgentError) {
        self.run = run
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

    /// One that nobody has asked for yet, with its chamber.
    ///
    /// - Parameter limits: what whoever comes next is likely to have.
    fileprivate static func ahead(_ limits: Cgroups.Limits, on host: AttemptHost) throws(AgentError) -> Berth {
        let machine = MountTable.text(of: "self")
        var berth = try Berth(Wish(run: RunID(0), account: nil, limits: limits), of: nil, on: host)
        do throws(AgentError) {
            berth.chamber = try Chamber(berth.view ?? [])
        } catch {
            _ = berth.remove()
            throw error
        }
        berth.machine = machine
        return berth
    }

    private init(_ folder: AttemptFolder, _ groups: Groups, like other: Berth, of run: RunID) {
        self.folder = folder
        self.groups = groups
        self.run = run
        view = other.view
        natures = other.natures
        sights = other.sights
        chamber = other.chamber
    }

    /// The same berth for another attempt.
    fileprivate func given(to wish: Wish, on host: AttemptHost) throws(AgentError) -> Berth {
        guard run == nil || run == wish.run else { throw .system("give on what is another run's", EPERM) }
        guard showsWhatIsThere else {
            throw .system("see in a chamber made ahead what the machine has mounted since", ESTALE)
        }
        if let chamber, !chamber.isAlive { throw .system("enter the chamber of an earlier attempt", ESRCH) }
        guard host.views?.sights == sights else {
            throw .system("see in an earlier attempt's chamber what is there", ESTALE)
        }
        let folder = try folder.given(to: wish.account)
        if groups.renew(for: wish.limits) { return Berth(folder, groups, like: self, of: wish.run) }
        groups.remove()
        let number = Self.made.wrappingAdd(1, ordering: .relaxed).newValue
        let groups = Groups(
            in: host.cgroups, name: "\(number)-\(host.incarnation)", limits: wish.limits, areKilled: false)
        return Berth(folder, groups, like: self, of: wish.run)
    }

    /// Whether one made ahead shows what the machine has mounted by now.
    fileprivate var showsWhatIsThere: Bool {
        guard let machine, let chamber else { return true }
        guard let now = MountTable.text(of: "self") else { return false }
        return now == machine || chamber.follows(now)
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

    /// Whether one that nobody has asked for is made ahead, and what has served is removed afterwards: the first attempt of a
    /// run waits for neither.
    private let areMadeAhead: Bool
    private let idle = Mutex(Idle())
    /// Held by the thread that makes and removes.
    private let working = Mutex(())

    private struct Idle {
        var berths: [Berth] = []
        var ahead: Berth?
        /// To be removed.
        var leaving: [Berth] = []
        /// What whoever comes next is likely to have.
        var limits = Cgroups.Limits()
        var isWorking = false
        var isClosed = false
        var made = 0

        mutating func take(_ run: RunID) -> Berth? {
            berths.lastIndex { $0.run == run }.map { berths.remove(at: $0) }
        }

        mutating func takeOther(than run: RunID) -> Berth? {
            berths.firstIndex { $0.run != run }.map { berths.remove(at: $0) }
        }

        mutating func takeAhead() -> Berth? {
            defer { ahead = nil }
            return ahead
        }
    }

    /// How many were lent that nobody had used: each costs a chamber, cgroups and folders.
    var made: Int { idle.withLock { $0.made } }

    init(areMadeAhead: Bool = false) { self.areMadeAhead = areMadeAhead }

    deinit { close() }

    /// A berth for one attempt, used or new.
    func lend(_ wish: Berth.Wish, on host: AttemptHost) throws(AgentError) -> Berth {
        guard !wish.isContained else { return try make(wish, on: host) }
        while let used = idle.withLock({ $0.take(wish.run) }) {
            // What cannot be given on goes; that one stands in the way of nothing.
            if let berth = try? used.given(to: wish, on: host) { return berth }
            remove(used)
        }
        // Another run's that waits makes room, for that run may be over: as many wait as have worked at one time.
        if let other = idle.withLock({ $0.takeOther(than: wish.run) }) { remove(other) }
        defer { prepare(wish.limits, on: host) }
        if let ahead = idle.withLock({ $0.takeAhead() }) {
            if let berth = try? ahead.given(to: wish, on: host) {
                idle.withLock { $0.made += 1 }
                return berth
            }
            remove(ahead)
        }
        return try make(wish, on: host)
    }

    private func make(_ wish: Berth.Wish, on host: AttemptHost) throws(AgentError) -> Berth {
        let berth = try Berth(wish, of: wish.run, on: host)
        idle.withLock { $0.made += 1 }
        return berth
    }

    private func remove(_ berth: Berth) {
        guard areMadeAhead else {
            _ = berth.remove()
            return
        }
        idle.withLock { $0.leaving.append(berth) }
    }

    /// Removes what nobody needs and makes one ahead, on a thread of its own.
    ///
    /// - Parameter limits: what whoever comes next is likely to have.
    func prepare(_ limits: Cgroups.Limits, on host: AttemptHost) {
        guard areMadeAhead, host.hasChambers else { return }
        let isMine = idle.withLock { idle in
            idle.limits = limits
            guard !idle.isWorking, !idle.isClosed else { return false }
            idle.isWorking = true
            return true
        }
        if isMine { startThread("sheaf-berths") { [self] in working.withLock { _ in work(host) } } }
    }

    /// Lets go of one made ahead that shows what the machine no longer has: it would hold on to disks that were taken out.
    func look(on host: AttemptHost) {
        guard let ahead = idle.withLock({ $0.ahead }), !ahead.showsWhatIsThere else { return }
        let limits = idle.withLock { idle -> Cgroups.Limits? in
            guard idle.ahead?.folder.path == ahead.folder.path else { return nil }
            idle.leaving.append(ahead)
            idle.ahead = nil
            return idle.limits
        }
        if let limits { prepare(limits, on: host) }
    }

    /// The folder of the one made ahead; `nil` while there is none.
    var ahead: String? { idle.withLock { $0.ahead?.folder.path } }

    private func work(_ host: AttemptHost) {
        while true {
            let (leaving, limits) = idle.withLock { idle in
                let leaving = idle.leaving
                idle.leaving = []
                let limits = idle.isClosed || idle.ahead != nil ? nil : idle.limits
                if leaving.isEmpty && limits == nil { idle.isWorking = false }
                return (leaving, limits)
            }
            for berth in leaving { _ = berth.remove() }
            guard let limits else {
                if leaving.isEmpty { return }
                continue
            }
            let made = try? Berth.ahead(limits, on: host)
            idle.withLock { idle in
                if idle.isClosed, let made {
                    idle.leaving.append(made)
                } else {
                    idle.ahead = made
                }
            }
            // A full disk, no more processes: whoever comes next is told.
            if made == nil { return idle.withLock { $0.isWorking = false } }
        }
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
        idle.withLock { $0.isClosed = true }
        // Who makes one still sees that, and is done soon.
        working.withLock { _ in }
        let left = idle.withLock { idle in
            let left = idle.berths + idle.leaving + (idle.takeAhead().map { [$0] } ?? [])
            (idle.berths, idle.leaving) = ([], [])
            return left
        }
        for berth in left { _ = berth.remove() }
    }
}
