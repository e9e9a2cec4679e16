import Expressions
import Foundation
import Model
import Testing

@Suite struct `A conversion` {
    @Test(arguments: [
        ("", 0.0), ("  \u{A0}\n", 0), (" 12 ", 12), ("+1.5", 1.5), ("-.5", -0.5), ("5.", 5), ("1e3", 1000),
        ("1E-2", 0.01),
        ("0xff", 255), ("0xFFFFFFFF", -1), ("0x7fffffff", 2_147_483_647), ("0o17", 15),
        ("0o17777777777", 2_147_483_647),
        ("Infinity", .infinity), ("+Infinity", .infinity), ("-Infinity", -.infinity), ("1e400", .infinity),
    ])
    func `reads numbers`(text: String, number: Double) { #expect(Conversion.number(from: text) == number) }

    @Test(arguments: [
        "abc", "1 2", "1,5", "1_000", ".", "+", "e5", "1e", "1e+", "0x", "0xg", "-0x1", "0X1", "0x100000000", "0o8",
        "0o",
        "0o20000000000", "0b1", "1.2.3", "infinity", "nan", "NaN", "Infinit", "١", "0x１", "--1", "1f",
    ])
    func `finds no number`(text: String) { #expect(Conversion.number(from: text).isNaN) }

    static let written: [(Double, String)] = [
        (0.0, "0"), (-0.0, "0"), (1, "1"), (-1.5, "-1.5"), (0.1, "0.1"), (0.1 + 0.2, "0.3"),
        (1 / 3, "0.333333333333333"),
        (0.0001, "0.0001"), (0.00001, "1E-05"), (0.00001234, "1.234E-05"), (1.5e-7, "1.5E-07"),
        (1e14, "100000000000000"),
        (999_999_999_999_999, "999999999999999"), (1e15, "1E+15"), (9_999_999_999_999_998, "1E+16"), (1e100, "1E+100"),
        (-1.7976931348623157e308, "-1.79769313486232E+308"), (.leastNonzeroMagnitude, "4.94065645841247E-324"),
        (123456.789, "123456.789"), (.nan, "NaN"), (.infinity, "Infinity"), (-.infinity, "-Infinity"),
        // Ties at the sixteenth digit: to even when exact, else as the exact value says.
        (1_000_000_000_000.125, "1000000000000.12"), (1_000_000_000_000.375, "1000000000000.38"),
        (0.1234567890123445, "0.123456789012344"), (0.1234567890123455, "0.123456789012345"),
    ]

    @Test(arguments: written)
    func `writes numbers with fifteen digits`(number: Double, text: String) {
        #expect(Conversion.text(from: number) == text)
    }

    /// The C library's `%.15g` rounds the exact value to even too; only the form differs.
    @Test func `agrees with the C library on the digits`() {
        var random = SplitMix64(seed: 15)
        for round in 0..<(ProcessInfo.processInfo.environment["SHEAF_DEEP"] == "1" ? 100_000 : 1_500) {
            let number: Double =
                switch round % 4 {
                case 0: Double(bitPattern: random.next())
                case 1: Double(Int64.random(in: 0..<1 << 53, using: &random)) / 1024
                case 2: Double(bitPattern: random.next() >> 12)
                // Sixteen digits that end in 5: ties, or just beside one.
                default:
                    Double(Int64.random(in: 100_000_000_000_000..<800_000_000_000_000, using: &random) * 10 + 5) / 1e8
                }
            guard number.isFinite else { continue }
            let wanted = String(format: "%.15g", number)
            let digits = { (text: String) in
                String(text.prefix { $0 != "e" && $0 != "E" }.filter(\.isNumber).drop { $0 == "0" })
                    .replacing(/0+$/, with: "")
            }
            let text = Conversion.text(from: number)
            #expect(digits(text) == digits(wanted) && Double(text) == Double(wanted), "\(number): \(text), \(wanted)")
        }
    }

    static let values: [(Value, Bool, String, Double)] = [
        (.null, false, "", 0.0), (true, true, "true", 1), (false, false, "false", 0), (0, false, "0", 0),
        (.number(-0.0), false, "0", 0), ("", false, "", 0), ("0", true, "0", 0), ("false", true, "false", .nan),
        (.array([]), true, "Array", .nan), (.object([]), true, "Object", .nan), (.number(.nan), false, "NaN", .nan),
    ]

    @Test(arguments: values)
    func `of a value`(value: Value, isTruthy: Bool, text: String, number: Double) {
        #expect(Conversion.isTruthy(value) == isTruthy)
        #expect(Conversion.text(of: value) == text)
        #expect(Conversion.number(of: value) == number || Conversion.number(of: value).isNaN && number.isNaN)
    }

    static let pairs: [(Value, Value, Bool)] = [
        (.null, .null, true), (.null, 0, true), (.null, false, true), (.null, "", true), (.null, " 0 ", true),
        (.null, "null", false), (true, 1, true), (true, "1", true), (true, "true", false), (12, "12", true),
        (3.1, "3.10", true), ("3.1", "3.10", false), ("Linux", "LINUX", true), (.array([]), .array([]), false),
        (.array([]), .null, false),
        (.object([]), "Object", false), (.number(.nan), .number(.nan), false),
    ]

    @Test(arguments: pairs)
    func `compares loosely`(a: Value, b: Value, isEqual: Bool) {
        #expect(Conversion.looselyEqual(a, b) == isEqual)
        #expect(Conversion.looselyEqual(b, a) == isEqual)
    }

    @Test(arguments: [
        ("straße", "STRASSE", false), ("ß", "ẞ", false), ("ÿ", "Ÿ", true), ("ᾳ", "ᾼ", true), ("ŉ", "ʼN", false),
        ("ǆ", "Ǆ", true),
        ("ı", "I", false), ("ſ", "S", false), ("i", "İ", false), ("σ", "ς", true), ("k", "\u{212A}", false),
        ("é", "e\u{301}", false),
        ("𐐨", "𐐀", false),
    ])
    func `folds case letter by letter`(a: String, b: String, isEqual: Bool) {
        #expect(CaseFolding.equal(a, b) == isEqual)
        #expect((CaseFolding.fold(a) == CaseFolding.fold(b)) == isEqual)
    }

    @Test func `finds texts as a plain search would`() {
        var random = SplitMix64(seed: 8)
        for seed in 0..<3000 {
            let text = String(
                (0..<Int.random(in: 0...12, using: &random)).map { _ in Bool.random(using: &random) ? "a" : "B" })
            let part = String(
                (0..<Int.random(in: 0...4, using: &random)).map { _ in Bool.random(using: &random) ? "A" : "b" })
            let (upper, wanted) = (text.uppercased(), part.uppercased())
            #expect(CaseFolding.contains(text, part) == (wanted.isEmpty || upper.contains(wanted)), "seed \(seed)")
            #expect(CaseFolding.hasPrefix(text, part) == upper.hasPrefix(wanted), "seed \(seed)")
            #expect(CaseFolding.hasSuffix(text, part) == upper.hasSuffix(wanted), "seed \(seed)")
        }
    }

    @Test func `orders by UTF-16 units`() {
        #expect(CaseFolding.precedes("\u{1F600}", "\u{FF21}"))
        #expect(CaseFolding.precedes("A", "["))
        #expect(!CaseFolding.precedes("a", "A"))
    }
}
