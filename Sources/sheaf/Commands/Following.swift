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

    func follow(_ signals: AsyncStream<CInt>) async throws -> ExitCode {
        // What is said in between goes through it too, or it would be erased with the lines that are drawn again.
        let progress = SharedProgress()
        let outcome = try await withThrowingTaskGroup(of: Outcome?.self) { group in
            group.addTask {
                defer { progress.erase() }
                do {
                    return .ended(
                        try await RunFollower(run, connect: connect).follow { event in
                            progress.show(event)
                        })
                } catch let error as ClientError {
                    throw Farming.failure(error)
                }
            }
            group.addTask { await watchKeys(signals, progress) }
            defer { group.cancelAll() }
            while let outcome = try await group.next() {
                if let outcome { return outcome }
            }
            return Outcome.left
        }
        switch outcome {
        case .left: return .interrupted
        case .ended(let summary):
            do {
                try await printReport()
            } catch {
                // The verdict is known, and it is what the caller asked for.
                Terminal.complain("the report could not be fetched: \(error)\n  help: sheaf report \(run)")
            }
            return ExitCode(rawValue: Int32(clamping: summary.exitCode)) ?? .failed
        }
    }

    /// What a person does at the keyboard, and the end of the time to think again after the first Ctrl-C.
    private enum Key: Sendable { case pressed(CInt), thoughtOver }

    /// - Returns: `.left` when the person leaves; `nil` when the run has ended first.
    private func watchKeys(_ signals: AsyncStream<CInt>, _ progress: SharedProgress) async -> Outcome? {
        let (keys, sender) = AsyncStream.makeStream(of: Key.self)
        return await withTaskGroup(of: Void.self, returning: Outcome?.self) { group in
            // The only reader of the signals: a reader that is cancelled ends their stream for all.
            group.addTask { for await signal in signals { sender.yield(.pressed(signal)) } }
            defer { group.cancelAll() }
            var isAsked = false
            var isCancelled = false
            for await key in keys {
                switch key {
                case .pressed where isCancelled: return .left
                case .pressed(let signal) where isAsked || signal == SIGTERM && comeBack == nil:
                    isCancelled = true
                    await cancel(progress, because: signal == SIGTERM ? "SIGTERM" : "Ctrl-C")
                    if comeBack != nil { return .left }
                case .pressed(let signal):
                    if let comeBack, signal == SIGTERM {
                        progress.say("\(run) goes on. To come back: \(comeBack)")
                        return .left
                    }
                    isAsked = true
                    ask(progress)
                    group.addTask {
                        // Cancelled when the run ends within it.
                        guard (try? await Task.sleep(for: Self.secondThought)) != nil else { return }
                        sender.yield(.thoughtOver)
                    }
                case .thoughtOver where isCancelled: continue
                case .thoughtOver:
                    isAsked = false
                    if comeBack != nil { return .left }
                }
            }
            return nil
        }
    }

    private func ask(_ progress: SharedProgress) {
        if let comeBack {
            progress.say(
                "Ctrl-C again cancels \(run); otherwise it goes on without you. To come back: \(comeBack)")
        } else {
            progress.say("Ctrl-C again cancels \(run)")
        }
    }

    private func cancel(_ progress: SharedProgress, because reason: String) async {
        do throws(ClientError) {
            let client = try await connect()
            _ = try await client.call(
                Proto.Farm.Cancel.self,
                .with {
                    $0.run = run.number
                    $0.reason = reason
                })
            progress.say("\(run) is cancelled" + (comeBack.map { "; its report: \($0)" } ?? ""))
        } catch {
            progress.say("error: \(run) could not be cancelled: \(error)")
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
