/// Where artifacts lie when several are unpacked into one folder: `name/cell`, with `name/cell/shard` where the cell has
/// several shards, and `name/job/cell…` where several jobs made artifacts of that name.
package struct ArtifactPlaces: Sendable {
    private var jobs: [String: Set<String>] = [:]

    /// - Parameter artifacts: all that are unpacked into the folder.
    package init(_ artifacts: [Proto.RunArtifact]) {
        for item in artifacts { jobs[item.artifact?.name ?? "", default: []].insert(item.job) }
    }

    /// The path below the artifact's name; each part is one, whatever its maker called it.
    package func within(_ item: Proto.RunArtifact) -> String {
        let isOfMany = (jobs[item.artifact?.name ?? ""]?.count ?? 0) > 1
        let parts = (isOfMany ? [item.job] : []) + [item.cell]
        return parts.map(Self.part).joined(separator: "/") + (item.shardCount > 1 ? "/\(item.shard)" : "")
    }

    /// The whole path.
    package func path(_ item: Proto.RunArtifact) -> String {
        "\(Self.part(item.artifact?.name ?? ""))/\(within(item))"
    }

    private static func part(_ text: String) -> String {
        let plain = String(text.map { $0 == "/" || $0 == "\0" ? "_" : $0 })
        return plain.isEmpty || plain == "." || plain == ".." ? "_" : plain
    }
}
