import JSON
import Model

/// What an engine says about a service that runs.
struct ServiceFacts: Equatable {
    var id: String
    var image: String
    /// The first process, by the machine's own count; 0 when it has ended.
    var first: Int32
    var exitCode: Int
    var ports: [Published]
    var check: HealthCheck?

    /// A port of the container, and where the machine has it.
    struct Published: Equatable, Sendable {
        /// `6379/tcp`.
        var name: String
        var machine: UInt16
    }

    /// - Parameter json: as `container inspect` writes it.
    init?(_ json: [UInt8]) {
        guard let value = try? JSONParser.value(json, repeatedKeys: .keepFirst, depthMax: 100),
            let told = value.array?.first, let state = told["State"],
            let first = state["Pid"]?.number.flatMap({ Int32(exactly: $0) })
        else { return nil }
        self.first = first
        exitCode = state["ExitCode"]?.number.flatMap { Int(exactly: $0) } ?? 0
        id = told["Id"]?.string ?? ""
        image = told["Image"]?.string ?? ""
        check = HealthCheck(told["Config"]?["Healthcheck"] ?? .null)
        ports = (told["NetworkSettings"]?["Ports"]?.members ?? []).flatMap { port in
            (port.value.array ?? []).compactMap { place in
                guard let machine = place["HostPort"]?.string.flatMap({ UInt16($0) }) else { return nil }
                return Published(name: port.key, machine: machine)
            }
        }
    }
}

/// How a service says that it serves: by the image's own check, or by `--health-cmd`.
struct HealthCheck: Equatable, Sendable {
    /// Run in the container; 0 says that it is well.
    var words: [String]
    /// How long one look may take.
    var timeout: Duration
    /// How long to wait between two looks that found it not well yet.
    var pause: Duration
    /// Until when it may be unwell, from its start: as long as an engine would look on.
    var patience: Duration

    /// Between two looks, where the service asks for less.
    static let pauseMax = Duration.seconds(1)
    static let patienceMax = Duration.minutes(30)
    /// What engines take where nothing is said.
    static let timeStandard = Duration.seconds(30)
    static let retriesStandard = 3

    /// - Parameter told: `Config.Healthcheck` of a container, in nanoseconds.
    /// - Returns: `nil` where there is none.
    init?(_ told: Value) {
        let test = (told["Test"]?.array ?? []).compactMap(\.string)
        switch test.first {
        case "CMD" where test.count > 1: words = Array(test.dropFirst())
        case "CMD-SHELL" where test.count > 1: words = ["/bin/sh", "-c", test[1]]
        default: return nil
        }
        func time(_ name: String) -> Duration? {
            guard let nanoseconds = told[name]?.number, nanoseconds > 0, nanoseconds < 1e15 else { return nil }
            return .nanoseconds(Int64(nanoseconds))
        }
        let interval = time("Interval") ?? Self.timeStandard
        timeout = time("Timeout") ?? Self.timeStandard
        let retries = told["Retries"]?.number.flatMap { Int(exactly: $0) } ?? 0
        pause = min(interval, Self.pauseMax)
        let looks = interval * min(max(retries > 0 ? retries : Self.retriesStandard, 1), 10_000)
        patience = min((time("StartPeriod") ?? .zero) + looks, Self.patienceMax)
    }
}

/// The addresses of a network that an engine has made.
struct NetworkFacts: Equatable {
    /// Of the network itself: the last number is 0.
    private var start: [UInt8]

    /// The first numbers are the engine's to give out.
    static let firstOwn = 10

    /// - Parameter json: as `network inspect` of podman writes it.
    init?(_ json: [UInt8]) {
        guard let value = try? JSONParser.value(json, repeatedKeys: .keepFirst, depthMax: 100),
            let subnets = (value.array?.first ?? value)["subnets"]?.array
        else { return nil }
        for text in subnets.compactMap({ $0["subnet"]?.string }) {
            let parts = text.split(separator: "/")
            let numbers = parts.first?.split(separator: ".").compactMap { UInt8($0) } ?? []
            // 254 addresses at least.
            guard parts.count == 2, numbers.count == 4, let width = Int(parts[1]), (8...24).contains(width),
                numbers[3] == 0
            else { continue }
            start = numbers
            return
        }
        return nil
    }

    /// The address of the service at `index`, from 0.
    func address(_ index: Int) -> String {
        (start.dropLast().map(String.init) + [String(Self.firstOwn + index)]).joined(separator: ".")
    }
}
