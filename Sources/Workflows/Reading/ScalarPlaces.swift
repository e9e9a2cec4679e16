import Model

/// Finds a character of a scalar again in the text of its file: blocks, folded lines and quotes included.
///
/// White space is what YAML changes most (indentation, folding), so it is passed over on both sides: what is compared
/// is the characters that are seen.
struct ScalarPlaces {
    private let lines: [Substring]

    init(source: [UInt8]) {
        lines = String(decoding: source, as: UTF8.self).linesOfFile
    }

    /// - Parameter offset: UTF-16 units from the beginning of the scalar's text.
    func place(of offset: Int, in scalar: YAMLNode.Scalar, at start: SourcePosition) -> SourcePosition {
        var cursor = Cursor(lines: lines, line: start.line - 1, column: start.column - 1)
        if scalar.isBlock { cursor.nextLine() } else { cursor.skipMarks(isQuoted: scalar.isQuoted) }
        let before = String(decoding: Array(scalar.text.utf16).prefix(offset), as: UTF16.self)
        for expected in before.unicodeScalars where !Cursor.isSpace(expected) { cursor.pass(expected) }
        cursor.skipSpace()
        return SourcePosition(file: start.file, line: cursor.line + 1, column: cursor.column + 1)
    }

    private struct Cursor {
        private let lines: [Substring]
        private(set) var line: Int
        private(set) var column: Int
        private var scalars: [Unicode.Scalar] = []
        private var isInSingleQuotes = false
        private var isInDoubleQuotes = false

        /// An escape in double quotes takes this many characters more than what it stands for, at most: `\U00000041`.
        private static let escapeMax = 10

        init(lines: [Substring], line: Int, column: Int) {
            self.lines = lines
            self.line = line
            self.column = column
            load()
        }

        static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
            scalar == " " || scalar == "\n" || scalar == "\t" || scalar == "\r"
        }

        private mutating func load() { scalars = line < lines.count ? Array(lines[line].unicodeScalars) : [] }

        mutating func nextLine() {
            line += 1
            column = 0
            load()
        }

        /// An anchor, a tag and a quotation mark may stand between a scalar's place and its text.
        mutating func skipMarks(isQuoted: Bool) {
            while column < scalars.count, scalars[column] == "&" || (isQuoted && scalars[column] == "!") {
                while column < scalars.count, !Self.isSpace(scalars[column]) { column += 1 }
                skipSpace()
            }
            guard isQuoted, column < scalars.count else { return }
            (isInSingleQuotes, isInDoubleQuotes) = (scalars[column] == "'", scalars[column] == "\"")
            column += 1
        }

        mutating func skipSpace() {
            while true {
                while column < scalars.count, Self.isSpace(scalars[column]) { column += 1 }
                guard column >= scalars.count, line + 1 < lines.count else { return }
                nextLine()
            }
        }

        /// Goes behind the next place of a character; what escapes it (`''`, `\`) goes with it.
        mutating func pass(_ scalar: Unicode.Scalar) {
            skipSpace()
            if isInDoubleQuotes, column == scalars.count - 1, scalars[column] == "\\", line + 1 < lines.count {
                // The end of the line is escaped: the text goes on in the next.
                nextLine()
                skipSpace()
            }
            let end = min(scalars.count, column + Self.escapeMax)
            guard let found = (column..<max(end, column)).first(where: { scalars[$0] == scalar }) else { return }
            column = found + 1
            if isInSingleQuotes, scalar == "'", column < scalars.count, scalars[column] == "'" { column += 1 }
        }
    }
}
