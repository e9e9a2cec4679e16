import Glibc
import Model

/// A regular file that was reached through no link, for whoever looks at its bytes before they go anywhere.
package final class OpenFile: Sendable {
    private let descriptor: Descriptor
    private let path: TreePath

    init(_ descriptor: consuming Descriptor, _ path: TreePath) {
        self.descriptor = descriptor
        self.path = path
    }

    /// The next bytes, at most `most`; none at the end.
    package func read(_ most: Int) throws(ArtifactError) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: most)
        while true {
            let count = unsafe Glibc.read(descriptor.raw, &buffer, most)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw SystemCode.fault("reading \(path)") }
            buffer.removeLast(most - count)
            return buffer
        }
    }
}

extension Folder {
    /// Opens a regular file below this folder whose path nobody needs to trust.
    ///
    /// - Throws: `ArtifactError.missing`, `.throughLink`, `.special`, `.tooMuch`.
    package func open(_ path: TreePath, bytesMax: Int) throws(ArtifactError) -> OpenFile {
        OpenFile(try openRegular(path, bytesMax: bytesMax), path)
    }

    func openRegular(_ path: TreePath, bytesMax: Int) throws(ArtifactError) -> Descriptor {
        var walk = FolderWalk(below: self)
        let (parent, name) = try walk.parent(of: path)
        let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
        guard let file = Descriptor.open(name, at: parent.descriptor.raw, flags: flags) else {
            switch errno {
            case ENOENT: throw .missing(path: path.text)
            case ELOOP: throw .throughLink(path: path.text, link: path.text)
            case ENXIO: throw .special(path: path.text, kind: "socket or device")
            default: throw SystemCode.fault("opening \(path)")
            }
        }
        let facts = try file.facts(path.text)
        switch facts.kind {
        case .regular: break
        case .directory: throw .special(path: path.text, kind: "folder")
        case .link: throw .throughLink(path: path.text, link: path.text)
        case .special(let kind): throw .special(path: path.text, kind: kind)
        }
        guard facts.sizeBytes <= bytesMax else { throw .tooMuch(limit: "bytes in \(path)", most: bytesMax) }
        return file
    }
}
