import Artifacts
import JSON
import Model
import Wire

/// What the farm asks of an attempt, checked and in our own words.
struct Assignment: Sendable {
    static let contextsDepthMax = Limits.nestingMax + 10
    /// Used where the farm names none.
    static let graceStandard = Duration.seconds(10)

    var id: AttemptID
    var jobID: String
    var cellID: String
    var cellName: String
    var shardCount: Int
    var work: JobWork
    /// github, inputs, vars, needs, strategy, matrix.
    var contexts: [Value.Member]
    var tree: Digest?
    /// The Python that was asked for when the cell was planned.
    var python: String?
    var memory: ByteCount?
    /// What the attempt's files may take.
    var disk: ByteCount?
    var cpus: Int
    var gpus: [String]
    var timeout: Duration
    var idleTimeout: Duration?
    var grace: Duration
    var inputs: [HeldInput]
    var items: Slice?
    var itemSource: ShardPlan.ItemSource?
    var artifacts: [Proto.RunArtifact]
    /// The run's code may be a stranger's.
    var isUntrusted: Bool

    struct Slice: Equatable, Sendable {
        var listing: ObjectRef
        var first: Int
        var count: Int
    }

    /// - Throws: `AgentError.farm` for what no coordinator sends.
    init(_ proto: Proto.Assignment) throws(AgentError) {
        do throws(MeaningError) {
            guard let attempt = proto.attempt, let work = proto.work else {
                throw MeaningError("assignment", "names no attempt or no work")
            }
            id = try attempt.meaning()
            self.work = try work.meaning()
            inputs = []
            for input in proto.inputs { inputs.append(try input.meaning()) }
            itemSource = try proto.itemSource?.meaning()
        } catch {
            throw .farm("the assignment cannot be read: \(error)")
        }
        jobID = proto.jobId
        cellID = proto.cellId
        cellName = proto.cellName
        shardCount = max(1, Int(proto.shardCount))
        do {
            let text = proto.contextsJson.isEmpty ? "{}" : proto.contextsJson
            let value = try JSONParser.value(text, repeatedKeys: .keepFirst, depthMax: Self.contextsDepthMax)
            guard let members = value.members else { throw AgentError.farm("the contexts are no JSON object") }
            contexts = members
        } catch {
            throw .farm("the contexts cannot be read: \(error)")
        }
        tree = Digest(proto.tree)
        python = proto.python.isEmpty ? nil : proto.python
        cpus = max(1, Int(proto.resources?.cpus ?? 1))
        memory = proto.resources.flatMap { $0.memoryBytes > 0 ? ByteCount(Int64(clamping: $0.memoryBytes)) : nil }
        disk = proto.resources.flatMap { $0.diskBytes > 0 ? ByteCount(Int64(clamping: $0.diskBytes)) : nil }
        gpus = proto.gpuUuids
        timeout = proto.timeoutS > 0 ? .seconds(Int64(proto.timeoutS)) : .minutes(360)
        idleTimeout = proto.idleTimeoutS > 0 ? .seconds(Int64(proto.idleTimeoutS)) : nil
        grace = proto.graceS > 0 ? .seconds(Int64(proto.graceS)) : Self.graceStandard
        if let slice = proto.items, let object = slice.listing.flatMap(ObjectRef.init) {
            items = Slice(listing: object, first: Int(slice.first), count: Int(slice.count))
        }
        artifacts = proto.artifacts
        isUntrusted = proto.untrusted
    }

    /// The job's id in its own file: `ci.build` is the job `build` of the workflow that `ci` calls.
    var ownJobID: String { jobID.split(separator: ".").last.map(String.init) ?? jobID }

    func context(_ name: String) -> Value { contexts.first { $0.key == name }?.value ?? .object([]) }

    /// A member of `github`, as text; empty when there is none.
    func github(_ name: String) -> String { context("github")[name]?.string ?? "" }
}
