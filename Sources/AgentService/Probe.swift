import Glibc
import Locks
import Model

/// Asks a program a question: what it writes, within a time and a size.
enum Probe {
    struct Answer: Sendable {
        var exit: ProcessExit.How
        var out: [UInt8]
        var err: [UInt8]
        var text: String { String(decoding: out, as: UTF8.self) }
    }

    /// - Returns: `nil` when the program does not start, or had to be killed at the limit.
    static func ask(
        _ path: String, _ arguments: [String], environment: [String] = ["PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"],
        account: Account? = nil, in chamber: Chamber? = nil, within most: Duration = .seconds(10),
        bytesMax: Int = 1 << 20
    ) async -> Answer? {
        let box = Taken()
        let program = Program(
            path: path, arguments: [path] + arguments, environment: environment, directory: "/", account: account,
            chamber: chamber)
        // A program that cannot start answers nothing.
        guard
            let process = try? StepProcess.start(
                program, in: nil, output: { stream, bytes in box.add(stream, bytes, bytesMax) })
        else { return nil }
        let exit = await withTaskCancellationHandler {
            await withTaskGroup(of: ProcessExit?.self) { group in
                group.addTask { await process.exit }
                group.addTask {
                    // Cancelled when the program has ended.
                    guard (try? await Task.sleep(for: most)) != nil else { return nil }
                    box.isLate.withLock { $0 = true }
                    process.killSession()
                    return nil
                }
                var exit: ProcessExit?
                for await answer in group where answer != nil {
                    exit = answer
                    group.cancelAll()
                }
                return exit
            }
        } onCancel: {
            process.killSession()
        }
        await process.closeOutput()
        guard let exit, !box.isLate.withLock({ $0 }) else { return nil }
        return box.bytes.withLock { Answer(exit: exit.how, out: $0.out, err: $0.err) }
    }

    private final class Taken: Sendable {
        let bytes = Mutex((out: [UInt8](), err: [UInt8]()))
        let isLate = Mutex(false)

        func add(_ stream: StepProcess.Stream, _ more: ArraySlice<UInt8>, _ most: Int) {
            bytes.withLock { bytes in
                if stream == .out {
                    bytes.out += more.prefix(max(0, most - bytes.out.count))
                } else {
                    bytes.err += more.prefix(max(0, most - bytes.err.count))
                }
            }
        }
    }
}

extension StepProcess {
    /// Kills the process and what is still in its session's process group.
    func killSession() {
        signal(SIGKILL)
        kill(-pid, SIGKILL)
    }
}
