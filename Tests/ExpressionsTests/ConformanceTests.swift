import Expressions
import Foundation
import JSON
import Model
import Testing

/// Cases that others have published, read where their folder is.
enum Conformance {
    static let folder: URL? = {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let shared =
            ProcessInfo.processInfo.environment["SHEAF_SHARED"].map { URL(filePath: $0) }
            ?? root.deletingLastPathComponent().appending(path: "shared")
        let folder = shared.appending(path: "data/conformance")
        return FileManager.default.fileExists(atPath: folder.path) ? folder : nil
    }()

    static func lines(_ name: String) throws -> [Value] {
        let folder = try #require(Self.folder)
        let bytes = Array(try Data(contentsOf: folder.appending(path: name)))
        return try JSONLines(bytes).map { try JSONParser.parse($0.bytes, depthMax: 200).value }
    }
}

@Suite struct `Published expressions` {
    /// The names that cases use which only ask whether they can be read.
    private static let scope = ExpressionScope(
        names: ["a", "b", "x", "y", "foo", "some", "object", "github"],
        functions: [.init("success", 0, ExpressionScope.argumentsMax)])

    @Test(.enabled(if: Conformance.folder != nil)) func `come to what GitHub says`() throws {
        var agreed = 0
        for line in try Conformance.lines("expressions.jsonl") {
            let source = try #require(line["expr"]?.string)
            let id = line["id"]?.string ?? "?"
            if line["parse_only"] != nil {
                #expect(throws: Never.self, "\(id) \(source)") { _ = try Expression(source, in: Self.scope) }
                agreed += 1
                continue
            }
            let answer = try JSONParser.value(
                ExpressionTrial.answer(source, contexts: line["contexts"] ?? .object([])), depthMax: 200)
            if let error = line["error"] {
                // Other tools than GitHub's say it in words of their own.
                let isGitHubs = ["github", "docs"].contains(line["authority"]?.string)
                let wanted = isGitHubs ? error["message"]?.string ?? "" : ""
                let got = answer["error"]?.string
                #expect(got?.hasPrefix(wanted) == true, "\(id) \(source): \(answer), wanted \(wanted)")
            } else {
                let expected = try #require(line["expected"])
                #expect(answer["kind"] == expected["kind"], "\(id) \(source): \(answer), wanted \(expected)")
                #expect(answer["value"] == expected["value"], "\(id) \(source): \(answer), wanted \(expected)")
            }
            agreed += 1
        }
        #expect(agreed >= 640)
    }
}
