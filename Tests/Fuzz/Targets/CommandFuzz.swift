import Masking
import Model

@testable import AgentService

enum CommandFuzz {
    static func run(_ bytes: [UInt8]) throws(FuzzFinding) {
        let text = String(decoding: bytes, as: UTF8.self)
        for line in text.split(separator: "\n") { _ = WorkflowCommand(line) }
        _ = try? CommandFile.entries(bytes)
        _ = CommandFile.paths(bytes)

        // However the output is cut, no secret of it leaves, and nothing else is lost.
        var secrets = Secrets()
        _ = secrets.add("hunter2-hunter2")
        if let line = text.split(separator: "\n").first, line.utf8.count >= 8, line.utf8.count < 100 {
            _ = secrets.add(String(line))
        }
        var whole = Masker(secrets)
        let expected = whole.write(bytes) + whole.finish()
        var pieces = Masker(secrets)
        var masked: [UInt8] = []
        let size = Int(bytes.first ?? 0) % 13 + 1
        var start = 0
        while start < bytes.count {
            masked += pieces.write(bytes[start..<min(bytes.count, start + size)])
            start += size
        }
        masked += pieces.finish()
        try promise(masked == expected, "in pieces of \(size) something else is masked")
    }
}
