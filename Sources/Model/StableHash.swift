/// 64 bits of FNV-1a: the same for the same bytes on every machine and in every process, and no defence against anybody who
/// looks for two that agree.
package struct StableHash: Equatable, Sendable, CustomStringConvertible {
    private var state: UInt64 = 0xCBF2_9CE4_8422_2325

    package init(_ words: String = "") { take(words) }

    package mutating func take(_ words: String) {
        for byte in words.utf8 { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
    }

    package var value: UInt64 { state }
    /// Hexadecimal, without leading zeros.
    package var description: String { String(state, radix: 16) }
}
