import Glibc
import Wire

/// A plugin of protoc: a `CodeGeneratorRequest` on standard input, a `CodeGeneratorResponse` on standard output.
@main
enum Generator {
    static func main() {
        var writer = ProtoWriter()
        do {
            // `--sheaf_opt=import=Wire` for files outside the room.
            let request = try RawMessage(input())
            let imported = request.text(2).split(separator: "=").dropFirst().first.map(String.init)
            for file in try files(request, importing: imported) {
                writer.tag(15, .lengthDelimited)
                writer.delimited { writer in
                    writer.field(ProtoString.self, 1, file.name)
                    writer.field(ProtoString.self, 15, file.content)
                }
            }
            // FEATURE_PROTO3_OPTIONAL
            writer.field(ProtoUInt64.self, 2, 1)
        } catch {
            writer = ProtoWriter()
            writer.field(ProtoString.self, 1, (error as? GeneratorError)?.problem ?? "\(error)")
        }
        output(writer.bytes)
    }

    private static func files(_ request: RawMessage, importing: String?) throws -> [(name: String, content: String)] {
        let wanted = Set(request.texts(1))
        return try request.messages(15).map { try FileDescriptor($0) }.filter { wanted.contains($0.name) }.map { file in
            let stem = file.name.split(separator: "/").last.map { $0.split(separator: ".").first ?? $0 } ?? "messages"
            return ("\(stem).pb.swift", try SwiftSource.text(of: file, importing: importing))
        }
    }

    private static func input() -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(STDIN_FILENO, &buffer, buffer.count)
            if count <= 0 { return bytes }
            bytes += buffer[..<count]
        }
    }

    private static func output(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                write(STDOUT_FILENO, $0.baseAddress?.advanced(by: sent), $0.count - sent)
            }
            guard count > 0 else { exit(1) }
            sent += count
        }
    }
}
