import Model

/// Tells whether two worlds went the same way, by what is said of them.
package struct Fingerprint: Equatable, Sendable, CustomStringConvertible {
    private var hash = StableHash()
    private var count = 0

    package init() {}

    package mutating func take(_ words: String) {
        count += 1
        hash.take(words)
    }

    package var description: String { "\(count) steps, \(hash)" }
}
