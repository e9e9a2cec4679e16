import Locks
import Masking
import Model

/// What comes of an attempt's output: lines in the log, with the secrets gone, and the commands among them.
///
/// Called from the threads of the attempt's processes; one lock keeps the order.
final class StepOutput: Sendable {
    /// An `::error::`, `::warning::` or `::notice::`.
    struct Annotation: Equatable, Sendable {
        var level: String
        var file: String
        var line: Int
        var title: String
        var text: String
    }

    static let annotationsMax = 100
    /// Output by `::set-output` and state by `::save-state` of one step.
    static let entriesMax = 1_000

    private struct State {
        var assemblers: [LineAssembler] = [LineAssembler(), LineAssembler()]
        var secrets = Secrets()
        var annotations: [Annotation] = []
        var droppedAnnotations = 0
        var outputs: [CommandFile.Entry] = []
        /// By `::save-state::`, for the end of the program.
        var saved: [CommandFile.Entry] = []
        /// While not `nil`, commands are plain text until `::<token>::`.
        var stoppedUntil: String?
        var lastLine = ""
        /// The same, of the step that runs.
        var lastLineOfStep = ""
        var lastAt: Instant
        var echoes = false
        var saidSetOutput = false
        /// What went wrong while an output was taken, and must fail the step.
        var failure: String?
        /// The stream that was written to last.
        var newest = 0
        /// When a line was last shown.
        var shownAt: Instant
        /// How many lines the step has written.
        var lines = 0
        /// What a framework said about a GPU without memory, and in which line; a program about a disk without room.
        var gpuMessage: (text: String, line: Int)?
        var diskMessage: (text: String, free: ByteCount)?
    }

    let log: LogSpool
    private let freeBytes: @Sendable () -> Int64
    private let state: Mutex<State>

    /// - Parameters:
    ///   - secrets: hidden from the first line on.
    ///   - freeBytes: asked when a program says that its disk has no room.
    init(_ log: LogSpool, secrets: Secrets = Secrets(), freeBytes: @escaping @Sendable () -> Int64 = { .max }) {
        self.log = log
        self.freeBytes = freeBytes
        let now = Clock.monotonic()
        var first = State(lastAt: now, shownAt: now)
        first.secrets = secrets
        state = Mutex(first)
    }

    /// When something was last written, by the monotonic clock, and what: a question waits on a line that has no end.
    var last: (at: Instant, line: String) {
        state.withLock { state in
            var open = state.assemblers[state.newest].unfinished
            guard !open.bytes.isEmpty else { return (state.lastAt, state.lastLine) }
            open.isCut = true
            return (state.lastAt, String(decoding: unmarked(open, state.secrets).prefix(300), as: UTF8.self))
        }
    }
    /// What the step that runs, or ran last, wrote last; empty when it wrote nothing.
    var lastLineOfStep: String { state.withLock { $0.lastLineOfStep } }
    /// The last message of a framework that ran out of GPU memory, unless the step wrote much after it: then it went on.
    var gpuMessage: String? {
        state.withLock { state in
            state.gpuMessage.flatMap { state.lines - $0.line <= Self.linesAfterMessageMax ? $0.text : nil }
        }
    }
    /// The first message about a disk without room, and how much was free when it came.
    var diskMessage: (text: String, free: ByteCount)? { state.withLock { $0.diskMessage } }
    /// Takes out the secrets that are known by now; `nil` when there are none.
    var masker: Masker? { state.withLock { $0.secrets.isEmpty ? nil : Masker($0.secrets) } }

    func touch() { state.withLock { $0.lastAt = Clock.monotonic() } }

    /// Masks a text that does not go through the log.
    func masked(_ text: String) -> String { state.withLock { $0.secrets.masked(text) } }
    func masked(_ bytes: [UInt8]) -> [UInt8] {
        state.withLock { state in
            guard !state.secrets.isEmpty else { return bytes }
            var masker = Masker(state.secrets)
            return masker.write(bytes) + masker.finish()
        }
    }

    func say(_ text: String) { log.say(masked(text)) }

    /// Adds what only the agent says, as an annotation too.
    func note(_ level: String, _ text: String) {
        say("\(level): \(text)")
        state.withLock {
            Self.add(Annotation(level: level, file: "", line: 0, title: "", text: $0.secrets.masked(text)), to: &$0)
        }
    }

    // MARK: A step

    /// Makes ready for the next step's commands.
    func beginStep() {
        state.withLock { state in
            (state.outputs, state.saved) = ([], [])
            state.stoppedUntil = nil
            state.failure = nil
            state.lastLineOfStep = ""
            state.gpuMessage = nil
            state.lines = 0
            state.diskMessage = nil
            state.lastAt = Clock.monotonic()
        }
    }

    /// What the step set by commands, what it keeps for its own end, and why it must fail though its program succeeded.
    func endStep() -> (outputs: [CommandFile.Entry], saved: [CommandFile.Entry], failure: String?) {
        flush()
        return state.withLock { ($0.outputs, $0.saved, $0.failure) }
    }

    var annotations: [Annotation] { state.withLock { $0.annotations } }
    var droppedAnnotations: Int { state.withLock { $0.droppedAnnotations } }

    // MARK: Bytes

    func take(_ stream: StepProcess.Stream, _ bytes: ArraySlice<UInt8>) {
        state.withLock { state in
            var lines: [LineAssembler.Line] = []
            let now = Clock.monotonic()
            state.newest = stream == .out ? 0 : 1
            let isDue = state.shownAt.duration(to: now) >= Self.progressEvery
            state.assemblers[state.newest].take(bytes, showingProgress: isDue) { lines.append($0) }
            state.lastAt = now
            if !lines.isEmpty { state.shownAt = now }
            add(lines, stream, &state)
        }
    }

    /// Ends unfinished lines.
    private func flush() {
        state.withLock { state in
            for (index, stream) in [StepProcess.Stream.out, .err].enumerated() {
                var lines: [LineAssembler.Line] = []
                state.assemblers[index].finish { lines.append($0) }
                add(lines, stream, &state)
            }
        }
    }

    private func add(_ lines: [LineAssembler.Line], _ stream: StepProcess.Stream, _ state: inout State) {
        var shown: [[UInt8]] = []
        for line in lines {
            if line.bytes.contains(UInt8(ascii: ":")), let command = command(in: line, state) {
                guard let text = obey(command, &state) else { continue }
                // A command's text may hold line breaks (%0A): each is a line of its own, or it could forge others.
                for part in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
                    shown.append(masked(LineAssembler.Line(bytes: Array(part.utf8), isCut: false), state.secrets))
                }
            } else {
                shown.append(masked(line, state.secrets))
                state.lines += 1
                listen(line.bytes, &state)
            }
        }
        if let last = shown.last(where: { !$0.isEmpty }) {
            state.lastLine = String(decoding: last.prefix(300), as: UTF8.self)
            state.lastLineOfStep = state.lastLine
        }
        log.append(shown, stream == .out ? .out : .err)
    }

    private func masked(_ line: LineAssembler.Line, _ secrets: Secrets) -> [UInt8] {
        let mark = line.isCut ? Array(" … (line cut at \(Limits.logLineBytesMax >> 10) KiB)".utf8) : []
        return unmarked(line, secrets) + mark
    }

    private func unmarked(_ line: LineAssembler.Line, _ secrets: Secrets) -> [UInt8] {
        guard !secrets.isEmpty else { return line.bytes }
        var masker = Masker(secrets)
        let bytes = masker.write(line.bytes)
        // At a cut, what may be the beginning of a secret stays out.
        return line.isCut ? bytes : bytes + masker.finish()
    }

    // MARK: Commands

    private func command(in line: LineAssembler.Line, _ state: State) -> WorkflowCommand? {
        let text = String(decoding: line.bytes, as: UTF8.self)
        if let token = state.stoppedUntil {
            // A token may hold what no command's name does.
            return text.trimmed.lowercased() == "::\(token.lowercased())::" ? WorkflowCommand("::resume::") : nil
        }
        guard let command = WorkflowCommand(text) else { return nil }
        return Self.names.contains(command.name) ? command : nil
    }

    private static let names: Set<String> = [
        "error", "warning", "notice", "debug", "group", "endgroup", "add-mask", "stop-commands", "set-output",
        "save-state", "echo", "add-matcher", "remove-matcher", "set-env", "add-path",
    ]

    /// Does what a command says.
    ///
    /// - Returns: the line to show; `nil` for none.
    private func obey(_ command: WorkflowCommand, _ state: inout State) -> String? {
        if state.stoppedUntil != nil {
            state.stoppedUntil = nil
            return nil
        }
        switch command.name {
        case "error", "warning", "notice":
            let annotation = Annotation(
                level: command.name, file: state.secrets.masked(command.properties["file"] ?? ""),
                line: command.properties["line"].flatMap { Int($0) }.map { max(0, $0) } ?? 0,
                title: state.secrets.masked(command.properties["title"] ?? ""),
                text: state.secrets.masked(command.text))
            Self.add(annotation, to: &state)
            return "\(command.name): \(Self.place(in: command))\(command.text)"
        case "debug": return "debug: \(command.text)"
        case "group": return "▸ \(command.text)"
        case "endgroup", "remove-matcher": return nil
        case "add-matcher": return "note: problem matchers are not read here: what they match makes no annotation"
        case "echo":
            state.echoes = command.text.lowercased() == "on"
            return nil
        case "add-mask": return addMask(command.text, &state)
        case "stop-commands":
            guard !command.text.isEmpty else { return "warning: stop-commands needs a token" }
            state.stoppedUntil = command.text
            return nil
        case "set-output", "save-state":
            guard let name = command.properties["name"], !name.isEmpty else {
                state.failure = "::\(command.name):: needs name=…"
                return "error: ::\(command.name):: needs name=…"
            }
            guard state.outputs.count + state.saved.count < Self.entriesMax else {
                state.failure = "more than \(Self.entriesMax) outputs of one step"
                return nil
            }
            let entry = CommandFile.Entry(name: name, value: command.text)
            let isOutput = command.name == "set-output"
            if isOutput { state.outputs.append(entry) } else { state.saved.append(entry) }
            guard !state.saidSetOutput else { return nil }
            state.saidSetOutput = true
            return
                "warning: ::\(command.name):: is deprecated: write to $GITHUB_\(isOutput ? "OUTPUT" : "STATE") instead"
        case "set-env", "add-path":
            // GitHub took these away because a program's output is not to be trusted that far.
            state.failure =
                "::\(command.name):: is not allowed: write to $GITHUB_\(command.name == "set-env" ? "ENV" : "PATH")"
            return "error: " + (state.failure ?? "")
        default: return nil
        }
    }

    /// `fit.py:7: `, as compilers write it; nothing where the command names no file.
    private static func place(in command: WorkflowCommand) -> String {
        let parts = ["file", "line", "col"].map { command.properties[$0] ?? "" }.prefix { !$0.isEmpty }
        return parts.isEmpty ? "" : parts.joined(separator: ":") + ": "
    }

    private func addMask(_ value: String, _ state: inout State) -> String? {
        switch state.secrets.add(value) {
        case .added, .ignored: return nil
        case .addedThoughShort:
            return "warning: a mask of fewer than \(Secrets.comfortableBytesMin) bytes hides much else"
        case .refused(let limit):
            state.failure = "::add-mask:: is beyond its limit of \(limit): the value would be seen"
            return "error: " + (state.failure ?? "")
        }
    }

    private static func add(_ annotation: Annotation, to state: inout State) {
        guard state.annotations.count < annotationsMax else {
            state.droppedAnnotations += 1
            return
        }
        var annotation = annotation
        annotation.text = String(annotation.text.prefix(4_096))
        annotation.title = String(annotation.title.prefix(256))
        annotation.file = String(annotation.file.prefix(1_024))
        state.annotations.append(annotation)
    }

    // MARK: What programs say when something ran out

    private static let gpuMarks = [
        "CUDA out of memory", "CUDA error: out of memory", "CUDA_ERROR_OUT_OF_MEMORY", "HIP out of memory",
        "hipErrorOutOfMemory", "torch.OutOfMemoryError", "torch.cuda.OutOfMemoryError", "cudaErrorMemoryAllocation",
        "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "cupy.cuda.memory.OutOfMemoryError",
        "RESOURCE_EXHAUSTED: Out of memory", "OOM when allocating tensor",
    ]
    private static let diskMarks = ["No space left on device", "Disk quota exceeded", "ENOSPC", "EDQUOT"]
    private static let messageCharactersMax = 300
    /// A traceback, and what others of its processes say meanwhile.
    private static let linesAfterMessageMax = 200
    /// How often one state of a progress bar becomes a line of the log.
    private static let progressEvery = Duration.seconds(10)

    private func listen(_ line: [UInt8], _ state: inout State) {
        // A cheap look first: a flood must not be made into text.
        let words = OutOf.words(in: line)
        guard !words.isEmpty else { return }
        let text = String(decoding: line.prefix(4_096), as: UTF8.self)
        if words.contains(.memory), Self.gpuMarks.contains(where: { text.contains($0) }) {
            state.gpuMessage = (String(text.prefix(Self.messageCharactersMax)), state.lines)
        }
        if words.contains(.room), state.diskMessage == nil, Self.diskMarks.contains(where: { text.contains($0) }) {
            state.diskMessage = (String(text.prefix(Self.messageCharactersMax)), ByteCount(freeBytes()))
        }
    }
}

/// What a line may be about, by a look at its bytes alone.
private struct OutOf: OptionSet {
    let rawValue: Int
    static let memory = OutOf(rawValue: 1)
    static let room = OutOf(rawValue: 2)

    /// Words of which one stands in each message that is looked for, in capitals: their first letters are O, A, S, Q and E.
    private static let signs: [(word: [UInt8], meaning: OutOf)] = [
        ("OUT OF MEMORY", memory), ("OUTOFMEMORY", memory), ("OUT_OF_MEMORY", memory), ("OOM WHEN", memory),
        ("ALLOC_FAILED", memory), ("MEMORYALLOCATION", memory), ("SPACE LEFT", room), ("QUOTA EXCEEDED", room),
        ("ENOSPC", room), ("EDQUOT", room),
    ].map { (Array($0.0.utf8), $0.1) }
    private static let firsts: [Bool] = {
        var firsts = [Bool](repeating: false, count: 256)
        for sign in signs {
            firsts[Int(sign.word[0])] = true
            firsts[Int(sign.word[0] | 0x20)] = true
        }
        return firsts
    }()

    static func words(in line: [UInt8]) -> OutOf {
        var found: OutOf = []
        for index in line.indices where firsts[Int(line[index])] {
            for sign in signs where index + sign.word.count <= line.count {
                let matches = sign.word.indices.allSatisfy { offset in
                    let byte = line[index + offset]
                    return byte == sign.word[offset] || (byte ^ 0x20 == sign.word[offset] && byte >= 0x61)
                }
                if matches { found.insert(sign.meaning) }
            }
        }
        return found
    }
}
