import Glibc
import Model

extension ObjectStore {
    /// Whether a file that lies as objects do, `…/ab/cdef…`, holds what its name says. Nothing is moved, and the store need
    /// not be open.
    ///
    /// - Returns: `nil` where no such file is there, or it has no object's name.
    package static func isWhole(_ path: String) throws(ArtifactError) -> Bool? {
        let isFrame = path.hasSuffix(".zst")
        let name = path.split(separator: "/").suffix(2).joined()
        guard let digest = Digest(hex: name.dropLast(isFrame ? 4 : 0)) else { return nil }
        guard let file = Descriptor.open(path, at: AT_FDCWD, flags: O_RDONLY | O_NOFOLLOW) else {
            if errno == ENOENT { return nil }
            throw SystemCode.fault("opening \(path)")
        }
        var intake = ObjectIntake(digest, isFrame ? .zstd : .identity)
        var scratch = [UInt8](repeating: 0, count: scratchBytes)
        do throws(ArtifactError) {
            while true {
                let got = try file.read(into: &scratch, from: 0, count: scratch.count, path)
                if got == 0 { break }
                try intake.advance(scratch.span.extracting(first: got), sizeMax: TreeLimits.objectBytesMax)
            }
            _ = try intake.finish()
            return true
        } catch {
            guard case .damaged = error else { throw error }
            return false
        }
    }
}
