import Glibc
package import Storage

/// Why the coordinator could not do what it was asked, in words for whoever asked.
package enum CoordinatorError: Error, CustomStringConvertible {
    /// The request is wrong; repeating it changes nothing.
    case invalid(String)
    case notFound(String)
    case denied(String)
    case conflict(String)
    case exhausted(String)
    case store(StorageError)
    /// A system call failed: what was being done, and errno.
    case system(String, CInt)

    package var description: String {
        switch self {
        case .invalid(let text), .notFound(let text), .denied(let text), .conflict(let text), .exhausted(let text):
            text
        case .store(let error): "\(error)"
        case .system(let operation, let code): "cannot \(operation): \(String(cString: strerror(code)))"
        }
    }
}
