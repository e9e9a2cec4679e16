// swift-tools-version: 6.2
import PackageDescription

// The rooms of Sheaf and who may import whom: docs/decisions/0001-rooms.md says why, Tests/TidyTests keeps it so.

let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

func room(_ name: String, _ imports: String...) -> Target {
    .target(name: name, dependencies: imports.map { .byName(name: $0) }, swiftSettings: strict)
}

/// A room that touches C: its unsafe uses are spelled out.
func device(_ name: String, _ imports: String...) -> Target {
    .target(
        name: name, dependencies: imports.map { .byName(name: $0) }, swiftSettings: strict + [.strictMemorySafety()])
}

func tests(_ name: String, _ imports: String...) -> Target {
    .testTarget(
        name: name, dependencies: imports.map { .byName(name: $0) }, path: "Tests/\(name)", swiftSettings: strict)
}

func door(_ name: String, pkgConfig: String, apt: String) -> Target {
    .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([apt])])
}

let package = Package(
    name: "sheaf",
    products: [.executable(name: "sheaf", targets: ["sheaf"])],
    targets: [
        // C doors, one per library.
        .target(name: "CLinux"),
        // Boost.Math is headers only (libboost-dev). Optimised in debug builds too, as the room that calls it.
        .target(
            name: "CStatistics",
            cxxSettings: [.unsafeFlags(["-O2"], .when(configuration: .debug))], linkerSettings: [.linkedLibrary("m")]),
        // libcurl is opened when it is first used: nothing links it, and no command pays for loading it.
        .target(name: "CCurl", linkerSettings: [.linkedLibrary("dl")]),
        door("COpenSSL", pkgConfig: "openssl", apt: "libssl-dev"),
        door("CSQLite", pkgConfig: "sqlite3", apt: "libsqlite3-dev"),
        door("CZstd", pkgConfig: "libzstd", apt: "libzstd-dev"),
        door("CYaml", pkgConfig: "yaml-0.1", apt: "libyaml-dev"),

        // Pure rooms: values in, values out.
        // Optimised in debug builds too: everything that is simulated is made of it, and it holds the columns of items.
        .target(
            name: "Model", swiftSettings: strict + [.unsafeFlags(["-O"], .when(configuration: .debug))],
            linkerSettings: [.linkedLibrary("m")]),
        room("JSON", "Model"),
        room("Masking", "Model"),
        room("Expressions", "JSON", "Model"),
        // Optimised in debug builds too: covers of random models are most of its tests.
        .target(
            name: "Workflows", dependencies: ["Expressions", "JSON", "Model", "CYaml"],
            swiftSettings: strict + [.strictMemorySafety(), .unsafeFlags(["-O"], .when(configuration: .debug))]),
        // Optimised in debug builds too: simulations of many seeds are most of its tests.
        .target(
            name: "Scheduling", dependencies: ["Model"],
            swiftSettings: strict + [.unsafeFlags(["-O"], .when(configuration: .debug))]),
        // Optimised in debug builds too: properties over thousands of random runs are most of their tests.
        .target(
            name: "Gates", dependencies: ["Model", "JSON", "CStatistics"],
            swiftSettings: strict + [.unsafeFlags(["-O"], .when(configuration: .debug))]),
        room("Reporting", "JSON", "Model", "Gates"),
        room("Wire", "Model", "JSON"),
        .target(
            name: "Simulation", dependencies: ["Scheduling", "Model", "Wire"],
            swiftSettings: strict + [.unsafeFlags(["-O"], .when(configuration: .debug))]),

        room("Delivery", "JSON", "Model"),

        // Devices.
        // Performs what Delivery says.
        device("HTTP", "Delivery", "CCurl"),
        device("Locks"),
        room("Programs", "Locks", "CLinux"),
        device("Transport", "Wire", "Model", "Locks", "COpenSSL", "CLinux"),
        // Optimised in debug builds too: cutting and matching look at every byte, and the tests at many megabytes.
        .target(
            name: "Artifacts",
            dependencies: ["Wire", "Model", "Locks", "COpenSSL", "CZstd", "CLinux"],
            swiftSettings: strict + [.strictMemorySafety(), .unsafeFlags(["-O"], .when(configuration: .debug))]),
        device("Storage", "Model", "Locks", "CSQLite", "CLinux"),

        // Services.
        room("Queries", "Storage", "Artifacts", "Reporting", "Gates", "Wire", "JSON", "Model"),
        room(
            "CoordinatorService", "Workflows", "Expressions", "Scheduling", "Gates", "Queries", "Reporting", "Delivery",
            "HTTP", "JSON", "Wire", "Transport", "Artifacts", "Storage", "Programs", "Model", "Locks"),
        device(
            "AgentService", "Client", "Expressions", "JSON", "Masking", "Scheduling", "Wire", "Transport", "Artifacts",
            "Programs", "Model", "Locks", "CLinux"),

        room("Client", "Wire", "Transport", "Artifacts", "Programs", "Model"),

        // The binary.
        .executableTarget(
            name: "sheaf",
            dependencies: [
                "CoordinatorService", "AgentService", "Client", "Queries", "Workflows", "Expressions", "Gates",
                "Reporting", "Delivery", "HTTP", "CLinux", "JSON", "Artifacts", "Wire", "Transport", "Storage",
                "Scheduling", "Programs", "Model", "Locks", "Simulation",
            ],
            swiftSettings: strict),
        // The generator of Sources/Wire/Generated; `make proto` runs it.
        .executableTarget(
            name: "protoc-gen-sheaf", dependencies: ["Wire"], swiftSettings: strict),

        tests("ModelTests", "Model"),
        tests("JSONTests", "JSON", "Model"),
        tests("MaskingTests", "Masking", "Model"),
        tests("ExpressionsTests", "Expressions", "JSON", "Model"),
        tests("WorkflowsTests", "Workflows", "Expressions", "JSON", "Model"),
        tests("SchedulingTests", "Scheduling", "Model"),
        .testTarget(
            name: "GatesTests", dependencies: ["Gates", "JSON", "Model"], path: "Tests/GatesTests",
            exclude: ["Reference", "Oracle"], swiftSettings: strict),
        .testTarget(
            name: "ReportingTests", dependencies: ["Reporting", "Gates", "JSON", "Model"], path: "Tests/ReportingTests",
            exclude: ["read_junit.py"], swiftSettings: strict),
        tests("DeliveryTests", "Delivery", "HTTP", "JSON", "Model"),
        .testTarget(
            name: "WireTests", dependencies: ["Wire", "Model"], path: "Tests/WireTests",
            exclude: ["Golden/golden.proto", "Golden/golden.txt", "Golden/make_golden.py"], swiftSettings: strict),
        tests("TransportTests", "Transport", "Wire", "Model", "Locks"),
        tests("ArtifactsTests", "Artifacts", "Wire", "Model", "Locks"),
        // A disk for SQLite that counts, fails and loses its power.
        .target(name: "FaultyDisk", dependencies: ["CSQLite"], path: "Tests/FaultyDisk"),
        .testTarget(
            name: "StorageTests", dependencies: ["Storage", "Model", "Locks", "FaultyDisk"], path: "Tests/StorageTests",
            exclude: ["Stores"], swiftSettings: strict),
        tests(
            "QueriesTests", "Queries", "Storage", "Artifacts", "Reporting", "Gates", "Wire", "JSON", "Model"),
        tests("SimulationTests", "Simulation", "Scheduling", "Model"),
        tests("ClientTests", "Client", "Transport", "Artifacts", "Wire", "Model", "Locks"),
        tests(
            "CoordinatorServiceTests", "CoordinatorService", "Scheduling", "Simulation", "Artifacts", "Storage",
            "Transport", "Wire",
            "Locks", "Model", "FaultyDisk"),
        tests(
            "AgentServiceTests", "AgentService", "Artifacts", "Programs", "Transport", "Wire", "Model", "Locks",
            "CLinux"),
        tests(
            "WalkthroughTests", "Workflows", "Scheduling", "Storage", "Artifacts", "Queries", "Gates", "Reporting",
            "Wire", "JSON", "Model"),
        .testTarget(
            name: "EndToEndTests", dependencies: ["sheaf", "Artifacts", "JSON", "Model"], path: "Tests/EndToEndTests",
            exclude: ["python_agent", "code_host.py"], swiftSettings: strict),
        tests("TidyTests"),
        .testTarget(
            name: "FuzzTests",
            dependencies: [
                "Workflows", "Expressions", "Gates", "Masking", "JSON", "Wire", "Transport", "Artifacts",
                "AgentService", "Model",
            ],
            path: "Tests/Fuzz", exclude: ["Driver", "Corpus", "Dictionaries", "make_seeds.py"], swiftSettings: strict),
    ],
    cxxLanguageStandard: .cxx17
)

// `make fuzz` asks for one program more: what Tests/Fuzz reads, under libFuzzer, with every room watched by it. The
// variable is the folder of the compiler's libclang_rt.fuzzer_no_main (docs/decisions/0009-testing-by-machines.md).
if let library = Context.environment["SHEAF_FUZZ"] {
    let rooms = package.targets.first { $0.name == "FuzzTests" }?.dependencies ?? []
    package.targets.removeAll { $0.type == .test }
    package.targets.append(
        .executableTarget(
            name: "sheaf-fuzz", dependencies: rooms, path: "Tests/Fuzz",
            exclude: ["Corpus", "CorpusTests.swift", "Dictionaries", "LargeInputTests.swift", "make_seeds.py"],
            swiftSettings: strict,
            linkerSettings: [
                .unsafeFlags(["-L\(library)"]), .linkedLibrary(":libclang_rt.fuzzer_no_main-x86_64.a"),
                .linkedLibrary("stdc++"),
            ]))
    for target in package.targets where target.type != .system && !["CLinux", "CStatistics"].contains(target.name) {
        target.swiftSettings = (target.swiftSettings ?? []) + [.unsafeFlags(["-sanitize=fuzzer", "-enable-testing"])]
    }
}
