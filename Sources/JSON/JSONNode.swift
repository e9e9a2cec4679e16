package import Model

/// A piece of a JSON text with its place, and numbers as they were written.
package struct JSONNode: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        case null
        case boolean(Bool)
        /// Finite; `text` is the number as written.
        case number(Double, text: String)
        case string(String)
        case array([JSONNode])
        case object([Member])
    }

    package struct Member: Equatable, Sendable {
        package var key: String
        /// From 1.
        package var line: Int
        package var value: JSONNode
    }

    package var kind: Kind
    /// From 1.
    package var line: Int
    /// From 1, in characters (Unicode scalars).
    package var column: Int

    /// The first member named exactly `key`.
    package subscript(_ key: String) -> JSONNode? {
        guard case .object(let members) = kind else { return nil }
        return members.first { $0.key == key }?.value
    }

    package var value: Value {
        switch kind {
        case .null: .null
        case .boolean(let flag): .boolean(flag)
        case .number(let number, _): .number(number)
        case .string(let text): .string(text)
        case .array(let items): .array(items.map(\.value))
        case .object(let members): .object(members.map { Value.Member($0.key, $0.value.value) })
        }
    }
}

/// Why a text is no JSON: where, and what stands there.
package struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    /// From 1.
    package var line: Int
    /// From 1, in characters (Unicode scalars).
    package var column: Int
    package var problem: String
    /// The word that was found where a value belongs: `NaN`, `None`, `0,80`; empty when it is not about a word.
    package var found: String

    package var description: String { "line \(line), column \(column): \(problem)" }
}
