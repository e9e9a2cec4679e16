package import Model

// What messages mean, and how meanings are sent: identifiers, resources, diagnostics.

extension Proto.AttemptRef {
    package init(_ attempt: AttemptID) {
        self.init()
        run = attempt.run.number
        job = UInt32(attempt.shard.cell.job)
        cell = UInt32(attempt.shard.cell.cell)
        shard = Int32(attempt.shard.shard)
        self.attempt = UInt32(attempt.number)
    }

    package func meaning() throws(MeaningError) -> AttemptID {
        guard run > 0 else { throw MeaningError("run", "is missing") }
        guard attempt > 0 else { throw MeaningError("attempt", "is missing: attempts count from 1") }
        guard shard >= ShardID.listing else { throw MeaningError("shard", "is \(shard), below \(ShardID.listing)") }
        let shard = ShardID(run: RunID(run), job: Int(job), cell: Int(cell), shard: Int(shard))
        return AttemptID(shard: shard, number: Int(attempt))
    }
}

extension Proto.HeldInput {
    package init(_ input: Model.HeldInput) {
        self.init()
        path = input.path
        manifest = input.manifest.bytes
    }

    package func meaning() throws(MeaningError) -> Model.HeldInput {
        Model.HeldInput(path: path, manifest: try digest("manifest", manifest))
    }
}

extension Proto.ObjectRef {
    package init(_ digest: Digest, size: UInt64) {
        self.init()
        self.digest = digest.bytes
        self.size = size
    }

    /// The digest; the size is a plain field.
    package func meaning() throws(MeaningError) -> Digest { try Wire.digest("digest", digest) }
}

func digest(_ name: String, _ bytes: [UInt8]) throws(MeaningError) -> Digest {
    guard let digest = Digest(bytes) else {
        throw MeaningError(name, "has \(bytes.count) bytes; a SHA-256 digest has \(Digest.byteCount)")
    }
    return digest
}

extension Proto.Resources {
    package init(_ request: ResourceRequest) {
        self.init()
        cpus = UInt32(held: request.cpus)
        memoryBytes = UInt64(clamping: request.memory?.bytes ?? 0)
        diskBytes = UInt64(clamping: request.disk?.bytes ?? 0)
        gpuCount = UInt32(held: request.gpus?.count ?? 0)
        gpuMemoryBytes = UInt64(clamping: request.gpus?.memory?.bytes ?? 0)
        gpuModel = request.gpus?.model ?? ""
        gpuOr = (request.gpus?.or ?? []).map { other in
            .with {
                $0.model = other.model ?? ""
                $0.memoryBytes = UInt64(clamping: other.memory?.bytes ?? 0)
                $0.afterMs = UInt64(clamping: other.after.wholeNanoseconds / 1_000_000)
            }
        }
    }

    /// Zero and absent mean that nothing was named, so an empty model and an amount of 0 come back as `nil`.
    package func meaning() throws(MeaningError) -> ResourceRequest {
        guard cpus > 0 else { throw MeaningError("cpus", "is missing: a shard needs at least 1") }
        let gpuMemory = try byteCount("gpu_memory_bytes", gpuMemoryBytes)
        let others = try list("gpu_or", gpuOr) { other throws(MeaningError) in
            let memory = try byteCount("memory_bytes", other.memoryBytes)
            return GPURequest.Alternative(
                model: other.model.isEmpty ? nil : other.model, memory: memory == .zero ? nil : memory,
                after: .milliseconds(Int64(clamping: min(other.afterMs, 1 << 40))))
        }
        let gpus = GPURequest(
            count: Int(gpuCount), memory: gpuMemory == .zero ? nil : gpuMemory,
            model: gpuModel.isEmpty ? nil : gpuModel,
            or: others)
        guard gpuCount > 0 || (gpus.memory == nil && gpus.model == nil) else {
            throw MeaningError("gpu_count", "is missing, but the GPU's memory or model is given")
        }
        let memory = try byteCount("memory_bytes", memoryBytes)
        let disk = try byteCount("disk_bytes", diskBytes)
        return ResourceRequest(
            cpus: Int(cpus), memory: memory == .zero ? nil : memory, disk: disk == .zero ? nil : disk,
            gpus: gpuCount > 0 ? gpus : nil)
    }
}

func byteCount(_ name: String, _ bytes: UInt64) throws(MeaningError) -> ByteCount {
    guard let count = Int64(exactly: bytes) else { throw MeaningError(name, "does not fit in 63 bits") }
    return ByteCount(count)
}

extension Proto.Capacity {
    package init(_ capacity: Model.Capacity) {
        self.init()
        cpus = UInt32(held: capacity.cpus)
        memoryBytes = UInt64(clamping: capacity.memory.bytes)
        diskBytes = UInt64(clamping: capacity.disk.bytes)
        gpus = capacity.gpus.map { gpu in
            var message = Proto.GPU()
            message.uuid = gpu.uuid
            message.model = gpu.model
            message.memoryBytes = UInt64(clamping: gpu.memory.bytes)
            return message
        }
        labels = capacity.labels
        interpreters = capacity.interpreters.map { interpreter in
            var message = Proto.Interpreter()
            message.version = interpreter.version
            message.path = interpreter.path
            message.source = interpreter.source
            return message
        }
        inputs = capacity.inputs.map { Proto.HeldInput($0) }
        takesAhead = capacity.takesAhead
    }

    package func meaning() throws(MeaningError) -> Model.Capacity {
        var capacity = Model.Capacity(
            cpus: Int(cpus), memory: try byteCount("memory_bytes", memoryBytes),
            disk: try byteCount("disk_bytes", diskBytes),
            gpus: try list("gpus", gpus) { gpu throws(MeaningError) in
                Model.GPU(uuid: gpu.uuid, model: gpu.model, memory: try byteCount("memory_bytes", gpu.memoryBytes))
            },
            labels: labels,
            interpreters: interpreters.map { Model.Interpreter(version: $0.version, path: $0.path, source: $0.source) },
            inputs: try list("inputs", inputs) { input throws(MeaningError) in try input.meaning() })
        capacity.takesAhead = takesAhead
        return capacity
    }
}

extension Proto.Diagnostic {
    package init(_ diagnostic: Model.Diagnostic) {
        self.init()
        severity = diagnostic.severity.rawValue
        file = diagnostic.position.file
        line = UInt32(held: diagnostic.position.line)
        column = UInt32(held: diagnostic.position.column)
        problem = diagnostic.problem
        suggestion = diagnostic.suggestion ?? ""
    }

    package func meaning() throws(MeaningError) -> Model.Diagnostic {
        Model.Diagnostic(
            try word("severity", severity, as: Model.Diagnostic.Severity.self),
            at: SourcePosition(file: file, line: Int(line), column: Int(column)), problem,
            help: suggestion)
    }
}
