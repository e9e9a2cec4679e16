import Model

/// What reads bytes that strangers make: each is given any bytes at all, and must answer without a trap, within bounds, and
/// keep its own promises. The fuzzer and the tests run the same ones.
enum FuzzTarget: String, CaseIterable, Sendable {
    /// A workflow file, from YAML to its plan.
    case workflow
    /// A workflow, then after NUL bytes a workflow that it calls and an action that it uses.
    case called
    /// What starts a workflow: its `on`, a NUL byte, and an event in JSON with its name as a member `name`.
    case events
    /// `${{ }}`: an expression, a newline, and contexts in JSON.
    case expression
    case json
    /// The files that a step leaves: metrics, and items line by line.
    case metrics
    case items
    /// Metrics as other tools write them; the first byte chooses the format, and how it is read.
    case sources
    /// What `sheaf judge` and `sheaf compare` read.
    case results
    /// The first byte chooses a message of the protocol, the rest is its encoding.
    case message
    /// Bytes from the other side of a link; the first says where they are cut.
    case frames
    /// A manifest, unpacked into a folder.
    case archive
    /// An object as it travels and rests: compressed, whole or in parts.
    case object
    /// Token files and addresses.
    case token
    /// What a step says to its agent, in its output and its files.
    case commands

    func run(_ bytes: [UInt8]) throws(FuzzFinding) {
        switch self {
        case .workflow: try WorkflowFuzz.run(bytes)
        case .called: try CalledFuzz.run(bytes)
        case .events: try EventFuzz.run(bytes)
        case .expression: try ExpressionFuzz.run(bytes)
        case .json: try JSONFuzz.run(bytes)
        case .metrics: try MetricsFuzz.metrics(bytes)
        case .items: try MetricsFuzz.items(bytes)
        case .sources: try MetricsFuzz.sources(bytes)
        case .results: try MetricsFuzz.results(bytes)
        case .message: try MessageFuzz.run(bytes)
        case .frames: try FrameFuzz.run(bytes)
        case .archive: try ArchiveFuzz.unpack(bytes)
        case .object: try ArchiveFuzz.object(bytes)
        case .token: try TokenFuzz.run(bytes)
        case .commands: try CommandFuzz.run(bytes)
        }
    }
}

/// A promise that was not kept.
struct FuzzFinding: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

func promise(_ kept: Bool, _ what: @autoclosure () -> String) throws(FuzzFinding) {
    guard kept else { throw FuzzFinding(what()) }
}
