import Artifacts
import Client
import Glibc
import JSON
import Model
import Transport
import Wire

extension Commands {
    static let artifactsList = Command(
        name: "artifacts ls", summary: "list what a run left behind",
        discussion: """
              sheaf artifacts ls r17
            """,
        operands: [.init(name: "RUN", help: "r17")],
        options: [.value("format", "FORMAT", "text or json")] + Farming.options,
        run: { arguments in
            let format = try arguments.choice("format", of: ["text", "json"])
            let run = try RunID(whole: arguments.operands[0])
            let found = try await Farming.call(
                arguments, Proto.Farm.ListArtifacts.self, .with { $0.run = run.number }
            ).artifacts
            if format == "json" {
                Terminal.write(json(found))
            } else if found.isEmpty {
                Terminal.print("\(run) has no artifacts")
            } else {
                let rows = found.map { item in
                    [
                        item.artifact?.name ?? "", "\(item.job)/\(item.cell)/\(item.shard)", "\(item.attempt)",
                        "\(item.artifact?.files ?? 0)",
                        "\(ByteCount(Int64(clamping: item.artifact?.contentBytes ?? 0)))",
                        digest(item)?.short ?? "",
                    ]
                }
                Terminal.print(Table.text(["NAME", "SHARD", "ATTEMPT", "FILES", "BYTES", "DIGEST"], rows))
            }
            return .passed
        })

    static let artifactsGet = Command(
        name: "artifacts get", summary: "unpack artifacts of a run into a folder",
        discussion: """
            Every byte is compared with its digest. Each lies in NAME/CELL: in NAME/CELL/SHARD where the cell has several
            shards, in NAME/JOB/CELL where several jobs made artifacts of that name. When one of them cannot be unpacked,
            all that was unpacked is removed again.

              sheaf artifacts get r17 --name predictions --into out
            """,
        operands: [.init(name: "RUN[/JOB[/CELL[/SHARD]]]", help: "whose")],
        options: [
            .value("name", "NAME", "only artifacts of this name"),
            .value("into", "FOLDER", "made where it is missing; the current folder by default"),
        ] + Farming.options,
        run: { arguments in
            let (client, run, chosen) = try await chosen(arguments)
            let into = arguments.value("into") ?? "."
            var unpacked = try Unpacking(into: into)
            let places = ArtifactPlaces(chosen)
            var told: [String] = []
            for item in chosen {
                guard let object = item.artifact?.manifest.flatMap(ObjectRef.init) else { continue }
                let transfer = Transfer(LinkObjects.run(run, client.link))
                let place = places.path(item)
                do {
                    try await unpacked.add(place) { folder in try await transfer.download(object, into: folder) }
                } catch let error as ArtifactError where error.blame == .user {
                    unpacked.takeBack()
                    throw CommandFailure(
                        "\(into)/\(place): \(error)", help: "name another folder with --into", exitCode: .usage)
                } catch {
                    unpacked.takeBack()
                    throw CommandFailure("\(into)/\(place): \(error)")
                }
                told.append("\(into)/\(place)  \(Spelling.counted(Int(item.artifact?.files ?? 0), "file"))")
            }
            for line in told { Terminal.print(line) }
            return .passed
        })

    static let artifactsVerify = Command(
        name: "artifacts verify", summary: "fetch everything that a run left behind and compare it with its digests",
        discussion: """
              sheaf artifacts verify r17
            """,
        operands: [.init(name: "RUN[/JOB[/CELL[/SHARD]]]", help: "whose")],
        options: [.value("name", "NAME", "only artifacts of this name")] + Farming.options,
        run: { arguments in
            let (client, run, chosen) = try await chosen(arguments)
            var bytes: Int64 = 0
            let places = ArtifactPlaces(chosen)
            for item in chosen {
                guard let object = item.artifact?.manifest.flatMap(ObjectRef.init) else { continue }
                let transfer = Transfer(LinkObjects.run(run, client.link))
                do {
                    let manifest = try await transfer.manifest(object)
                    for chunk in manifest.chunks {
                        bytes += Int64(try await transfer.fetch(chunk, of: object.digest).bytes.count)
                    }
                } catch {
                    throw CommandFailure("\(places.path(item)): \(error)", exitCode: .failed)
                }
            }
            Terminal.print(
                "\(Spelling.counted(chosen.count, "artifact")), \(ByteCount(bytes)): every byte is what its digest says"
            )
            return .passed
        })

    private static func chosen(
        _ arguments: Arguments
    ) async throws -> (client: FarmClient, run: RunID, items: [Proto.RunArtifact]) {
        let part = try PartName(arguments.operands[0])
        let client = try await Farming.connect(arguments)
        let all = try await Farming.failing { () async throws(ClientError) in
            try await client.call(
                Proto.Farm.ListArtifacts.self,
                .with {
                    $0.run = part.run.number
                    $0.job = part.job
                    $0.cell = part.cell
                    $0.shard = part.shard
                    $0.attempt = part.attempt
                })
        }.artifacts
        let name = arguments.value("name")
        let items = all.filter { item in name.map { $0 == item.artifact?.name } ?? true }
        // Of a run that left nothing, everything is nothing; what was asked for by name has to be there.
        let isNarrowed = name != nil || !part.job.isEmpty
        guard !items.isEmpty || all.isEmpty && !isNarrowed else {
            throw CommandFailure(
                "\(arguments.operands[0]) has no such artifact", help: "sheaf artifacts ls \(part.run)",
                exitCode: .usage)
        }
        return (client, part.run, items)
    }

    private static func digest(_ item: Proto.RunArtifact) -> Digest? {
        item.artifact?.manifest.flatMap { Digest($0.digest) }
    }

    private static func json(_ items: [Proto.RunArtifact]) -> [UInt8] {
        var writer = JSONWriter(indent: 2)
        writer.beginArray()
        for item in items {
            writer.value([
                "name": .string(item.artifact?.name ?? ""), "job": .string(item.job), "cell": .string(item.cell),
                "shard": .number(Double(item.shard)), "attempt": .number(Double(item.attempt)),
                "files": .number(Double(item.artifact?.files ?? 0)),
                "bytes": .number(Double(item.artifact?.contentBytes ?? 0)), "digest": .string(digest(item)?.hex ?? ""),
            ])
        }
        writer.endArray()
        writer.newline()
        return writer.bytes
    }
}

/// Unpacks trees into folders below one, and takes all of it back when one of them fails.
private struct Unpacking {
    private let into: String
    private let madeInto: Bool
    private var done: [(place: String, manifest: Manifest)] = []
    /// Folders that were made, each below those before it.
    private var made: [String] = []

    init(into: String) throws {
        self.into = into
        madeInto = access(into, F_OK) != 0
        try PrivateFile.makeFolder(into)
    }

    mutating func add(_ place: String, _ download: (Folder) async throws -> Manifest) async throws {
        var path = into
        for part in place.split(separator: "/") {
            path += "/\(part)"
            if access(path, F_OK) != 0 { made.append(path) }
        }
        let folder = try Folder(at: into).subfolder(place, creating: true)
        done.append((place, try await download(folder)))
    }

    /// Removes what was made here. What cannot be removed stays: the caller already reports why unpacking failed.
    func takeBack() {
        for (place, manifest) in done {
            if let folder = try? Folder(at: into).subfolder(place) { TreeWriter.remove(manifest, below: folder) }
        }
        for path in made.reversed() { _ = rmdir(path) }
        if madeInto { _ = rmdir(into) }
    }
}
