import Artifacts
import Masking

extension AttemptDriver {
    /// The first file of what is about to be given away that holds a secret, in its name or in its bytes; `nil` where none
    /// does. Unlike a log a file is not masked: it would be another file.
    func fileWithSecret(in scan: TreeScan) async throws -> String? {
        guard let fresh = output.masker else { return nil }
        var pieces = 0
        for path in scan.files {
            let name = output.masked(path.text)
            guard name == path.text else { return name }
            let file = try scan.base.open(path, bytesMax: .max)
            var masker = fresh
            var isLast = false
            while !isLast {
                let bytes = try file.read(256 << 10)
                isLast = bytes.isEmpty
                _ = isLast ? masker.finish() : masker.write(bytes)
                guard masker.maskedCount == 0 else { return name }
                pieces += 1
                // A large file takes long to look through: a stop gets in between.
                if pieces.isMultiple(of: 64) { await Task.yield() }
                if isOver { throw AgentError.cancelled }
            }
        }
        return nil
    }
}
