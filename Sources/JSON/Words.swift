/// Bytes eight at a time.
extension RawSpan {
    /// Whether `count` bytes from one place on are those from another.
    func isSame(_ a: Int, _ b: Int, count: Int) -> Bool {
        var done = 0
        while done + 8 <= count {
            guard word(a + done) == word(b + done) else { return false }
            done += 8
        }
        while done < count {
            guard byte(a + done) == byte(b + done) else { return false }
            done += 1
        }
        return true
    }

    /// The first place of a byte from `start` on; `byteCount` when there is none.
    func firstPlace(of wanted: UInt8, from start: Int) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let pattern = ones &* UInt64(wanted)
        var place = start
        while place + 8 <= byteCount {
            // A byte of `rest` is 0 where the wanted one stands; the lowest such shows in `hits` (Mycroft, 1987).
            let rest = word(place) ^ pattern
            let hits = (rest &- ones) & ~rest & (ones << 7)
            if hits != 0 { return place + hits.trailingZeroBitCount / 8 }
            place += 8
        }
        while place < byteCount, byte(place) != wanted { place += 1 }
        return place
    }

    private func byte(_ place: Int) -> UInt8 { unsafeLoad(fromByteOffset: place, as: UInt8.self) }

    /// Bounds are checked; what is unsafe about the load is only that a type is chosen, and here any bits will do.
    private func word(_ place: Int) -> UInt64 {
        UInt64(littleEndian: unsafeLoadUnaligned(fromByteOffset: place, as: UInt64.self))
    }
}
