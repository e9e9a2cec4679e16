package import Model

/// Which run, or job, of each concurrency group goes on, and which one waits: one of each at most, as at GitHub. A newer
/// one that comes takes the place of the one that waits.
///
/// A value: it is built anew after a restart, from the runs that are open.
package struct ConcurrencyGroups: Sendable {
    /// A run as a whole, or one of its jobs.
    package struct Member: Hashable, Comparable, Sendable {
        package var run: RunID
        package var job: Int?

        package init(_ run: RunID, job: Int? = nil) {
            self.run = run
            self.job = job
        }

        package static func < (a: Self, b: Self) -> Bool { (a.run, a.job ?? -1) < (b.run, b.job ?? -1) }
    }

    package enum Effect: Equatable, Sendable {
        /// The group is free for it.
        case start(Member)
        /// It waited, and a newer one took its place.
        case replace(Member, by: Member, group: String)
        /// It goes on, and a newer one wants it to end.
        case cancel(Member, for: Member, group: String)
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
