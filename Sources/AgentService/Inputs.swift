import Artifacts
import Glibc
import Locks
package import Model

/// Checks read-only data against manifests in `sha256sum`'s format. What was checked once is believed as long as no
/// file's size or time changes.
package final class InputCheck: Sendable {
    static let manifestBytesMax = 256 << 20

    private struct Seen: Equatable {
        var size: Int
        var modified: Instant
        var digest: String
    }

    private let seen = Mutex([String: Seen]())
    /// What was found to be as its manifest says, by what it is.
    private let held = Mutex([HeldInput: Offer]())

    package init() {}

    /// The data that an owner offers: a folder, and the manifest that names what is in it.
    package struct Offer: Equatable, Sendable {
        package var path: String
        package var manifest: String
        package init(path: String, manifest: String) {
            self.path = path
            self.manifest = manifest
        }
    }

    /// Looks at everything that the owner offers.
    ///
    /// - Parameter remarks: gets what is not as its manifest says; such data is not offered.
    package func check(_ offers: [Offer], remarks: inout [String]) -> [HeldInput] {
        var held: [HeldInput] = []
        for offer in offers {
            do throws(AgentError) {
                let input = HeldInput(path: offer.path, manifest: try digest(of: offer))
                self.held.withLock { $0[input] = offer }
                held.append(input)
            } catch {
                remarks.append("input \(offer.path) is not offered: \(error)")
            }
        }
        return held
    }

    /// Looks again at data that an attempt is about to read: files may have changed since the agent started.
    ///
    /// - Throws: `AgentError.dataUnavailable`.
    func recheck(_ input: HeldInput) throws(AgentError) {
        guard let offer = held.withLock({ $0[input] }) else {
            throw .dataUnavailable("\(input.path) with manifest \(input.manifest.short) is not held here")
        }
        let now: Digest
        do throws(AgentError) {
            now = try digest(of: offer)
        } catch {
            throw .dataUnavailable("\(input.path) has changed since this agent started: \(error)")
        }
        guard now == input.manifest else {
            throw .dataUnavailable(
                "\(input.path) has changed since this agent started: its manifest is \(now.short) now, the run asks for "
                    + "\(input.manifest.short); restart the agent to offer what is there")
        }
    }

    /// - Returns: the manifest's digest, once every file is as it says.
    func digest(of offer: Offer) throws(AgentError) -> Digest {
        let bytes = try Files.read(offer.manifest, bytesMax: Self.manifestBytesMax)
        try check(manifest: bytes, at: offer.path)
        return Digest(hashing: bytes)
    }

    /// - Throws: `AgentError.dataUnavailable`, naming the first file that is missing or different.
    func check(manifest bytes: [UInt8], at folder: String) throws(AgentError) {
        let entries = try Self.entries(bytes)
        for (name, wanted) in entries {
            let path = folder + "/" + name
            guard let facts = Files.facts(path), facts.kind == .file else {
                throw .dataUnavailable("\(path) is named by the manifest and is not there")
            }
            let known = seen.withLock { $0[path] }
            var actual = known.flatMap { $0.size == facts.sizeBytes && $0.modified == facts.modified ? $0.digest : nil }
            if actual == nil {
                do throws(AgentError) {
                    let real = Files.resolved(path) ?? path
                    actual = try FileHash.digest(ofFile: real).hex
                } catch {
                    throw .dataUnavailable("\(path) cannot be read: \(error)")
                }
                let digest = actual ?? ""
                seen.withLock { $0[path] = Seen(size: facts.sizeBytes, modified: facts.modified, digest: digest) }
            }
            guard actual == wanted else {
                throw .dataUnavailable(
                    "\(path) differs from its manifest: \(actual?.prefix(12) ?? "") instead of \(wanted.prefix(12))")
            }
        }
    }

    /// Lines of a digest, two characters, and a name; `\` before a line means that its name is escaped.
    static func entries(_ bytes: [UInt8]) throws(AgentError) -> [(name: String, digest: String)] {
        var entries: [(String, String)] = []
        for (number, line) in bytes.split(separator: UInt8(ascii: "\n")).enumerated() {
            var text = String(decoding: line, as: UTF8.self)
            if text.trimmed.isEmpty { continue }
            let isEscaped = text.first == "\\"
            if isEscaped { text.removeFirst() }
            let digest = text.prefix(64)
            let rest = text.dropFirst(64)
            guard Digest(hex: digest) != nil, rest.hasPrefix("  ") || rest.hasPrefix(" *") else {
                throw .dataUnavailable("line \(number + 1) of the manifest is not as sha256sum writes it")
            }
            var name = String(rest.dropFirst(2))
            if isEscaped { name = name.replacing("\\n", with: "\n").replacing("\\\\", with: "\\") }
            let standard = name.standardizedPath
            guard !name.isEmpty, !name.hasPrefix("/"), !name.split(separator: "/").contains(".."), !standard.isEmpty
            else {
                throw .dataUnavailable("line \(number + 1) of the manifest names '\(name)', which lies outside")
            }
            entries.append((standard, digest.lowercased()))
        }
        guard !entries.isEmpty else { throw .dataUnavailable("the manifest names no file") }
        return entries
    }
}
