import Model

/// Finds texts by their bytes: a table of places beside the columns that hold the texts, at most 24 bytes for each.
///
/// Hashes are Swift's, seeded anew by every process: nobody can choose ids that collide. The table is never walked
/// through, so no answer depends on the seed.
struct TextPlaces {
    private var columns: [TextColumn] = []
    /// Before each column: how many texts the earlier ones have.
    private var starts: [Int] = []
    /// Some bits of a text's hash above its place + 1; 0 is free. A power of two of them, at most two thirds taken.
    private var slots: [UInt64] = []
    private var taken = 0

    private static let placeMask: UInt64 = 1 << 36 - 1

    init() {}

    init(_ column: TextColumn) { _ = add(column) }

    /// How many texts all columns have, repeated ones among them.
    var count: Int { (starts.last ?? 0) + (columns.last?.count ?? 0) }

    /// Takes all texts of a column; places go on where those of the columns before end.
    ///
    /// - Returns: the place within `column` of the first text that was there already; `nil` where all are new.
    mutating func add(_ column: TextColumn) -> Int? {
        let start = count
        precondition(start + column.count < Self.placeMask, "items of a run are fewer than 2^36")
        columns.append(column)
        starts.append(start)
        reserve(taken + column.count)
        var repeated: Int?
        for place in column.indices {
            let hash = Self.hash(column, place)
            let slot = slot(of: column, place, hash)
            guard slots[slot] == 0 else {
                if repeated == nil { repeated = place }
                continue
            }
            slots[slot] = hash & ~Self.placeMask | UInt64(start + place + 1)
            taken += 1
        }
        return repeated
    }

    /// Where the text at `place` of `column` stood first, counted over all columns here.
    func place(of column: TextColumn, _ place: Int) -> Int? {
        guard !slots.isEmpty else { return nil }
        let found = slots[slot(of: column, place, Self.hash(column, place))]
        return found == 0 ? nil : Int(found & Self.placeMask) - 1
    }

    /// The slot that holds the text, or the free one where it belongs.
    private func slot(of column: TextColumn, _ place: Int, _ hash: UInt64) -> Int {
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] != 0 {
            if (slots[slot] ^ hash) & ~Self.placeMask == 0 {
                let (index, known) = locate(slots[slot])
                if columns[index].isSame(known, as: column, place) { break }
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        return slot
    }

    /// The column of a slot's text, and its place there.
    private func locate(_ slot: UInt64) -> (column: Int, place: Int) {
        let place = Int(slot & Self.placeMask) - 1
        // The last column that begins at or before it: one without texts begins where the next one does.
        var (low, high) = (0, starts.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if starts[middle] <= place { low = middle } else { high = middle }
        }
        return (low, place - starts[low])
    }

    private mutating func reserve(_ wanted: Int) {
        guard wanted * 3 > slots.count * 2 || slots.isEmpty else { return }
        var size = 16
        while wanted * 3 > size * 2 { size *= 2 }
        let old = slots
        slots = Array(repeating: 0, count: size)
        for entry in old where entry != 0 {
            let (index, place) = locate(entry)
            let hash = Self.hash(columns[index], place)
            slots[slot(of: columns[index], place, hash)] = entry
        }
    }

    private static func hash(_ column: TextColumn, _ place: Int) -> UInt64 {
        column.withText(place) { bytes in
            var hasher = Hasher()
            hasher.combine(bytes: bytes)
            return UInt64(bitPattern: Int64(hasher.finalize()))
        }
    }
}
