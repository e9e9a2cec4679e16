extension Proto.AttemptReport {
    /// What the attempt measured and said: small, and kept as long as the run is. Artifacts are not among them.
    package var results: [Proto.ObjectRef] {
        ([metrics, items, environmentLock, summary, listing] + metricFiles.map(\.object)).compactMap { $0 }
    }
}
