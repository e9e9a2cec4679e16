import Model

/// How fast what was used long ago stops counting: half as much after each half-life.
///
/// Nothing is touched for merely growing older: instead of letting old use shrink, new use weighs more. The weight of a
/// moment is 2 to the power of the half-lives that have passed; what was used is read divided by the weight of now.
struct Ageing: Sendable {
    private let halfLife: Double
    private var base: Instant?
    private var at = Instant(nanoseconds: .min)
    /// Of the last moment that was told.
    private(set) var weight = 1.0

    init(halfLife: Duration) { self.halfLife = Double(max(1, halfLife.wholeNanoseconds)) }

    /// - Returns: what every meter has to be multiplied by now, before anything else; `nil` nearly always.
    mutating func advance(to now: Instant) -> Double? {
        guard now != at else { return nil }
        at = now
        guard let start = base else {
            base = now
            return nil
        }
        let passed = Double(start.duration(to: now).wholeNanoseconds) / halfLife
        guard passed > Self.halfLivesMax else {
            weight = Self.power(passed)
            return nil
        }
        base = now
        weight = 1
        return 1 / Self.power(min(2 * Self.halfLivesMax, passed))
    }

    /// After so many, weights begin anew at 1.
    private static let halfLivesMax = 500.0

    /// 2 to the power of `x`, for 0 ≤ x ≤ 1000. The power series of the exponential function: less than 1e-15 off.
    static func power(_ x: Double) -> Double {
        let whole = x.rounded(.down)
        let y = (x - whole) * 0.693_147_180_559_945_3
        var sum = 1.0
        for term in stride(from: 17.0, to: 0, by: -1) { sum = 1 + y / term * sum }
        return Double(sign: .plus, exponent: Int(whole), significand: sum)
    }
}

/// What somebody holds of the farm now, and what of the recent past still counts.
struct UsageMeter: Sendable {
    private(set) var cpus = 0
    private(set) var gpus = 0
    // Sums of what was held times what the weight grew by meanwhile, up to the weight at the last change.
    private var pastCPUs = 0.0
    private var pastGPUs = 0.0
    private var mark = 1.0

    mutating func change(cpus: Int, gpus: Int, weight: Double) {
        pastCPUs += Double(self.cpus) * (weight - mark)
        pastGPUs += Double(self.gpus) * (weight - mark)
        mark = weight
        self.cpus += cpus
        self.gpus += gpus
    }

    /// Counts what was used before anybody metered: as much as holding so many for ever would come to.
    mutating func add(pastCPUs cpus: Double, pastGPUs gpus: Double, weight: Double) {
        pastCPUs += cpus * weight
        pastGPUs += gpus * weight
    }

    mutating func scale(by factor: Double) {
        pastCPUs *= factor
        pastGPUs *= factor
        mark *= factor
    }

    /// How many cores and GPUs were held in the recent past, on average.
    func past(_ weight: Double) -> (cpus: Double, gpus: Double) {
        let grown = weight - mark
        return ((pastCPUs + Double(cpus) * grown) / weight, (pastGPUs + Double(gpus) * grown) / weight)
    }

    /// The larger of its parts of the farm's cores and GPUs, those held now and those held in the recent past together:
    /// dominant resource fairness (Ghodsi et al., NSDI 2011) with a memory.
    func share(_ weight: Double, cpusOnline: Double, gpusOnline: Double) -> Double {
        let past = past(weight)
        return max((Double(cpus) + past.cpus) / cpusOnline, (Double(gpus) + past.gpus) / gpusOnline)
    }
}

/// Somebody who submits runs.
struct OwnerRecord: Sendable {
    let principal: Principal
    /// Slot in `Farm.accounts`.
    let account: Int
    var runs = 0
    var meter = UsageMeter()
}

/// A team, or a person without one: what has a share of the farm. Within it, its people have equal shares.
struct AccountRecord: Sendable {
    enum Name: Hashable, Sendable { case team(String), person(Principal) }

    var name: Name
    var meter = UsageMeter()
}

extension Farm {
    /// Enters in both books that an owner holds more, or less.
    mutating func meter(_ owner: Int, cpus: Int, gpus: Int) {
        owners[owner].meter.change(cpus: cpus, gpus: gpus, weight: ageing.weight)
        accounts[owners[owner].account].meter.change(cpus: cpus, gpus: gpus, weight: ageing.weight)
    }

    mutating func grow(older now: Instant) {
        guard let factor = ageing.advance(to: now) else { return }
        for owner in owners.indices { owners[owner].meter.scale(by: factor) }
        for account in accounts.indices { accounts[account].meter.scale(by: factor) }
    }

    /// What was used in earlier lives of the coordinator: so many core- and GPU-seconds, aged to now.
    mutating func restoreUse(of principal: Principal, cpuSeconds: Double, gpuSeconds: Double) {
        let owner = slot(of: principal)
        // Holding one core for ever comes to the half-life divided by the logarithm of 2, in core-seconds.
        let unit = settings.halfLife.inSeconds / 0.693_147_180_559_945_3
        let (cpus, gpus) = (cpuSeconds / unit, gpuSeconds / unit)
        owners[owner].meter.add(pastCPUs: cpus, pastGPUs: gpus, weight: ageing.weight)
        accounts[owners[owner].account].meter.add(pastCPUs: cpus, pastGPUs: gpus, weight: ageing.weight)
    }

    mutating func slot(of principal: Principal) -> Int {
        if let slot = owners.firstIndex(where: { $0.principal == principal }) { return slot }
        let name = principal.team.map { AccountRecord.Name.team($0) } ?? .person(principal)
        // Somebody without runs and without a past that counts: their place is free.
        let free = owners.firstIndex { owner in
            guard owner.runs == 0 else { return false }
            let past = owner.meter.past(ageing.weight)
            return past.cpus < 1e-4 && past.gpus < 1e-4
        }
        var account = accounts.firstIndex { $0.name == name }
        if account == nil, let free, case .person = accounts[owners[free].account].name {
            account = owners[free].account
            accounts[owners[free].account] = AccountRecord(name: name)
        }
        if account == nil { accounts.append(AccountRecord(name: name)) }
        let record = OwnerRecord(principal: principal, account: account ?? accounts.count - 1)
        if let free { owners[free] = record } else { owners.append(record) }
        return free ?? owners.count - 1
    }

    /// An owner's place among those who wait: their team's share of the farm, then their own.
    struct Share: Comparable, Sendable {
        var account: Double
        var own: Double

        static func < (a: Self, b: Self) -> Bool { a.account == b.account ? a.own < b.own : a.account < b.account }
    }

    func share(of owner: Int) -> Share {
        let (cpus, gpus) = (Double(max(1, cpusOnline)), Double(max(1, gpusOnline)))
        let own = owners[owner].meter.share(ageing.weight, cpusOnline: cpus, gpusOnline: gpus)
        guard case .team = accounts[owners[owner].account].name else { return Share(account: own, own: own) }
        let team = accounts[owners[owner].account].meter.share(ageing.weight, cpusOnline: cpus, gpusOnline: gpus)
        return Share(account: team, own: own)
    }
}
