package import Model

/// Who goes on in each concurrency group, and who waits: a run, the jobs of a call, or cells of a job. One goes on, as at GitHub.
/// A newer one that comes takes the place of the one that waits, unless they queue.
///
/// A value: it is built anew after a restart, from the runs that are open.
package struct ConcurrencyGroups: Sendable {
    /// A run as a whole, all jobs of a call, or those cells of one job that come to one group.
    package struct Member: Hashable, Comparable, Sendable {
        package enum Part: Hashable, Sendable {
            case run
            /// By its position in the plan.
            case call(Int)
            case job(Int)
        }

        package var run: RunID
        package var part: Part
        /// Of cells and calls, in lower case: those of one job may be in several.
        package var group: String
        /// The calls that it is made by, itself included.
        package var calls: [Int]

        package init(_ run: RunID) {
            self.run = run
            (part, group, calls) = (.run, "", [])
        }

        package init(_ run: RunID, job: Int, group: String, calls: [Int] = []) {
            self.run = run
            (part, self.group, self.calls) = (.job(job), group.lowercased(), calls)
        }

        /// - Parameter calls: those that it is made by, and it itself.
        package init(_ run: RunID, call: Int, group: String, calls: [Int]) {
            self.run = run
            (part, self.group, self.calls) = (.call(call), group.lowercased(), calls)
        }

        package static func < (a: Self, b: Self) -> Bool { (a.run, a.rank, a.group) < (b.run, b.rank, b.group) }

        private var rank: Int {
            switch part {
            case .run: -1
            case .call(let call): call
            case .job(let job): 1 << 32 + job
            }
        }

        /// Whether it can only end when the other one has.
        func contains(_ other: Member) -> Bool {
            guard run == other.run, self != other else { return false }
            return switch part {
            case .run: true
            case .call(let call): other.calls.contains(call) && other.calls.count >= calls.count
            case .job: false
            }
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
        /// As many wait as may.
        case turnAway(Member, group: String)
    }

    /// So many wait in one group where they queue; GitHub's limit.
    package static let queueMax = 100

    private struct Waiting: Sendable {
        var member: Member
        var queues: Bool
    }

    private struct Group: Sendable {
        var holder: Member?
        /// In the order in which they start.
        var waiting: [Waiting] = []
        /// In the words of the workflow that came first.
        var name: String
    }

    private var groups: [String: Group] = [:]
    private var places: [Member: String] = [:]

    package init() {}

    /// Somebody wants to start. Who is in the group already is answered as before.
    ///
    /// - Parameter wanted: by its name, without regard to case; of one repository.
    package mutating func enter(
        _ member: Member, _ wanted: ConcurrencyGroup, of repository: String
    ) -> [Effect] {
        let key = Self.key(wanted.name, repository)
        var group = groups[key] ?? Group(name: wanted.name)
        defer { groups[key] = group.holder == nil ? nil : group }
        if group.holder == member { return [.start(member)] }
        if group.waiting.contains(where: { $0.member == member }) { return [] }
        guard let holder = group.holder else {
            places[member] = key
            group.holder = member
            return [.start(member)]
        }
        if waits(holder, for: member) { return [.refuse(member, holder: holder, group: group.name)] }
        var effects: [Effect] = []
        if !wanted.queues {
            // Who queues keeps its place.
            for older in group.waiting where !older.queues {
                places[older.member] = nil
                effects.append(.replace(older.member, by: member, group: group.name))
            }
            group.waiting.removeAll { !$0.queues }
        }
        guard group.waiting.count < Self.queueMax else {
            return effects + [.turnAway(member, group: group.name)]
        }
        // Behind others that queue it would gain nothing by it.
        if wanted.cancels && group.waiting.isEmpty {
            effects.append(.cancel(holder, for: member, group: group.name))
        }
        places[member] = key
        group.waiting.append(Waiting(member: member, queues: wanted.queues))
        return effects
    }

    /// Whether one that goes on can only end when another has. A run ends with its cells, and a call with those of its jobs, also
    /// with those that wait for groups of their own.
    private func waits(_ holder: Member, for other: Member) -> Bool {
        var seen: Set<Member> = []
        var rest = [holder]
        while let next = rest.popLast() {
            guard next.part.isWhole, seen.insert(next).inserted else { continue }
            if next.contains(other) { return true }
            for group in groups.values where group.waiting.contains(where: { next.contains($0.member) }) {
                if let holder = group.holder { rest.append(holder) }
            }
        }
        return false
    }

    /// Somebody has ended, or never will start.
    package mutating func leave(_ member: Member) -> [Effect] {
        guard let key = places.removeValue(forKey: member), var group = groups[key] else { return [] }
        group.waiting.removeAll { $0.member == member }
        guard group.holder == member else {
            groups[key] = group
            return []
        }
        group.holder = group.waiting.isEmpty ? nil : group.waiting.removeFirst().member
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

    /// What keeps one from starting.
    package struct Blocker: Equatable, Sendable {
        package var holder: Member
        package var group: String
        /// How many others start before it.
        package var ahead: Int

        package init(holder: Member, group: String, ahead: Int) {
            (self.holder, self.group, self.ahead) = (holder, group, ahead)
        }
    }

    /// Whom it waits for; `nil` when it does not.
    package func blocker(of member: Member) -> Blocker? {
        guard let group = places[member].flatMap({ groups[$0] }), let holder = group.holder,
            let place = group.waiting.firstIndex(where: { $0.member == member })
        else { return nil }
        return Blocker(holder: holder, group: group.name, ahead: place)
    }

    /// Whether it has started and not ended.
    package func isGoingOn(_ member: Member) -> Bool {
        places[member].map { groups[$0]?.holder == member } ?? false
    }

    /// In groups as the whole of a call of a run.
    package func members(ofCall call: Int, in run: RunID) -> [Member] {
        places.keys.filter { $0.run == run && $0.part == .call(call) }.sorted()
    }

    /// No name of a group holds a line break.
    private static func key(_ name: String, _ repository: String) -> String { repository + "\n" + name.lowercased() }
}

extension ConcurrencyGroups.Member.Part {
    /// Others may have to end before it does.
    fileprivate var isWhole: Bool { if case .job = self { false } else { true } }
}
