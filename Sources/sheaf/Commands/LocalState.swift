import Client
import CoordinatorService
import Glibc
import Locks
import Model
import Storage
import Transport
import Wire

/// What `sheaf run` keeps in a folder: a farm's state, and the identity of the person whose farm it is.
enum LocalState {
    static let standard = ".sheaf/state"

    /// What its agent takes. Whoever has somebody else's code run here has decided that: it is kept apart all the same.
    static let pool = Pool(name: Pool.standard.name, allowsUntrusted: true)

    /// The coordinator that this process serves to itself, once a command has needed it.
    private static let own = Mutex<CoordinatorServer?>(nil)

    static func exists(_ folder: String) -> Bool { access(folder + "/farm", F_OK) == 0 }

    /// Where a second process finds the identity and the address of the first.
    static func profile(_ folder: String) -> Profile { Profile(folder: folder + "/you") }

    /// Starts the coordinator on its folder.
    ///
    /// - Throws: `StorageError.inUse` while another process serves it, and what `CoordinatorServer.start` throws.
    /// - Parameter isStart: false for a command that only looks at what was left there.
    static func serve(
        _ folder: String, isStart: Bool = true, actions: ActionRules = ActionRules()
    ) async throws -> (server: CoordinatorServer, person: Identity) {
        // The agent's workspaces lie there, too.
        try PrivateFile.makeStateFolder(folder)
        let loopback = Address(host: "127.0.0.1", port: 0)
        var settings = CoordinatorServer.Settings(
            state: folder + "/farm", listen: [loopback], enrolmentListen: [loopback])
        settings.isStart = isStart
        settings.actions = actions
        let server = try await CoordinatorServer.start(
            settings,
            remark: { Terminal.complain("warning: \($0)") }, failed: Commands.endProcess)
        do {
            let person = try await server.makeIdentity(for: Principal(role: .admin, name: "you"))
            try profile(folder).save(person, address: server.addresses[0])
            return (server, person)
        } catch {
            await server.stop()
            throw error
        }
    }

    /// Connects to the farm of a folder: to the `sheaf run` that works on it now, else to a coordinator that this process
    /// starts and that has no agents.
    static func connect(_ folder: String) async throws(ClientError) -> FarmClient {
        guard exists(folder) else {
            throw ClientError(
                "\(folder): sheaf run has left nothing there", help: "give the --state that it was given",
                isRefusal: true)
        }
        let loop = try Farming.loop()
        let served: (server: CoordinatorServer, person: Identity)
        do {
            served = try await serve(folder, isStart: false)
        } catch StorageError.inUse {
            return try await FarmClient.connect(profile(folder), on: loop)
        } catch {
            throw ClientError("the farm in \(folder) cannot be read: \(error)")
        }
        own.withLock { $0 = served.server }
        let client = try await FarmClient.connect(to: served.server.addresses[0], as: served.person, on: loop)
        for run in try await openRuns(client) {
            Terminal.complain(
                "no sheaf run works on r\(run.run) now: the next one in this folder goes on with it, "
                    + "sheaf cancel r\(run.run) ends it")
        }
        return client
    }

    /// Runs that have not ended, oldest first.
    static func openRuns(_ client: FarmClient) async throws(ClientError) -> [Proto.RunSummary] {
        try await client.call(Proto.Farm.ListRuns.self, .with { $0.most = 1000 }).runs
            .filter { $0.state != "ended" }.reversed()
    }

    /// Ends what this process served.
    static func stop() async {
        let server = own.withLock { server in
            defer { server = nil }
            return server
        }
        await server?.stop()
    }
}
