import Artifacts
import Foundation
import Model

/// A folder of its own for one test, removed when the test lets go of it.
final class Scratch: Sendable {
    let path: String

    init() {
        var template = Array((NSTemporaryDirectory() + "/sheaf-artifacts-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { fatalError("no temporary folder: \(errno)") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func url(_ relative: String) -> String { path + "/" + relative }

    /// Writes a file, its folders included.
    func write(_ relative: String, _ bytes: [UInt8], executable: Bool = false) throws {
        let target = url(relative)
        try FileManager.default.createDirectory(
            atPath: (target as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        let made = FileManager.default.createFile(
            atPath: target, contents: Data(bytes), attributes: [.posixPermissions: executable ? 0o755 : 0o644])
        guard made else { throw POSIXError(.EIO) }
    }

    func write(_ relative: String, _ text: String) throws { try write(relative, Array(text.utf8)) }

    func link(_ relative: String, to target: String) throws {
        guard symlink(target, url(relative)) == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
    }

    func makeFolder(_ relative: String) throws {
        try FileManager.default.createDirectory(atPath: url(relative), withIntermediateDirectories: true)
    }

    func bytes(_ relative: String) throws -> [UInt8] { try fileBytes(url(relative)) }

    /// Everything below a folder: path → what it is. Two equal ones look the same to whoever unpacks. Letters beyond ASCII are
    /// escaped: two spellings of one are one key for a dictionary, and two files.
    func contents(_ relative: String = "") throws -> [String: String] {
        let base = relative.isEmpty ? path : url(relative)
        var found: [String: String] = [:]
        for case let name as String in FileManager.default.enumerator(atPath: base) ?? .init() {
            let key = name.addingPercentEncoding(withAllowedCharacters: .urlPathAllowed) ?? name
            let attributes = try FileManager.default.attributesOfItem(atPath: base + "/" + name)
            switch attributes[.type] as? FileAttributeType {
            case .typeDirectory?: continue
            case .typeSymbolicLink?:
                found[key] = "→ " + (try FileManager.default.destinationOfSymbolicLink(atPath: base + "/" + name))
            default:
                let mode = (attributes[.posixPermissions] as? NSNumber)?.intValue ?? 0
                let bytes = try fileBytes(base + "/" + name)
                found[key] = "\(mode & 0o100 != 0 ? "x" : "-") \(Digest(hashing: bytes))"
            }
        }
        return found
    }

    func folder(_ relative: String = "") throws -> Folder { try Folder(at: relative.isEmpty ? path : url(relative)) }
}

func fileBytes(_ path: String) throws -> [UInt8] {
    // Array(data) goes byte by byte where nothing is optimised.
    try Data(contentsOf: URL(filePath: path)).withUnsafeBytes { Array($0) }
}

/// Bytes that no compressor makes smaller, the same for the same seed.
func noise(_ count: Int, seed: UInt64) -> [UInt8] {
    var random = SplitMix64(seed: seed)
    let words = (count + 7) / 8
    // A plain loop: this is most of what the tests compute, and they are not optimised.
    return [UInt8](unsafeUninitializedCapacity: words * 8) { target, filled in
        guard let start = target.baseAddress else { return }
        var index = 0
        while index < words {
            UnsafeMutableRawPointer(start).storeBytes(
                of: random.next(), toByteOffset: index &* 8, as: UInt64.self)
            index &+= 1
        }
        filled = count
    }
}

func plan(
    _ scratch: Scratch, _ relative: String = "", _ selection: Selection = .everything(except: [])
) throws
    -> TreePlan
{
    TreePlan(try TreeScan(of: try scratch.folder(relative), selection))
}

/// What packing on this thread gives: the manifest, and every chunk by digest.
func pack(_ plan: TreePlan) throws -> (manifest: Manifest, chunks: [Digest: VerifiedObject]) {
    var chunks: [Digest: VerifiedObject] = [:]
    let manifest = try plan.pack { chunk in chunks[chunk.object.digest] = chunk }
    return (manifest, chunks)
}

/// The error of a kind that a body throws, or `nil`.
func artifactError(_ body: () throws -> Void) -> ArtifactError? {
    do {
        try body()
        return nil
    } catch {
        return error as? ArtifactError
    }
}

func artifactError(_ body: () async throws -> Void) async -> ArtifactError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? ArtifactError
    }
}
