import CoordinatorService
import Glibc
import Locks
import Model
import Reporting
import Scheduling
import Storage
import Transport

extension Commands {
    static let coordinator = Command(
        name: "coordinator", summary: "run the farm's coordinator in this process",
        discussion: """
            Everything that it knows lies in the state folder; killed at any moment, it goes on from there. The first
            start makes the farm's authority. A start that finds no admin with a valid certificate writes a token for one to
            admin.token in that folder, good for a day.

              sheaf coordinator --state /var/lib/sheaf --listen 0.0.0.0:7443 --enrol 0.0.0.0:7444 --advertise farm.example
              sheaf enrol --token-file /var/lib/sheaf/admin.token
            """,
        options: [
            .value("state", "FOLDER", "where store, objects, logs and the authority's key lie; .sheaf/farm by default"),
            .value("listen", "HOST:PORT", "for agents and people with certificates; 127.0.0.1:7443 by default"),
            .value("enrol", "HOST:PORT", "for strangers with tokens; 127.0.0.1:7444 by default"),
            .value("advertise", "HOST", "how others reach this machine, for token files; as it listens by default"),
            .flag("admin-token", "write such a token although there is an admin"),
            .value("lease", "SECONDS", "how long an agent may be silent before its attempts are lost; 30 by default"),
            .value(
                "default-memory", "SIZE", "what a job that names no memory is given, and held to; no limit by default"),
            .value("default-disk", "SIZE", "the same for the agent's disk"),
            .value("deliver", "FILE", "in JSON: the code hosts that hear of runs submitted with --deliver"),
            .value("rates", "FILE", "in JSON: what an hour costs here, for reports that name no rates of their own"),
        ] + actionOptions + [
            .value("keep-bulk", "DAYS", "for how long artifacts, logs and code are kept after a run; 90 by default")
        ],
        run: { arguments in
            let state = arguments.value("state") ?? ".sheaf/farm"
            var settings = CoordinatorServer.Settings(
                state: state,
                listen: [try address(arguments, "listen", defaultPort: 7443)],
                enrolmentListen: [try address(arguments, "enrol", defaultPort: 7444)],
                advertisedHost: arguments.value("advertise"))
            if let lease = try arguments.number("lease", in: 2...3600) {
                settings.coordinator.farm.lease = .seconds(lease)
                settings.coordinator.heartbeat = .milliseconds(lease * 1000 / 6)
            }
            settings.coordinator.farm.defaults = Farm.Settings.Defaults(
                memory: try size("default-memory", arguments), disk: try size("default-disk", arguments))
            if let days = try arguments.number("keep-bulk", in: 1...100_000) {
                settings.retention.bulk = .seconds(days * 86_400)
            }
            settings.actions = try actionRules(arguments)
            if let file = arguments.value("deliver") {
                let bytes = try Files.read(file, bytesMax: 1 << 20)
                do throws(CoordinatorError) { settings.hosts = try CodeHosts(bytes, file: file) } catch {
                    throw UsageError("\(error)", help: "docs/operations.md has an example")
                }
            }
            if let file = arguments.value("rates") {
                let text = String(decoding: try Files.read(file, bytesMax: Rates.bytesMax), as: UTF8.self)
                do throws(RatesError) { settings.rates = try Rates.read(text) } catch {
                    throw UsageError(
                        "--rates \(file): \(error.problem)",
                        help: "as {\"currency\": \"EUR\", \"cpu_hour\": 0.04, \"gpu_hour\": {\"*\": 2}}")
                }
            }
            let signals = Signals.stream([SIGINT, SIGTERM])
            let (phase, stops) = (Phase(), AsyncStream.makeStream(of: Void.self))
            // Ends with the process.
            Task {
                for await signal in signals {
                    Terminal.print("stopping: \(signal == SIGTERM ? "SIGTERM" : "Ctrl-C")")
                    // A start waits for a disk with room for as long as that takes. Nobody was told anything yet that is
                    // not stored.
                    guard phase.isUp else { Terminal.end(ExitCode.passed.rawValue) }
                    stops.continuation.finish()
                    return
                }
            }
            // Cancelled when it is up.
            let patience = Task {
                do { try await Task.sleep(for: .seconds(10)) } catch { return }
                Terminal.complain(
                    "warning: the coordinator listens nowhere yet: it takes up what \(state) holds, or waits as it says "
                        + "above; SIGTERM ends it, and nothing is lost")
            }
            defer { patience.cancel() }
            let server: CoordinatorServer
            do {
                server = try await CoordinatorServer.start(
                    settings, remark: { Terminal.complain("warning: \($0)") },
                    tell: { Terminal.print("\(Instant.wallClock().utc) \(PlainText.line("\($0)"))") },
                    failed: endProcess)
            } catch {
                throw CommandFailure("the coordinator cannot start: \(error)")
            }
            for remark in server.remarks { Terminal.complain("warning: \(remark)") }
            let hasAdmin = await server.hasAdmin
            if !hasAdmin || arguments.has("admin-token") {
                let token = try await server.makeToken(
                    for: Principal(role: .admin, name: "admin"), validFor: .seconds(86_400))
                try PrivateFile.write(token, to: state + "/admin.token")
                let whose = hasAdmin ? "another admin" : "the farm has no admin; one"
                Terminal.print("\(whose) enrols with: sheaf enrol --token-file \(state)/admin.token")
            }
            // Scripts wait for these two lines.
            let places = server.addresses.map(\.description).joined(separator: " ")
            let enrolment = server.enrolmentAddresses.map(\.description).joined(separator: " ")
            Terminal.print("enrolment at \(enrolment), authority \(server.fingerprint.hex)")
            phase.rise()
            patience.cancel()
            Terminal.print("listening at \(places)")
            for await _ in stops.stream {}
            await server.stop()
            return .passed
        })

    static let actionOptions: [Command.Option] = [
        .value(
            "allow-action", "OWNER/NAME", repeats: true,
            "actions of this repository may be used, and are fetched; OWNER/* for all of an owner's"),
        .value("actions-server", "URL", "where they are fetched from; \(ActionRules.serverStandard) by default"),
    ]

    static func actionRules(_ arguments: Arguments) throws -> ActionRules {
        do throws(CoordinatorError) {
            return try ActionRules(
                server: arguments.value("actions-server"), allowed: arguments.all("allow-action"))
        } catch {
            throw UsageError("\(error)", help: "--allow-action astral-sh/setup-uv --allow-action 'our-team/*'")
        }
    }

    /// Whether the coordinator serves: from then on it is stopped in order.
    private final class Phase: Sendable {
        private let state = Mutex(false)
        var isUp: Bool { state.withLock { $0 } }
        func rise() { state.withLock { $0 = true } }
    }

    private static func address(_ arguments: Arguments, _ option: String, defaultPort: UInt16) throws -> Address {
        guard let text = arguments.value(option) else { return Address(host: "127.0.0.1", port: defaultPort) }
        do throws(LinkError) { return try Address(text, defaultPort: defaultPort) } catch {
            throw UsageError("--\(option) \(text): \(error)", help: "--\(option) 0.0.0.0:\(defaultPort)")
        }
    }

    /// The store has failed: what is in memory and what is on disk may differ, and the disk is right.
    @Sendable static func endProcess(_ error: StorageError) -> Never {
        Terminal.complain("error: the coordinator ends: \(error)")
        Terminal.end(ExitCode.farm.rawValue)
    }
}
