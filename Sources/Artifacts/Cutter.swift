/// Finds where to cut a stream of bytes, by its content, so that bytes which were seen before are cut as before.
///
/// A gear hash with two masks, after Xia and others, "FastCDC" (USENIX ATC 2016): before the usual length a cut needs
/// 22 zero bits, after it 18. The constants are part of the format: other ones would find nothing again.
package struct Cutter {
    package static let bytesMin = 256 << 10
    package static let bytesUsual = 1 << 20
    package static let bytesMax = 4 << 20

    /// The highest bits of the hash depend on the last 64 bytes.
    private static let strictMask: UInt64 = ~0 << (64 - 22)
    private static let looseMask: UInt64 = ~0 << (64 - 18)

    /// 256 words from SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) with the seed "sheafcut".
    private static let gear: [UInt64] = {
        var state: UInt64 = 0x7368_6561_6663_7574
        return (0..<256).map { _ in
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }()

    private var hash: UInt64 = 0
    /// How many bytes were seen since the last cut.
    package private(set) var length = 0

    package init() {}

    /// Starts anew, as after a cut.
    package mutating func restart() {
        hash = 0
        length = 0
    }

    /// Reads on.
    ///
    /// - Returns: how many of the bytes belong before the next cut, which `restart`s; `nil` when no cut lies in them.
    package mutating func advance(_ bytes: Span<UInt8>) -> Int? {
        unsafe bytes.withUnsafeBufferPointer { unsafe advance($0) }
    }

    private mutating func advance(_ bytes: UnsafeBufferPointer<UInt8>) -> Int? {
        var index = min(bytes.count, max(0, Self.bytesMin - length))
        let start = length
        let strictEnd = min(bytes.count, max(index, Self.bytesUsual - start))
        let looseEnd = min(bytes.count, max(index, Self.bytesMax - start))
        var hash = self.hash
        let cut = unsafe Self.gear.withUnsafeBufferPointer { gear -> Bool in
            while index < strictEnd {
                hash = unsafe (hash << 1) &+ gear[Int(bytes[index])]
                index += 1
                if hash & Self.strictMask == 0 { return true }
            }
            while index < looseEnd {
                hash = unsafe (hash << 1) &+ gear[Int(bytes[index])]
                index += 1
                if hash & Self.looseMask == 0 { return true }
            }
            return start + index >= Self.bytesMax
        }
        if cut {
            restart()
            return index
        }
        self.hash = hash
        length = start + bytes.count
        return nil
    }
}
