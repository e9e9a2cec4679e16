import Glibc
import Model

extension Folder {
    /// The bytes of a regular file below this folder, reached through no link; `nil` where there is none, or a larger one.
    package func bytes(of path: TreePath, bytesMax: Int) throws(ArtifactError) -> [UInt8]? {
        let names = path.parts
        var folder = self
        do throws(ArtifactError) {
            for name in names.dropLast() { folder = try folder.child(name, creating: false, owner: nil).folder }
        } catch {
            switch error {
            case .missing, .throughLink: return nil
            default: throw error
            }
        }
        let name = String(decoding: names[names.count - 1], as: UTF8.self)
        // A FIFO would wait for a writer.
        guard let file = Descriptor.open(name, at: folder.descriptor.raw, flags: O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
        else {
            if [ENOENT, ENOTDIR, ELOOP, ENXIO].contains(errno) { return nil }
            throw SystemCode.fault("opening \(folder.below(name))")
        }
        let facts = try file.facts(path.text)
        guard facts.kind == .regular, facts.sizeBytes <= bytesMax else { return nil }
        var bytes = [UInt8](repeating: 0, count: facts.sizeBytes)
        let count = try file.read(into: &bytes, from: 0, count: bytes.count, path.text)
        bytes.removeLast(bytes.count - count)
        return bytes
    }
}
