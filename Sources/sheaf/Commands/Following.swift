import Client
import Glibc
import Model
import Wire

/// Follows a run on the terminal, takes Ctrl-C, and ends with the report and its exit code.
struct Following: Sendable {
    let run: RunID
    let connect: @Sendable () async throws(ClientError) -> FarmClient
    /// How to come back after leaving; `nil` where the farm ends with this process.
    let comeBack: String?

    private enum Outcome: Sendable {
        case ended(Proto.RunSummary)
        case left
    }

    /// After the first Ctrl-C, the second one cancels the run within this time.
    private static let secondThought = Duration.seconds(4)

    func follow(_ signals: AsyncStream<CInt>, quiet: Bool = false) async throws -> ExitCode {
        let outcome = try await withThrowingTaskGroup(of: Outcome?.self) { group in
            group.addTask {
                let progress = Progress()
                defer { progress.erase() }
                return .ended(
                    try await RunFollower(run, connect: connect).follow { event in if !quiet { progress.show(event) } })
            }
            group.addTask { await watchKeys(signals) }
            defer { group.cancelAll() }
            while let outcome = try await group.next() {
                if let outcome { return outcome }
            }
            return Outcome.left
        }
        switch outcome {
        case .left: return .interrupted
        case .ended(let summary):
            try await printReport()
            return ExitCode(rawValue: Int32(clamping: summary.exitCode)) ?? .failed
        }
    }

    /// - Returns: `.left` when the person leaves; `nil` when the keys have no more to say.
    private func watchKeys(_ signals: AsyncStream<CInt>) async -> Outcome? {
        var iterator = signals.makeAsyncIterator()
        guard await iterator.next() != nil else { return nil }
        if let comeBack {
            Terminal.complain(
                "\nCtrl-C again cancels \(run); otherwise it goes on without you. To come back: \(comeBack)")
        } else {
            Terminal.complain("\nCtrl-C again cancels \(run)")
        }
        let second = await withTaskGroup(of: Bool?.self) { group in
            group.addTask {
                for await _ in signals { return true }
                return nil
            }
            group.addTask {
                // Cancelled by the second Ctrl-C.
                guard (try? await Task.sleep(for: Self.secondThought)) != nil else { return nil }
                return false
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
        if second == true {
            await cancel()
            return comeBack == nil ? nil : .left
        }
        return comeBack == nil ? await watchKeys(signals) : .left
    }

    private func cancel() async {
        do throws(ClientError) {
            let client = try await connect()
            _ = try await client.call(
                Proto.Farm.Cancel.self,
                .with {
                    $0.run = run.number
                    $0.reason = "Ctrl-C"
                })
            Terminal.complain("\(run) is cancelled" + (comeBack.map { "; its report: \($0)" } ?? ""))
        } catch {
            Terminal.complain("error: \(run) could not be cancelled: \(error)")
        }
    }

    private func printReport() async throws {
        let client = try await Farming.failing { () async throws(ClientError) in try await connect() }
        try await client.stream(
            Proto.Farm.Render.self,
            .with {
                $0.run = run.number
                $0.format = "text"
                $0.color = Terminal.usesColor
                $0.columns = UInt32(Terminal.columns)
            }
        ) { part in Terminal.write(part.bytes) }
    }
}
