import Foundation
import Testing

/// What a farm did, as a plan of what it will do.
@Suite struct `A farm's own history` {
    private static let workflow = """
        sheaf: 1
        name: nightly
        on: workflow_dispatch
        jobs:
          eval:
            runs-on: self-hosted
            strategy: {matrix: {seed: [1, 2]}}
            shards: 3
            steps: [{run: "true"}]
        """

    @Test func `is what sheaf simulate reads`() async throws {
        try await withFarm { farm in
            try await farm.startAgent("one", cpus: 2)
            try await farm.startAgent("two", cpus: 2)
            let workflow = try farm.write("code/nightly.yml", Self.workflow)
            for _ in 0..<2 {
                let run = try await farm.sheaf("submit", workflow, "--wait")
                #expect(run.status == 0, "\(run.output)\(run.error)")
            }
            let told = try await farm.sheaf("simulate", "--from-farm", "--days", "2")
            #expect(told.status == 0, "\(told.error)")
            let file = try farm.write("week.json", told.output)
            let day = try JSONSerialization.jsonObject(with: Data(told.output.utf8)) as? [String: Any]
            let kinds = try #require(day?["agents"] as? [[String: Any]])
            #expect(day?["hours"] as? Int == 48 && kinds.count == 1 && kinds[0]["count"] as? Int == 2, "\(told.output)")
            let load = try #require((day?["loads"] as? [[String: Any]])?.first)
            #expect(load["runs"] as? Int == 2 && load["cells"] as? Int == 2 && load["shards"] as? Int == 3, "\(load)")

            let name = kinds[0]["name"] as? String ?? ""
            let answer = try await farm.sheaf("simulate", file, "--add", "\(name)=1", "--format", "json")
            let outcome = try JSONSerialization.jsonObject(with: Data(answer.output.utf8)) as? [String: Any]
            let first = try #require((outcome?["loads"] as? [[String: Any]])?.first, "\(answer.error)")
            #expect(first["runs"] as? Int == 2 && first["shards"] as? Int == 12 && first["waiting"] as? Int == 0)
        }
    }
}
