import Transport

/// Has whoever changes something told when the store takes no changes, rather than wait for as long as its disk is full.
struct Patience: Sendable {
    let keeper: StoreKeeper
    /// How long a change may take before the caller hears what keeps it.
    var limit = Duration.seconds(5)

    /// What the change comes to. It goes on where its caller was told that the store is in the way: it was decided, and is
    /// stored when there is room.
    ///
    /// - Throws: `unavailable`, with what the store said, once it has taken longer than `limit` and the store refuses; or what
    ///   the change throws.
    func answer<Answer: Sendable>(
        _ change: @escaping @Sendable () async throws(LinkStatus) -> Answer
    ) async throws(LinkStatus) -> Answer {
        let (ends, end) = AsyncStream.makeStream(of: Result<Answer, LinkStatus>.self)
        // Ends with the change, whoever still waits for it.
        Task {
            do throws(LinkStatus) {
                end.yield(.success(try await change()))
            } catch {
                end.yield(.failure(error))
            }
        }
        let alarm = Task { [keeper, limit] in
            // Slow is not stuck: one that works its way through a queue is waited for.
            while (try? await Task.sleep(for: limit)) != nil {
                guard let problem = keeper.problem else { continue }
                end.yield(
                    .failure(
                        LinkStatus(
                            .unavailable,
                            "the farm stores nothing just now: \(problem); what you asked for is done once it can, unless the "
                                + "coordinator ends first: look before you ask again")))
            }
        }
        defer { alarm.cancel() }
        for await result in ends { return try result.get() }
        throw LinkStatus(.cancelled)
    }
}
