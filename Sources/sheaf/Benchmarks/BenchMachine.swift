import AgentService
import Glibc
import Model

/// What figures were taken on, as far as others can compare with it.
struct BenchMachine {
    var processor: String
    var cores: Int
    var memory: ByteCount
    /// Others' processes that wanted a core over the last minute, ours among them.
    var load: Double
    var hasHashingInstructions: Bool

    static func here() -> Self {
        let discovery = Discovery()
        let lines = text(of: "/proc/cpuinfo").split(separator: "\n")
        func value(_ key: String) -> String {
            let line = lines.first { $0.hasPrefix(key) }
            return line?.split(separator: ":", maxSplits: 1).last.map { String($0.drop { $0 == " " }) } ?? "unknown"
        }
        let flags = Set((value("flags") + " " + value("Features")).split(separator: " "))
        let load = text(of: "/proc/loadavg").split(separator: " ").first.flatMap { Double($0) } ?? 0
        return Self(
            processor: value("model name"), cores: discovery.cores(), memory: discovery.memory(), load: load,
            hasHashingInstructions: flags.contains("sha_ni") || flags.contains("sha2"))
    }

    var text: String {
        "\(cores) cores (\(processor)), \(memory), load \(load), SHA-256 "
            + (hasHashingInstructions ? "in the processor" : "without instructions of its own")
    }

    var value: Value {
        .object([
            Value.Member("processor", .string(processor)), Value.Member("cores", .number(Double(cores))),
            Value.Member("memory_bytes", .number(Double(memory.bytes))), Value.Member("load", .number(load)),
            Value.Member("sha256_instructions", .boolean(hasHashingInstructions)),
        ])
    }

    private static func text(of path: String) -> String {
        // A kernel that does not say it leaves "unknown".
        (try? String(decoding: Files.read(path, bytesMax: 1 << 20), as: UTF8.self)) ?? ""
    }
}

/// A folder of one benchmark, with a place for each repetition; all of it is removed in the end.
final class BenchFolder: Sendable {
    let path: String

    init(in parent: String) throws {
        var template = Array((Commands.absolute(parent) + "/sheaf-bench-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else {
            throw CommandFailure(
                "\(parent): \(String(cString: strerror(errno)))", help: "name another folder: --state FOLDER",
                exitCode: .usage)
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { Self.remove(path) }

    /// An empty folder of this name.
    func fresh(_ name: String) throws -> String {
        let folder = path + "/" + name
        Self.remove(folder)
        guard mkdir(folder, 0o700) == 0 else {
            throw CommandFailure("\(folder): \(String(cString: strerror(errno)))")
        }
        return folder
    }

    /// Everything below was made by this process.
    private static func remove(_ path: String) {
        guard let folder = opendir(path) else { return }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(path + "/" + name) }
        }
        closedir(folder)
        // What is no folder is removed at once; a folder only once it is empty.
        for name in names where unlink(name) != 0 { remove(name) }
        rmdir(path)
    }
}
