import Glibc

/// Where a folder lies, whatever names and links lead there: it and all folders above it, as the disk knows them.
struct FolderPlace {
    private struct Node: Equatable {
        let device: dev_t
        let inode: ino_t
    }

    /// From the innermost that exists up to the root.
    private let nodes: [Node]
    /// False for a folder that is yet to be made.
    let exists: Bool

    init(_ path: String) throws(CoordinatorError) {
        var there = path
        while access(there, F_OK) != 0 {
            // Once what is before it is made, it could lead anywhere.
            guard there.split(separator: "/").last != ".." else {
                throw .invalid("\(path) goes back from a folder that is not there yet: name it without '..'")
            }
            there = StateCopy.parent(of: there)
        }
        exists = there == path
        guard let resolved = realpath(there, nil) else { throw .system("find the folder \(there)", errno) }
        defer { free(resolved) }
        var above = String(cString: resolved)
        var found: [Node] = []
        while true {
            var facts = stat()
            guard stat(above, &facts) == 0 else { throw .system("look at the folder \(above)", errno) }
            found.append(Node(device: facts.st_dev, inode: facts.st_ino))
            if above == "/" { break }
            above = StateCopy.parent(of: above)
        }
        nodes = found
    }

    func isSame(as other: FolderPlace) -> Bool { exists && other.exists && nodes[0] == other.nodes[0] }

    /// Whether it is the other folder or lies in it, however deep.
    func isWithin(_ other: FolderPlace) -> Bool { other.exists && nodes.contains(other.nodes[0]) }
}
