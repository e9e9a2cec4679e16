package import Model

/// Reads JSON as RFC 8259 has it, and nothing else: no NaN, no comments, no trailing commas, no lone surrogates, no
/// number that a `Double` cannot hold.
package enum JSONParser {
    /// What to do with a key that an object has twice. Keys are the same when their bytes are.
    package enum RepeatedKeys: Sendable {
        case refuse
        case keepFirst
        /// Both are in the tree; the reader looks for them.
        case keepAll
    }

    /// The whole text as one value with places.
    ///
    /// - Parameter depthMax: how deep arrays and objects may nest, at most 1000.
    /// - Throws: `JSONError` at the first thing that is no JSON.
    package static func parse(
        _ bytes: [UInt8], repeatedKeys: RepeatedKeys = .refuse, depthMax: Int = Limits.nestingMax
    ) throws(JSONError) -> JSONNode {
        var keys = KeyMemory()
        return try Scanner<NodeBuilder>.parse(bytes, nil, 1, repeatedKeys, depthMax, &keys)
    }

    /// The whole text as a plain value; about twice as fast as with places.
    package static func value(
        _ bytes: [UInt8], repeatedKeys: RepeatedKeys = .refuse, depthMax: Int = Limits.nestingMax
    ) throws(JSONError) -> Value {
        var keys = KeyMemory()
        return try Scanner<ValueBuilder>.parse(bytes, nil, 1, repeatedKeys, depthMax, &keys)
    }

    package static func value(
        _ text: String, repeatedKeys: RepeatedKeys = .refuse, depthMax: Int = Limits.nestingMax
    ) throws(JSONError) -> Value {
        try value(Array(text.utf8), repeatedKeys: repeatedKeys, depthMax: depthMax)
    }
}
