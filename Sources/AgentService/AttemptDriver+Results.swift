import Artifacts
import Glibc
import Masking
import Model
import Wire

extension AttemptDriver {
    /// Sends what the steps left behind: outputs, metrics, items, summary.
    func collect() async throws {
        guard let place else { return }
        for template in assignment.work.outputs {
            let text: String
            do {
                text = try contexts.text(of: template.text, "outputs.\(template.name)")
            } catch {
                // A job that failed has its reason already.
                if failure != nil { continue }
                throw error
            }
            let masked = output.masked(text)
            if masked != text {
                output.note("warning", "the output '\(template.name)' holds a secret and was left out")
            } else {
                report.outputs[template.name] = text
            }
        }
        let workspace = place.folder.workspace
        if assignment.work.metrics != nil {
            let named = metricsName
            guard metricsPath.isInside(workspace), metricsPath != workspace else {
                throw AgentError.user("metrics '\(named)' leads out of the workspace")
            }
            let below = String(metricsPath.dropFirst(workspace.count + 1))
            // A file that came with the code tree says nothing about this attempt.
            let isOld = checkedOutMetrics.map { $0 == Files.facts(metricsPath, followingLinks: false) } ?? false
            if isOld {
                output.note("warning", "the metrics file '\(named)' is the one of the code tree: it does not count")
            } else {
                report.metrics = try await give(
                    below, in: workspace, bytesMax: Limits.metricsFileBytesMax, called: "metrics '\(named)'")
            }
            if report.metrics == nil, !isOld { output.note("warning", "the metrics file '\(named)' was not written") }
        } else {
            report.metrics = try await give(
                "metrics.json", in: place.folder.files, bytesMax: Limits.metricsFileBytesMax, called: "$SHEAF_METRICS")
        }
        try await collectSources()
        report.items = try await give(
            "items.jsonl", in: place.folder.files, bytesMax: Limits.itemsFileBytesMax, called: "$SHEAF_ITEMS_OUT")
        if !stepSummary.isEmpty {
            let object = VerifiedObject(naming: output.masked(stepSummary))
            let transfer = transfer
            _ = try await farm { try await transfer.give(object) }
            report.summary = object.object.message
        }
    }

    /// The files that a source's pattern matches, below the workspace, sorted.
    func metricFiles(of source: Int) throws(AgentError) -> [String] {
        guard let place else { return [] }
        let pattern = metricPatterns[source]
        do throws(ArtifactError) {
            return FileHash.paths(
                try PathPatterns(pattern, workspace: place.folder.workspace), in: place.folder.workspace
            )
            .sorted()
        } catch {
            throw .user("metrics '\(pattern.prefix(200))': \(error)")
        }
    }

    /// Sends the files in which tools left metrics.
    private func collectSources() async throws {
        guard let place else { return }
        var bytesLeft = Limits.itemsFileBytesMax
        for (index, source) in assignment.work.metricSources.enumerated() where metricPatterns.indices.contains(index) {
            let pattern = metricPatterns[index]
            let paths = try metricFiles(of: index)
            let own = paths.filter {
                checkedOutSources[$0] == nil
                    || checkedOutSources[$0] != Files.facts(place.folder.workspace + "/" + $0, followingLinks: false)
            }
            if own.isEmpty {
                let why = paths.isEmpty ? "no file matches" : "only files of the code tree match, which do not count:"
                output.note("warning", "metrics: \(why) '\(pattern)'")
            }
            guard report.metricFiles.count + own.count <= MetricSource.filesMax else {
                throw AgentError.user(
                    "metrics '\(pattern.prefix(200))': more than \(MetricSource.filesMax) files of an attempt")
            }
            for path in own {
                let most = min(source.bytesMax, bytesLeft)
                guard
                    let object = try await give(
                        path, in: place.folder.workspace, bytesMax: most, called: "metrics '\(path)'")
                else { continue }
                bytesLeft -= Int(clamping: object.size)
                report.metricFiles.append(
                    .with {
                        $0.source = UInt32(index)
                        $0.path = path
                        $0.object = object
                    })
            }
        }
    }

    /// Sends one file, its secrets masked; `nil` when it was not written.
    private func give(
        _ path: String, in folder: String, bytesMax: Int, called name: String
    ) async throws -> Proto.ObjectRef? {
        let transfer = transfer
        do {
            var root = try Folder(at: folder)
            var file = try TreePath(Array(path.utf8))
            if let masked = try masked(file, below: root, bytesMax: bytesMax) {
                if masked.count > 0 {
                    output.note("warning", "\(name) held a secret in \(masked.count) places, which were masked")
                }
                (root, file) = (masked.folder, masked.file)
            }
            let (from, which) = (root, file)
            return try await farm { try await transfer.give(file: which, below: from, bytesMax: bytesMax) }.message
        } catch ArtifactError.missing {
            return nil
        } catch let error as ArtifactError where error.blame == .user {
            throw AgentError.user("\(name): \(error)")
        }
    }

    /// A copy of a file in which secrets are masked, in the attempt's folder where no step can get at it.
    ///
    /// - Returns: the copy, and how many stretches were masked; `nil` when there are no secrets to look for.
    private func masked(
        _ file: TreePath, below folder: Folder, bytesMax: Int
    ) throws -> (folder: Folder, file: TreePath, count: Int)? {
        guard let place, var masker = output.masker else { return nil }
        let source = try folder.open(file, bytesMax: bytesMax)
        let path = place.folder.path + "/masked"
        let raw = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard raw >= 0 else { throw AgentError.failed("write \(path)") }
        defer { close(raw) }
        var taken = 0
        while true {
            let bytes = try source.read(256 << 10)
            taken += bytes.count
            // It grows while it is read: then it is no file that a step has finished.
            guard taken <= bytesMax else { throw ArtifactError.tooMuch(limit: "bytes in \(file.text)", most: bytesMax) }
            try Files.writeAll(bytes.isEmpty ? masker.finish() : masker.write(bytes), to: raw, naming: path)
            if bytes.isEmpty { break }
        }
        return (try Folder(at: place.folder.path), try TreePath("masked"), masker.maskedCount)
    }
}
