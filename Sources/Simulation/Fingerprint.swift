/// Tells whether two worlds went the same way: 64 bits of FNV-1a over what is said of them.
package struct Fingerprint: Equatable, Sendable, CustomStringConvertible {
    private var state: UInt64 = 0xCBF2_9CE4_8422_2325
    private var count = 0

    package init() {}

    package mutating func take(_ words: String) {
        count += 1
        for byte in words.utf8 { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
    }

    package var description: String { "\(count) steps, \(String(state, radix: 16))" }
}
