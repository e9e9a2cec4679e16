import Glibc
import Locks
import Model

/// A command of the engine's program that may take long, without holding anybody up.
enum EngineCommand {
    struct Answer: Sendable {
        var exit: ProcessExit
        var out: [UInt8]
        var err: String
        var isLate: Bool

        var isSuccess: Bool { exit.how == .code(0) && !isLate }
        /// The last that was said.
        var complaint: String {
            let text = err.isEmpty ? String(decoding: out.suffix(2_000), as: UTF8.self) : err
            let line = text.split(whereSeparator: \.isNewline).last.map { String($0.prefix(500)) }
            return isLate ? "it took too long" : line ?? "it said nothing"
        }
    }

    private static let outBytesMax = 4 << 20

    /// Runs it to its end; ends it with TERM when whoever waits is cancelled.
    ///
    /// - Parameter heard: gets what it says on its standard error, as it comes.
    static func run(
        _ words: [String], by engine: ContainerEngine, in enclosure: Enclosure?, limit: Duration? = nil,
        heard: @escaping @Sendable (ArraySlice<UInt8>) -> Void = { _ in }
    ) async throws -> Answer {
        let said = Mutex((out: [UInt8](), err: ""))
        let process = try StepProcess.start(
            Program(
                path: engine.path, arguments: [engine.path] + words, environment: engine.environment, directory: "/"),
            in: enclosure
        ) { stream, bytes in
            switch stream {
            case .out: said.withLock { if $0.out.count < outBytesMax { $0.out += bytes } }
            case .err:
                said.withLock { $0.err = String(($0.err + String(decoding: bytes, as: UTF8.self)).suffix(4_000)) }
                heard(bytes)
            }
        }
        let alarm = limit.map { StepAlarm(process, after: $0, grace: grace) }
        let exit = await withTaskCancellationHandler {
            await process.exit
        } onCancel: {
            process.signal(SIGTERM)
        }
        let isLate = alarm?.stop() ?? false
        // What an engine leaves running in the background may hold its pipes.
        await process.closeOutput()
        try Task.checkCancellation()
        return said.withLock { Answer(exit: exit, out: $0.out, err: $0.err, isLate: isLate) }
    }

    private static let grace = Duration.seconds(2)
}
