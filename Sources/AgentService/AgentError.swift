import Glibc
package import Model

/// Why an agent, or an attempt on it, could not go on.
package enum AgentError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A mistake in the workflow or in what a step wrote: trying again changes nothing.
    case user(String)
    /// A command that the agent ran for the attempt, outside of its steps, ended in a way that ends the attempt.
    case ended(Cause)
    /// A mistake in how the agent was started.
    case configuration(String, help: String)
    /// Data that the attempt needs is not here, or not what its manifest says.
    case dataUnavailable(String)
    /// A system call failed: what was being done, and errno.
    case system(String, CInt)
    /// The farm cannot be asked, or refuses.
    case farm(String)
    /// The farm knows nothing of the agent's certificate, and the agent was told to enrol anew then.
    case unknown(String)
    /// Whoever waited was cancelled.
    case cancelled

    package var isDiskFull: Bool {
        if case .system(_, let code) = self { code == ENOSPC || code == EDQUOT } else { false }
    }

    package var description: String {
        switch self {
        case .user(let text), .dataUnavailable(let text), .farm(let text), .unknown(let text): text
        case .ended(let cause): cause.evidence
        case .configuration(let text, let help): "\(text)\n  help: \(help)"
        case .system(let operation, let code): "cannot \(operation): \(Self.text(of: code))"
        case .cancelled: "cancelled"
        }
    }

    /// The error for a call that has just failed.
    static func failed(_ operation: String) -> Self { .system(operation, errno) }

    private static func text(of code: CInt) -> String {
        var buffer = [CChar](repeating: 0, count: 128)
        // The thread-safe one: `strerror` shares its buffer.
        guard unsafe strerror_r(code, &buffer, buffer.count) == 0 else { return "error \(code)" }
        return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
