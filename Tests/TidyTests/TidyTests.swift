import Foundation
import Testing

/// The tree as style.md and docs/decisions/0001-rooms.md promise it.
@Suite struct `The tree` {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    struct Source {
        var room: String
        var path: String
        var lines: [Substring]
    }

    static let sources: [Source] = {
        let folder = root.appending(path: "Sources")
        let rooms = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return rooms.sorted().flatMap { room -> [Source] in
            let base = folder.appending(path: room)
            let files = FileManager.default.enumerator(atPath: base.path)?.compactMap { $0 as? String } ?? []
            return files.filter { $0.hasSuffix(".swift") }.sorted().compactMap { file in
                guard let text = try? String(contentsOf: base.appending(path: file), encoding: .utf8) else {
                    return nil
                }
                return Source(
                    room: room, path: "Sources/\(room)/\(file)",
                    lines: text.split(separator: "\n", omittingEmptySubsequences: false))
            }
        }
    }()

    /// Who may import whom among our own rooms; one more arrow is a decision, not an accident.
    static let arrows: [String: Set<String>] = [
        "Model": [],
        "JSON": ["Model"],
        "Masking": ["Model"],
        "Expressions": ["JSON", "Model"],
        "Workflows": ["Expressions", "JSON", "Model", "CYaml"],
        "Scheduling": ["Model"],
        "Gates": ["JSON", "Model", "CStatistics"],
        "Reporting": ["Gates", "JSON", "Model"],
        "Delivery": ["JSON", "Model"],
        "HTTP": ["Delivery", "CCurl"],
        "Wire": ["JSON", "Model"],
        "Simulation": ["Scheduling", "Wire", "Model"],
        "Locks": [],
        "Programs": ["Locks", "CLinux"],
        "Transport": ["Wire", "Model", "Locks", "COpenSSL", "CLinux"],
        "Artifacts": ["Wire", "Model", "Locks", "COpenSSL", "CZstd", "CLinux"],
        "Storage": ["Model", "Locks", "CSQLite", "CLinux"],
        "Queries": ["Storage", "Artifacts", "Reporting", "Gates", "Wire", "JSON", "Model"],
        "CoordinatorService": [
            "Workflows", "Expressions", "Scheduling", "Gates", "Queries", "Reporting", "Delivery", "HTTP", "JSON",
            "Wire", "Transport", "Artifacts", "Storage", "Programs", "Model", "Locks",
        ],
        "AgentService": [
            "Client", "Expressions", "JSON", "Masking", "Scheduling", "Wire", "Transport", "Artifacts", "Programs",
            "Model", "Locks", "CLinux",
        ],
        "Client": ["Wire", "Transport", "Artifacts", "Programs", "Model"],
        "protoc-gen-sheaf": ["Wire"],
    ]

    static let pure: Set<String> = [
        "Model", "JSON", "Masking", "Expressions", "Workflows", "Scheduling", "Gates", "Reporting", "Wire",
        "Simulation", "Delivery",
    ]
    static let impure: Set<String> = [
        "Glibc", "Foundation", "FoundationEssentials", "Dispatch", "Synchronization", "Locks",
    ]

    private static func imports(_ line: Substring) -> String? {
        let words = line.split(separator: " ")
        guard let at = words.firstIndex(of: "import"), at <= 1, words.count == at + 2 else { return nil }
        return String(words[at + 1])
    }

    @Test func `imports only along the arrows`() {
        let rooms = Set(Self.arrows.keys).union([
            "sheaf", "CLinux", "COpenSSL", "CSQLite", "CStatistics", "CZstd", "CYaml", "CCurl",
        ])
        for source in Self.sources where source.room != "sheaf" {
            for name in source.lines.compactMap(Self.imports) where rooms.contains(name) {
                #expect(Self.arrows[source.room]?.contains(name) == true, "\(source.path) imports \(name)")
            }
        }
    }

    @Test func `keeps pure rooms pure`() {
        for source in Self.sources where Self.pure.contains(source.room) {
            for name in source.lines.compactMap(Self.imports) {
                #expect(!Self.impure.contains(name), "\(source.path) imports \(name)")
            }
        }
    }

    /// docs/decisions/0005-sanitizers.md: Thread Sanitizer does not see the mutex of `Synchronization`.
    @Test func `locks with what the sanitizer sees`() {
        for source in Self.sources {
            for (index, line) in source.lines.enumerated() where line.hasSuffix("import Synchronization") {
                Issue.record(
                    "\(source.path):\(index + 1): take Mutex from Locks, and `import struct Synchronization.Atomic`")
            }
        }
    }

    @Test func `re-exports no C door`() {
        for source in Self.sources {
            for line in source.lines where line.hasPrefix("package import C") || line.hasPrefix("public import") {
                Issue.record("\(source.path): \(line)")
            }
        }
    }

    /// style.md, section 2: the words that our things are never called.
    @Test func `keeps to its words`() throws {
        let forbidden = try Regex(
            #"^\s*(package |private |fileprivate )?(final )?(struct|class|enum|actor|protocol) (\w*)"#)
        let words = [
            "Worker", "Runner", "Pipeline", "Task", "Chunklet", "Champion", "Blob", "Build", "Execution", "Bot",
        ]
        for source in Self.sources {
            for (index, line) in source.lines.enumerated() {
                guard let match = line.firstMatch(of: forbidden), let name = match.output[4].substring else { continue }
                for word in words where name.hasSuffix(word) {
                    #expect(Self.allowedNames.contains(String(name)), "\(source.path):\(index + 1): \(name)")
                }
            }
        }
    }

    /// Names that carry a forbidden word for a reason, each with that reason.
    static let allowedNames: Set<String> = []

    @Test func `has no public face and no forced unwrap of try`() {
        for source in Self.sources where !source.path.contains("/Generated/") {
            for (index, line) in source.lines.enumerated() {
                let code = line.drop { $0 == " " }
                #expect(!code.hasPrefix("public "), "\(source.path):\(index + 1): we ship a binary; use `package`")
                #expect(!code.contains("try!"), "\(source.path):\(index + 1): `try!`")
            }
        }
    }

    @Test func `has only the agreed top level`() throws {
        let expected: Set<String> = [
            "Package.swift", "Sources", "Tests", "proto", "cluster", "docs", "README.md", "LICENSE", "Makefile",
            ".swift-format", ".gitignore", ".ci",
        ]
        let ignored: Set<String> = [".git", ".build", ".venv", ".cache", ".sheaf", ".swiftpm"]
        for name in try FileManager.default.contentsOfDirectory(atPath: Self.root.path) where !ignored.contains(name) {
            #expect(expected.contains(name), "\(name) at the top level")
        }
    }

    /// Links from our documents to files of this tree lead somewhere.
    @Test func `has no broken links in its documents`() throws {
        let link = try Regex(#"\]\(([^)#\s]+)(#[^)]*)?\)"#)
        let files =
            FileManager.default.enumerator(atPath: Self.root.appending(path: "docs").path)?
            .compactMap { $0 as? String }.filter { $0.hasSuffix(".md") } ?? []
        for file in files.map({ "docs/" + $0 }) + ["README.md"] {
            let url = Self.root.appending(path: file)
            let text = try String(contentsOf: url, encoding: .utf8)
            for match in text.matches(of: link) {
                guard let target = match.output[1].substring, !target.contains("://") else { continue }
                let path = url.deletingLastPathComponent().appending(path: String(target)).standardizedFileURL.path
                #expect(FileManager.default.fileExists(atPath: path), "\(file) links to \(target)")
            }
        }
    }

    private static let analyzer = "/usr/bin/systemd-analyze"

    /// Where systemd is installed, it reads the units; a program stands in for the binary that they name.
    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: analyzer)))
    func `has units that systemd takes`() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-units-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        func verified(_ unit: String) throws -> (status: Int32, said: String) {
            let place = folder.appending(path: "sheaf-test.service")
            try Data(unit.utf8).write(to: place)
            let process = Process()
            let pipe = Pipe()
            process.executableURL = URL(filePath: Self.analyzer)
            process.arguments = ["verify", place.path]
            process.standardOutput = pipe
            process.standardError = pipe
            try process.run()
            let said = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            return (process.terminationStatus, said)
        }
        for name in ["sheaf-agent", "sheaf-coordinator"] {
            let unit = try String(
                contentsOf: Self.root.appending(path: "cluster/systemd/\(name).service"), encoding: .utf8
            )
            .replacingOccurrences(of: "/usr/local/bin/sheaf", with: "/bin/true")
            let taken = try verified(unit)
            #expect(taken.status == 0 && taken.said.isEmpty, "\(name): \(taken.said)")
            let misspelt = try verified(unit.replacingOccurrences(of: "RestartSec=", with: "RestartSecs="))
            #expect(misspelt.said.contains("RestartSecs"), "\(misspelt.said)")
        }
    }
}
