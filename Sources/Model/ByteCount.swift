/// An amount of bytes: of memory, of disk, of a file.
package struct ByteCount: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var bytes: Int64

    package init(_ bytes: Int64) { self.bytes = bytes }

    package static let zero = ByteCount(0)
    package static func kibibytes(_ count: Int64) -> Self { Self(count << 10) }
    package static func mebibytes(_ count: Int64) -> Self { Self(count << 20) }
    package static func gibibytes(_ count: Int64) -> Self { Self(count << 30) }

    package static func < (a: Self, b: Self) -> Bool { a.bytes < b.bytes }
    package static func + (a: Self, b: Self) -> Self { Self(a.bytes + b.bytes) }
    package static func - (a: Self, b: Self) -> Self { Self(a.bytes - b.bytes) }

    /// Reads `16GiB`, `512 MiB`, `4096`, `1.5GB`; `nil` when the text is none of these, is negative or does not fit.
    package init?(_ text: some StringProtocol) {
        let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = text.dropFirst(number.count).drop { $0 == " " }
        let scales: [String: Double] = [
            "": 1, "B": 1, "KiB": 1024, "MiB": 0x1p20, "GiB": 0x1p30, "TiB": 0x1p40,
            "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
        ]
        guard let value = Double(number), let scale = scales[String(unit)], value * scale < 0x1p62 else { return nil }
        bytes = Int64(value * scale)
    }

    /// The amount in the largest binary unit that leaves at least 1, with one decimal below 10: `1.5 GiB`, `96 MiB`.
    package var description: String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var value = Double(bytes)
        var unit = 0
        while value >= 1024 && unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        let tenths = Int64((value * 10).rounded())
        let fraction = tenths % 10 == 0 || tenths >= 100 ? "" : ".\(tenths % 10)"
        return "\(fraction.isEmpty ? Int64(value.rounded()) : tenths / 10)\(fraction) \(units[unit])"
    }
}
