import Glibc

/// A system call that failed, and what it was needed for.
package struct SystemError: Error, Hashable, Sendable, CustomStringConvertible {
    package let number: CInt
    package let operation: String

    package init(_ number: CInt, during operation: String) {
        self.number = number
        self.operation = operation
    }

    /// The system's words for the number: "No such file or directory".
    package var explanation: String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard unsafe strerror_r(number, &buffer, buffer.count) == 0 else { return "error \(number)" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    package var description: String { "\(operation): \(explanation)" }

    /// Takes the answer of a C door, which is a negative errno on failure.
    @discardableResult
    static func check(_ answer: CInt, _ operation: @autoclosure () -> String) throws(SystemError) -> CInt {
        guard answer < 0 else { return answer }
        throw SystemError(-answer, during: operation())
    }
}

/// An open file descriptor, closed exactly once, when its owner lets go.
struct Descriptor: ~Copyable, Sendable {
    let raw: CInt
    init(adopting raw: CInt) { self.raw = raw }
    deinit { _ = Glibc.close(raw) }
}
