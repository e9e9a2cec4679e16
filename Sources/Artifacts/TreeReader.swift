import Glibc
import Locks
import Model

/// A scanned tree, divided into what is cut independently: each file of 256 KiB or more by itself, and each run of
/// smaller files between them as one stream. So a large file has the same chunks whatever stands beside it, small files
/// share chunks, and a unit whose files have not changed need not be read again.
package struct TreePlan: Sendable {
    struct Unit: Sendable {
        var files: Range<Int>
        var sizeBytes: Int
    }

    package let scan: TreeScan
    let units: [Unit]

    package init(_ scan: TreeScan) {
        self.scan = scan
        var units: [Unit] = []
        var run = Unit(files: 0..<0, sizeBytes: 0)
        for (index, entry) in scan.found.enumerated() {
            let size = entry.target == nil ? entry.facts.sizeBytes : 0
            if size >= Cutter.bytesMin {
                if run.sizeBytes > 0 { units.append(run) }
                units.append(Unit(files: index..<index + 1, sizeBytes: size))
                run = Unit(files: index + 1..<index + 1, sizeBytes: 0)
            } else {
                run = Unit(files: run.files.lowerBound..<index + 1, sizeBytes: run.sizeBytes + size)
            }
        }
        if run.sizeBytes > 0 { units.append(run) }
        self.units = units
    }

    /// The tree's manifest, once the chunks of all units are known.
    ///
    /// - Parameter chunks: one list per unit, in order.
    package func manifest(chunks: [[ObjectRef]]) throws(ArtifactError) -> Manifest {
        let files = scan.found.map { entry in
            Manifest.File(
                path: entry.path,
                content: entry.target.map { .link(to: String(decoding: $0, as: UTF8.self)) }
                    ?? .bytes(count: entry.facts.sizeBytes, executable: entry.facts.executable))
        }
        return try Manifest(files: files, chunks: Array(chunks.joined()))
    }
}

/// Reads units of a tree and cuts them. Holds one open file and at most one chunk.
package final class TreeReader: Sendable {
    /// The bytes between two cuts.
    package struct Piece: Sendable {
        /// Which unit of the plan they belong to.
        package var unit: Int
        package var bytes: [UInt8]
    }

    private struct State: ~Copyable {
        var walk: FolderWalk
        var cutter = Cutter()
        var scratch = [UInt8](repeating: 0, count: TreeReader.readBytes)
        /// What of `scratch` is not used yet.
        var fresh = 0..<0
        /// Index into `units`.
        var unit = 0
        /// The next file of the unit to open.
        var file: Int?
        var open: OpenFile?
    }

    private struct OpenFile: ~Copyable {
        let descriptor: Descriptor
        let entry: TreeScan.Found
        var left: Int
    }

    private static let readBytes = 256 << 10

    private let plan: TreePlan
    private let units: [Int]
    private let state: Mutex<State>

    /// - Parameter units: which units of the plan to read, in order.
    init(_ plan: TreePlan, units: [Int]) {
        self.plan = plan
        self.units = units
        state = Mutex(State(walk: FolderWalk(below: plan.scan.base, aside: plan.scan.aside)))
    }

    package convenience init(_ plan: TreePlan) { self.init(plan, units: Array(plan.units.indices)) }

    /// The bytes up to the next cut; `nil` at the end.
    ///
    /// - Throws: `ArtifactError.changed` when a file is not as the scan saw it.
    package func next() throws(ArtifactError) -> Piece? {
        try state.withLock { state throws(ArtifactError) in try next(&state) }
    }

    private func next(_ state: inout State) throws(ArtifactError) -> Piece? {
        guard state.unit < units.count else { return nil }
        let index = units[state.unit]
        let unit = plan.units[index]
        var piece = Piece(unit: index, bytes: [])
        piece.bytes.reserveCapacity(min(unit.sizeBytes, Cutter.bytesUsual + Cutter.bytesMin))
        while true {
            if state.fresh.isEmpty {
                guard try fill(&state, unit) else {
                    state.unit += 1
                    state.file = nil
                    state.cutter.restart()
                    // A cut may have fallen on the unit's end.
                    return piece.bytes.isEmpty ? try next(&state) : piece
                }
            }
            var cutter = state.cutter
            let cut = cutter.advance(state.scratch.span.extracting(state.fresh))
            state.cutter = cutter
            let taken = state.fresh.prefix(cut ?? state.fresh.count)
            piece.bytes.append(contentsOf: state.scratch[taken])
            state.fresh = taken.upperBound..<state.fresh.upperBound
            if cut != nil { return piece }
        }
    }

    /// Reads on into `scratch`.
    ///
    /// - Returns: false at the unit's end.
    private func fill(_ state: inout State, _ unit: TreePlan.Unit) throws(ArtifactError) -> Bool {
        var filled = 0
        while filled < state.scratch.count {
            if state.open == nil {
                var index = state.file ?? unit.files.lowerBound
                while index < unit.files.upperBound, !holdsBytes(index) { index += 1 }
                guard index < unit.files.upperBound else {
                    state.file = index
                    break
                }
                state.file = index + 1
                state.open = try open(plan.scan.found[index], &state.walk)
            }
            guard var file = state.open.take() else { break }
            let path = file.entry.path
            let want = min(file.left, state.scratch.count - filled)
            let got = try file.descriptor.read(into: &state.scratch, from: filled, count: want, path.text)
            guard got == want else { throw .changed(path: path.text) }
            filled += got
            file.left -= got
            if file.left > 0 {
                state.open = consume file
            } else {
                let facts = try file.descriptor.facts(path.text)
                guard facts.describesSameContent(as: file.entry.facts) else { throw .changed(path: path.text) }
            }
        }
        state.fresh = 0..<filled
        return filled > 0
    }

    private func holdsBytes(_ index: Int) -> Bool {
        plan.scan.found[index].target == nil && plan.scan.found[index].facts.sizeBytes > 0
    }

    private func open(_ entry: TreeScan.Found, _ walk: inout FolderWalk) throws(ArtifactError) -> OpenFile {
        let path = entry.path.text
        let folder: Folder
        let name: String
        do {
            (folder, name) = try walk.parent(of: entry.path)
        } catch {
            if case .missing = error { throw .changed(path: path) }
            throw error
        }
        // Nothing can hang in open or move a tape: a FIFO or a device that took the file's place opens at once, and the
        // facts below tell it.
        let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
        guard let descriptor = Descriptor.open(name, at: folder.descriptor.raw, flags: flags) else {
            if errno == ENOENT || errno == ELOOP { throw .changed(path: path) }
            throw SystemCode.fault("opening \(path)")
        }
        guard try descriptor.facts(path).describesSameContent(as: entry.facts) else { throw .changed(path: path) }
        return OpenFile(descriptor: descriptor, entry: entry, left: entry.facts.sizeBytes)
    }
}

extension TreePlan {
    /// Packs the whole tree on the calling thread.
    ///
    /// - Parameter emit: gets each chunk in order, the same one perhaps several times.
    package func pack(
        emit: (VerifiedObject) throws(ArtifactError) -> Void
    ) throws(ArtifactError) -> Manifest {
        let reader = TreeReader(self)
        var chunks = [[ObjectRef]](repeating: [], count: units.count)
        while let piece = try reader.next() {
            let object = VerifiedObject(naming: piece.bytes)
            chunks[piece.unit].append(object.object)
            try emit(object)
        }
        return try manifest(chunks: chunks)
    }
}
