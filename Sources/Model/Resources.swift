/// What a shard asks an agent for.
package struct ResourceRequest: Hashable, Sendable {
    /// Whole cores; at least 1.
    package var cpus: Int
    /// `nil` when the workflow names none: the shard is then placed by cores alone.
    package var memory: ByteCount?
    /// What its files may take of the agent's disk; `nil` when the workflow names none: nobody counts them then.
    package var disk: ByteCount?
    /// `nil` when the shard uses no GPU.
    package var gpus: GPURequest?

    package init(cpus: Int = 1, memory: ByteCount? = nil, disk: ByteCount? = nil, gpus: GPURequest? = nil) {
        self.cpus = cpus
        self.memory = memory
        self.disk = disk
        self.gpus = gpus
    }
}

package struct GPURequest: Hashable, Sendable {
    package var count: Int
    /// At least this much on each device.
    package var memory: ByteCount?
    /// A part of the model's name, compared without regard to case: `H200`.
    package var model: String?
    /// Others that will do once a shard has waited for so long; the earliest first. All devices of a shard are of one kind.
    package var or: [Alternative]

    package struct Alternative: Hashable, Sendable {
        package var model: String?
        package var memory: ByteCount?
        package var after: Duration

        package init(model: String?, memory: ByteCount? = nil, after: Duration) {
            self.model = model
            self.memory = memory
            self.after = after
        }
    }

    package init(count: Int, memory: ByteCount? = nil, model: String? = nil, or: [Alternative] = []) {
        self.count = count
        self.memory = memory
        self.model = model
        self.or = or
    }
}

/// One GPU of an agent.
package struct GPU: Hashable, Sendable {
    /// The driver's name for the device: `GPU-5fd3…` or `MIG-…`.
    package var uuid: String
    package var model: String
    package var memory: ByteCount

    package init(uuid: String, model: String, memory: ByteCount) {
        self.uuid = uuid
        self.model = model
        self.memory = memory
    }
}

/// A Python that an agent found.
package struct Interpreter: Hashable, Comparable, Sendable {
    /// The full version: `3.11.7`.
    package var version: String
    package var path: String
    /// Where it comes from: `system`, `pyenv`, `uv`, `conda`.
    package var source: String

    package init(version: String, path: String, source: String) {
        self.version = version
        self.path = path
        self.source = source
    }

    /// Whether `wanted` (`3.11`, `3.x`, `>=3.9 <3.12`) names this version, as setup-python reads it.
    package func satisfies(_ wanted: some StringProtocol) -> Bool {
        VersionRange(wanted)?.contains(version) ?? false
    }

    package static func < (a: Self, b: Self) -> Bool {
        let (x, y) = (a.versionNumbers, b.versionNumbers)
        return x == y ? a.path < b.path : x.lexicographicallyPrecedes(y)
    }

    private var versionNumbers: [Int] {
        version.split(separator: ".").map { Int($0.prefix { $0.isNumber }) ?? 0 }
    }
}

/// What an agent has and offers, as it says when it joins.
package struct Capacity: Equatable, Sendable {
    package var cpus: Int
    package var memory: ByteCount
    /// What attempts' files may take together; zero where the agent names none.
    package var disk: ByteCount
    package var gpus: [GPU]
    /// What `runs-on` can name: `self-hosted`, `linux`, `x64`, `gpu`, the owner's own.
    package var labels: [String]
    package var interpreters: [Interpreter]
    /// Digests of the manifests of `inputs` that the agent holds, with the path each was checked under.
    package var inputs: [HeldInput]
    /// Digests of what it has made and shards may need again: locks of environments, manifests of code trees; the last used
    /// first.
    package var keeps: [Digest]
    /// Whether it can hold an attempt that begins when another one there has ended.
    package var takesAhead = false

    package init(
        cpus: Int, memory: ByteCount, disk: ByteCount = .zero, gpus: [GPU] = [], labels: [String] = [],
        interpreters: [Interpreter] = [],
        inputs: [HeldInput] = [], keeps: [Digest] = []
    ) {
        self.cpus = cpus
        self.memory = memory
        self.disk = disk
        self.gpus = gpus
        self.labels = labels
        self.interpreters = interpreters
        self.inputs = inputs
        self.keeps = keeps
    }
}

/// Read-only data on an agent, checked against its manifest.
package struct HeldInput: Hashable, Sendable {
    package var path: String
    package var manifest: Digest
    package init(path: String, manifest: Digest) {
        self.path = path
        self.manifest = manifest
    }
}
