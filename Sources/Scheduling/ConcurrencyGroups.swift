package import Model

/// Which run, or which cells of a job, of each concurrency group go on, and which wait: one of each at most, as at GitHub. A
/// newer one that comes takes the place of the one that waits.
///
/// A value: it is built anew after a restart, from the runs that are open.
package struct ConcurrencyGroups: Sendable {
    /// A run as a whole, or those cells of one of its jobs that come to one group.
    package struct Member: Hashable, Comparable, Sendable {
        package var run: RunID
        package var job: Int?
        /// Of cells, in lower case: those of one job may be in several.
        package var group: String

        package init(_ run: RunID) {
            self.run = run
            group = ""
        }

        package init(_ run: RunID, job: Int, group: String) {
            self.run = run
            self.job = job
            self.group = group.lowercased()
        }

        package static func < (a: Self, b: Self) -> Bool {
            (a.run, a.job ?? -1, a.group) < (b.run, b.job ?? -1, b.group)
        }
    }

    package enum Effect: Equatable, Sendable {
        /// The group is free for it.
        case start(Member)
        /// It waited, and a newer one took its place.
        case replace(Member, by: Member, group: String)
        /// It goes on, and a newer one wants it to end.
        case cancel(Member, for: Member, group: String)
        /// It never can start: who goes on cannot end before it does.
        case refuse(Member, holder: Member, group: String)
    }

    private struct Group: Sendable {
        var holder: Member?
        var waiting: Member?
        /// In the words of the workflow that came first.
        var name: String
    }

    private var groups: [String: Group] = [:]
    private var places: [Member: String] = [:]

    package init() {}

    /// Somebody wants to start. Who is in the group already is answered as before.
    ///
    /// - Parameter group: without regard to case; of one repository.
    package mutating func enter(
        _ member: Member, group name: String, of repository: String, cancelling: Bool
    ) -> [Effect] {
        let key = Self.key(name, repository)
        var group = groups[key] ?? Group(name: name)
        defer { groups[key] = group }
        if group.holder == member { return [.start(member)] }
        if group.waiting == member { return [] }
        if let holder = group.holder, waits(holder, for: member.run) {
            return [.refuse(member, holder: holder, group: group.name)]
        }
        places[member] = key
        guard let holder = group.holder else {
            group.holder = member
            return [.start(member)]
        }
        var effects: [Effect] = []
        if let older = group.waiting {
            places[older] = nil
            effects.append(.replace(older, by: member, group: group.name))
        }
        group.waiting = member
        if cancelling { effects.append(.cancel(holder, for: member, group: group.name)) }
        return effects
    }

    /// Whether one that goes on can only end when a run has. A run as a whole ends with its cells, also those that wait for
    /// their own groups; who waits as a whole holds nothing.
    private func waits(_ holder: Member, for run: RunID) -> Bool {
        var seen: Set<RunID> = []
        var rest = [holder]
        while let next = rest.popLast() {
            guard next.job == nil else { continue }
            if next.run == run { return true }
            guard seen.insert(next.run).inserted else { continue }
            rest += groups.values.filter { $0.waiting?.run == next.run }.compactMap(\.holder)
        }
        return false
    }

    /// Somebody has ended, or never will start.
    package mutating func leave(_ member: Member) -> [Effect] {
        guard let key = places.removeValue(forKey: member), var group = groups[key] else { return [] }
        if group.waiting == member { group.waiting = nil }
        guard group.holder == member else {
            groups[key] = group
            return []
        }
        group.holder = group.waiting
        group.waiting = nil
        groups[key] = group.holder == nil ? nil : group
        return group.holder.map { [.start($0)] } ?? []
    }

    /// Takes over one that had started before a restart. The first of a group counts.
    package mutating func restore(_ member: Member, group name: String, of repository: String) {
        let key = Self.key(name, repository)
        guard groups[key]?.holder == nil else { return }
        groups[key, default: Group(name: name)].holder = member
        places[member] = key
    }

    /// Whom it waits for, and the group's name; `nil` when it does not.
    package func blocker(of member: Member) -> (holder: Member, group: String)? {
        guard let group = places[member].flatMap({ groups[$0] }), group.waiting == member, let holder = group.holder
        else { return nil }
        return (holder, group.name)
    }

    /// No name of a group holds a line break.
    private static func key(_ name: String, _ repository: String) -> String { repository + "\n" + name.lowercased() }
}
