import Model

/// Why an expression means nothing, or came to nothing; in GitHub's words where GitHub has some.
package struct ExpressionError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Kind: String, Sendable { case lexing, parsing, evaluation }

    package var kind: Kind
    package var message: String
    /// UTF-16 units from the expression's beginning, from 0; for evaluation errors 0.
    package var offset: Int
    /// The name that the place does not have; `nil` for other mistakes.
    package var unknownName: String?
    /// Whether that name was called.
    package var isAboutFunction = false

    package var description: String { message }

    static func evaluation(_ message: String) -> Self { Self(kind: .evaluation, message: message, offset: 0) }

    static var tooLong: Self {
        Self(kind: .parsing, message: "Exceeded max expression length \(Limits.expressionCharactersMax)", offset: 0)
    }
    static var tooDeep: Self {
        Self(kind: .parsing, message: "Exceeded max expression depth \(Limits.expressionDepthMax)", offset: 0)
    }
    static var outOfMemory: Self { .evaluation("The maximum allowed memory size was exceeded") }
}
