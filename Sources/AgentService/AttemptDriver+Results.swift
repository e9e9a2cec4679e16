import Artifacts
import Glibc
import Masking
import Model
import Wire

extension AttemptDriver {
    /// Takes what the steps left behind: outputs, metrics, items, summary. It needs no farm: what the report names is kept
    /// until that has it.
    func collect() throws {
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
                report.metrics = try keep(
                    below, in: workspace, bytesMax: Limits.metricsFileBytesMax, called: "metrics '\(named)'")
            }
            if report.metrics == nil, !isOld { output.note("warning", "the metrics file '\(named)' was not written") }
        } else {
            report.metrics = try keep(
                "metrics.json", in: place.folder.files, bytesMax: Limits.metricsFileBytesMax, called: "$SHEAF_METRICS")
        }
        try collectSources()
        report.items = try keep(
            "items.jsonl", in: place.folder.files, bytesMax: Limits.itemsFileBytesMax, called: "$SHEAF_ITEMS_OUT")
        if !stepSummary.isEmpty {
            report.summary = try results.keep(output.masked(stepSummary)).message
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

    /// Takes the files in which tools left metrics.
    private func collectSources() throws {
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
                    let object = try keep(
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

    /// Keeps one file for the farm, its secrets masked; `nil` when it was not written.
    private func keep(
        _ path: String, in folder: String, bytesMax: Int, called name: String
    ) throws -> Proto.ObjectRef? {
        do {
            let (object, maskedCount) = try results.keep(
                file: TreePath(Array(path.utf8)), below: Folder(at: folder), bytesMax: bytesMax, masker: output.masker)
            if maskedCount > 0 {
                output.note("warning", "\(name) held a secret in \(maskedCount) places, which were masked")
            }
            return object.message
        } catch ArtifactError.missing {
            return nil
        } catch let error as ArtifactError where error.blame == .user {
            throw AgentError.user("\(name): \(error)")
        }
    }
}
