import Artifacts
import Delivery
import Glibc
package import Model
package import Reporting
import Scheduling
package import Storage
package import Transport
import Wire

/// A whole coordinator: its state in one folder, its two listeners, everything it serves.
package final class CoordinatorServer: Sendable {
    package struct Settings: Sendable {
        /// Where store, objects, logs and the authority's key lie: this process's alone.
        package var state: String
        package var listen: [Address]
        package var enrolmentListen: [Address]
        /// How others reach this machine, for tokens and certificates' bearers; `nil`: as it listens.
        package var advertisedHost: String?
        package var coordinator = Coordinator.Settings()
        package var links = LinkServerSettings.standard
        /// An SQLite VFS by its name, for tests with disks that count; `nil`: the machine's own.
        package var disk: String?
        /// Larger stores are looked through while they are at work.
        package var checkedAtOnceMax = ByteCount.mebibytes(512)
        package var retention = Retention.Settings()
        /// Who brings about effects outside of the farm, by the kind of these.
        package var outside: [String: any OutsideWorld] = [:]
        /// Where runs are delivered that ask for it.
        package var hosts = CodeHosts()
        /// What an hour costs on this farm; `nil`: reports tell no money unless whoever asks names rates.
        package var rates: Rates?
        /// False for whoever only looks at the state of a farm that nobody serves: its runs have seen no new coordinator.
        package var isStart = true
        /// Which actions of other repositories runs may use.
        package var actions = ActionRules()
        /// What tells when the coordinator's own certificate is due.
        package var wallClock: @Sendable () -> Instant = { .wallClock() }

        package init(state: String, listen: [Address], enrolmentListen: [Address], advertisedHost: String? = nil) {
            self.state = state
            self.listen = listen
            self.enrolmentListen = enrolmentListen
            self.advertisedHost = advertisedHost
        }
    }

    /// Where it serves, with the actual ports.
    package let addresses: [Address]
    package let enrolmentAddresses: [Address]
    /// What could not be taken up from the state, in sentences.
    package let remarks: [String]
    private let server: LinkServer
    private let enrolment: LinkServer
    private let coordinator: Coordinator
    private let roster: Roster
    private let authority: Authority
    private let outbox: OutboxPump
    /// Look after what nobody asks for; end with the server.
    private let chores: [Task<Void, Never>]

    /// Opens the state, goes on where an earlier process stopped, and listens.
    ///
    /// - Parameter remark: is told, in a sentence, what the operator should know while it runs.
    /// - Parameter failed: ends the process when the store fails.
    /// - Throws: `CoordinatorError`, `StorageError`, `ArtifactError`, `CertificateError` or `LinkError`, each in words for
    ///   the operator.
    package static func start(
        _ settings: Settings, remark: @escaping @Sendable (String) -> Void = { _ in },
        tell: @escaping @Sendable (FarmEvent) -> Void = { _ in },
        failed: @escaping @Sendable (StorageError) -> Never
    ) async throws -> CoordinatorServer {
        let folder = settings.state
        guard access("\(folder)/\(Backup.unfinishedName)", F_OK) != 0 else {
            throw CoordinatorError.invalid(
                "\(folder) is an unfinished restore: run sheaf restore again, with the same folders")
        }
        try PrivateFile.makeStateFolder(folder)
        let storage = try await DiskThreads.shared.run { [settings] () throws(StorageError) in
            try SQLiteStore(
                folder: folder, checkedAtOnceMax: settings.checkedAtOnceMax, disk: settings.disk,
                waiting: { pid in
                    remark("waits for the coordinator before (pid \(pid)), which was ended and is not gone yet")
                })
        }
        let authority = try openAuthority(folder)
        let own = try OwnIdentity(in: folder, authority, now: settings.wallClock)
        let identity = await own.identity
        let clock = FarmClock()
        let keeper = StoreKeeper(storage, remark: remark, failed: failed)
        let objects = try await DiskThreads.shared.run { () throws(ArtifactError) in
            try ObjectStore(at: folder + "/objects") { digest, problem in
                remark("\(problem); it was moved to \(folder)/objects/damaged: look at the disk")
                let record = AuditRecord(
                    at: clock.now, who: "coordinator", action: AuditRecord.damage, subject: "object \(digest.hex)")
                // Nobody waits for it: what was found stands in the folder, too.
                Task { await keeper.commit([.audited(record)]) }
            }
        }
        let roster = Roster(authority: authority, keeper: keeper, clock: clock)
        try await roster.load()
        let logs = LogStore(folder: folder + "/logs")
        let journal = FarmJournal(now: { clock.now }, say: tell)
        let pulses = Pulses()
        let library = RunLibrary(
            keeper: keeper, store: objects, clock: clock, rates: settings.rates, remark: remark)
        let (hosts, farm) = (settings.hosts, CodeHosts.farmName(authority.certificate.fingerprint))
        let world = CodeHostWorld(hosts: hosts, farm: farm, library: library, logs: logs, clock: clock)
        var consumers = settings.outside
        for host in DeliveryTarget.Host.allCases { consumers[host.rawValue] = world }
        var delivering = Outbox.Settings()
        delivering.callMax = hosts.callMax
        let outbox = OutboxPump(
            keeper: keeper, clock: clock, consumers: consumers, settings: delivering, remark: remark)
        let coordinator = Coordinator(
            settings: settings.coordinator, keeper: keeper, logs: logs, pulses: pulses, clock: clock,
            seed: UInt64(bitPattern: clock.now.nanoseconds), outbox: outbox, remark: remark,
            judge: { await library.judge($0) }, hold: { await library.hold($0, $1) },
            intents: { CodeHosts.intents(of: $0.id, $0.request, farm: farm, at: $1.at) }, journal: journal)
        var remarks = try await coordinator.recover(trees: objects, isStart: settings.isStart)
        let open = await coordinator.openRunCount
        if open > 0 { journal.tell(.tookUp(runs: open)) }
        let aside = try await DiskThreads.shared.run { () throws(ArtifactError) in try objects.setAsideSoFar() }
        if aside.count > 0 {
            remarks.append(
                "\(Spelling.counted(aside.count, "damaged object")) lie in \(aside.folder), moved aside when read: look at "
                    + "the disk; sheaf artifacts verify RUN tells what a run has lost; remove the files to be told no more"
            )
        }
        try await outbox.recover()

        let loops = try (0..<max(1, min(4, Int(sysconf(CInt(_SC_NPROCESSORS_ONLN)))))).map { number in
            try EventLoop(name: "sheaf-loop-\(number)")
        }
        let links = Links()
        let shelf = ActionShelf(rules: settings.actions, folder: folder + "/actions", store: objects)
        try await DiskThreads.shared.run { () throws(CertificateError) in try shelf.open() }
        var people = People(
            coordinator: coordinator, keeper: keeper, store: objects, logs: logs, pulses: pulses, roster: roster,
            clock: clock, library: library, hosts: hosts,
            disconnect: { role, name, status in
                await links.server?.closeConnections(because: status) {
                    $0.principal.role == role && $0.principal.name == name
                }
            })
        people.shelf = shelf
        let objectsService = ObjectsService(store: objects, coordinator: coordinator, keeper: keeper, people: people)
        let agents = AgentsService(
            coordinator: coordinator, keeper: keeper, logs: logs, pulses: pulses, objects: objectsService,
            roster: roster,
            caches: CacheShelf(
                coordinator: coordinator, keeper: keeper, objects: objectsService, clock: clock,
                unusedMax: settings.retention.caches),
            listings: ListingCutter(coordinator: coordinator, library: library), journal: journal)
        let desk = Desk(people: people, agents: agents, objects: objectsService)
        let (admission, patience) = (roster.admission, desk.patience)
        let enrolment = try await LinkServer.start(
            on: settings.enrolmentListen, as: identity, admitting: .strangers, loops: [loops[0]],
            settings: settings.links, observer: .init(refused: { journal.refused($0) }),
            handler: { stream, method, _ in await Desk.enrol(stream, method, roster, journal, patience) })
        let server: LinkServer
        do {
            server = try await LinkServer.start(
                on: settings.listen, as: identity, admitting: .certified { admission.refusal(of: $0) }, loops: loops,
                settings: settings.links, observer: .init(refused: { journal.refused($0) }),
                onLoop: Desk.onLoop,
                handler: { stream, method, _ in await desk.serve(stream, method) })
        } catch {
            await enrolment.stop()
            throw error
        }
        links.set(server)
        await roster.announce(
            enrolment: reachable(enrolment.addresses, settings.advertisedHost),
            farm: reachable(server.addresses, settings.advertisedHost))
        let retention = Retention(
            settings: settings.retention, keeper: keeper, store: objects, logs: logs, coordinator: coordinator)
        return CoordinatorServer(
            server: server, enrolment: enrolment, coordinator: coordinator, roster: roster, authority: authority,
            outbox: outbox, remarks: remarks,
            chores: [
                Task {
                    do throws(StorageError) {
                        try await DiskThreads.shared.run { () throws(StorageError) in try storage.check() }
                    } catch {
                        failed(error)
                    }
                },
                Task { await retention.keepLooking(clock: clock, tell: remark) },
                Task { await coordinator.keepTellingUnmetNeeds() },
                Task {
                    await own.keep(tell: remark) { (renewed) throws(LinkError) in
                        try await server.use(renewed)
                        try await enrolment.use(renewed)
                    }
                },
            ])
    }

    private init(
        server: LinkServer, enrolment: LinkServer, coordinator: Coordinator, roster: Roster, authority: Authority,
        outbox: OutboxPump, remarks: [String], chores: [Task<Void, Never>]
    ) {
        self.chores = chores
        self.server = server
        self.enrolment = enrolment
        self.coordinator = coordinator
        self.roster = roster
        self.authority = authority
        self.outbox = outbox
        self.remarks = remarks
        addresses = server.addresses
        enrolmentAddresses = enrolment.addresses
    }

    /// Whether anybody could look after the farm: some admin's certificate is valid.
    package var hasAdmin: Bool { get async { await roster.hasAdmin } }

    /// The fingerprint that token files carry.
    package var fingerprint: Digest { authority.certificate.fingerprint }

    /// A token for the operator of this process, who needs no certificate to make one.
    package func makeToken(for principal: Principal, validFor validity: Duration? = nil) async throws -> String {
        let operator_ = Principal(role: .coordinator, name: "operator")
        return try await roster.createToken(for: principal, validFor: validity, by: operator_).file
    }

    /// An identity for a part of the same process: `sheaf run`'s agent and person.
    package func makeIdentity(for principal: Principal) async throws -> Identity {
        try await roster.makeIdentity(for: principal)
    }

    /// Says what a pool takes, for the operator of this process.
    package func set(_ pool: Pool) async throws(LinkStatus) {
        try await coordinator.set(pool, by: Principal(role: .coordinator, name: "operator"))
    }

    /// Closes all connections. What was decided is stored; agents go on working.
    package func stop() async {
        for chore in chores { chore.cancel() }
        await outbox.stop()
        await enrolment.stop()
        await server.stop()
    }

    private static func openAuthority(_ folder: String) throws(CertificateError) -> Authority {
        let path = folder + "/authority.pem"
        if access(path, F_OK) == 0 { return try Authority(file: path) }
        let authority = try Authority.make()
        try authority.save(to: path)
        return authority
    }

    private static func reachable(_ addresses: [Address], _ host: String?) -> Address {
        var address = addresses.first ?? Address(host: "localhost", port: 1)
        if let host {
            address.host = host
        } else if address.host == "0.0.0.0" || address.host == "::" {
            address.host = hostName()
        }
        return address
    }

    private static func hostName() -> String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
