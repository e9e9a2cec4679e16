/// Text that strangers chose, made fit to be shown: one line, and nothing in it moves a cursor, changes a colour, turns
/// the direction of writing or hides.
package enum PlainText {
    /// Marks that may stand above one another on one letter.
    private static let marksMax = 4

    /// The text with every control, format, private and unassigned character written out: `\n`, `\u{1B}`.
    ///
    /// - Parameter most: how many characters (scalars) are kept; a longer text ends in `…`.
    package static func line(_ text: some StringProtocol, most: Int = .max) -> String {
        // Most text is plain already, and is looked at byte by byte.
        if text.utf8.count <= most && isPlainASCII(text) { return String(text) }
        var result = String.UnicodeScalarView()
        var count = 0
        var marks = 0
        for scalar in text.unicodeScalars {
            guard count < most else {
                result.append("…")
                break
            }
            count += 1
            marks = isMark(scalar) ? marks + 1 : 0
            if isShown(scalar) && marks <= marksMax {
                result.append(scalar)
            } else {
                result.append(contentsOf: written(scalar).unicodeScalars)
            }
        }
        return String(result)
    }

    private static func isPlainASCII(_ text: some StringProtocol) -> Bool {
        text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }
    }

    private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .spacingMark: true
        default: false
        }
    }

    static func isShown(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.isASCII { return scalar.value >= 0x20 && scalar.value != 0x7F }
        return switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }

    static func written(_ scalar: Unicode.Scalar) -> String {
        switch scalar {
        case "\n": "\\n"
        case "\r": "\\r"
        case "\t": "\\t"
        default: "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
        }
    }

    // MARK: width

    /// How many columns of a terminal a line takes.
    static func width(_ line: some StringProtocol) -> Int {
        if isPlainASCII(line) { return line.utf8.count }
        var width = 0
        for scalar in line.unicodeScalars {
            if scalar.isASCII {
                width += 1
            } else if isWide(scalar) {
                width += 2
            } else if scalar.properties.generalCategory != .nonspacingMark
                && scalar.properties.generalCategory != .enclosingMark
            {
                width += 1
            }
        }
        return width
    }

    /// East Asian wide and fullwidth blocks, and pictures (Unicode's EastAsianWidth.txt, by block).
    private static func isWide(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xA000...0xA4CF,
            0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6,
            0x1F300...0x1F64F, 0x1F680...0x1F6FF, 0x1F900...0x1FAFF, 0x20000...0x3FFFD:
            true
        default: scalar.properties.isEmojiPresentation
        }
    }

    /// The line cut to `most` columns; a longer one ends in `…`.
    static func cut(_ line: String, to most: Int) -> String {
        guard width(line) > most else { return line }
        guard most > 0 else { return "" }
        var kept = String.UnicodeScalarView()
        var used = 0
        for scalar in line.unicodeScalars {
            let more = width(String(scalar))
            guard used + more <= most - 1 else { break }
            kept.append(scalar)
            used += more
        }
        return String(kept) + "…"
    }

    static func padded(_ line: String, to columns: Int) -> String {
        line + String(repeating: " ", count: max(0, columns - width(line)))
    }

    /// The line broken between words, every part at most `columns` wide; words that are longer are broken too.
    ///
    /// - Parameter first: how much wider than the others the first part may be.
    static func wrapped(_ line: String, to most: Int, first: Int = 0) -> [String] {
        var lines: [String] = []
        var columns: Int { max(8, lines.isEmpty ? most + first : most) }
        var current = ""
        for word in line.split(separator: " ", omittingEmptySubsequences: false) {
            var word = String(word)
            if !current.isEmpty, width(current) + 1 + width(word) <= columns {
                current += " " + word
                continue
            }
            if !current.isEmpty { lines.append(current) }
            while width(word) > columns {
                var part = String.UnicodeScalarView()
                var used = 0
                for scalar in word.unicodeScalars {
                    let more = width(String(scalar))
                    guard used + more <= columns else { break }
                    part.append(scalar)
                    used += more
                }
                lines.append(String(part))
                word = String(String.UnicodeScalarView(word.unicodeScalars.dropFirst(part.count)))
            }
            current = word
        }
        if !current.isEmpty || lines.isEmpty { lines.append(current) }
        return lines
    }
}
