import Model

/// A word of the expression language, with its place in UTF-16 units.
struct Token: Equatable {
    enum Kind: Equatable {
        case string(String)
        case number(Double)
        case null
        case boolean(Bool)
        case name(String)
        case function(String)
        case property(String)
        case star
        case dot
        case comma
        case openParenthesis
        case closeParenthesis
        case openBracket
        case closeBracket
        case not
        case compare(Comparison)
        case and
        case or
    }

    var kind: Kind
    /// As written, for messages.
    var text: String
    var offset: Int
}

enum Comparison: Equatable, Sendable { case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual }

/// Cuts an expression into tokens; see the grammar in docs/workflow-reference.md.
struct Lexer {
    private let units: [UInt16]
    private let source: String
    private var position = 0
    private var tokens: [Token] = []

    /// The tokens up to the first thing that is none, and that thing.
    static func tokens(of source: String) -> ([Token], ExpressionError?) {
        var lexer = Lexer(units: Array(source.utf16), source: source)
        do throws(ExpressionError) {
            while lexer.skipSpace() { lexer.tokens.append(try lexer.next()) }
            return (lexer.tokens, nil)
        } catch {
            return (lexer.tokens, error)
        }
    }

    private init(units: [UInt16], source: String) {
        self.units = units
        self.source = source
    }

    private mutating func next() throws(ExpressionError) -> Token {
        let start = position
        switch Character(unit(at: position)) {
        case "(": return single(.openParenthesis)
        case ")": return single(.closeParenthesis)
        case "[": return single(.openBracket)
        case "]": return single(.closeBracket)
        case ",": return single(.comma)
        case "*":
            guard previous == .dot || previous == .openBracket else { throw unexpected(from: start) }
            return single(.star)
        case "!": return double("=", .compare(.notEqual), else: .not)
        case ">": return double("=", .compare(.greaterOrEqual), else: .compare(.greater))
        case "<": return double("=", .compare(.lessOrEqual), else: .compare(.less))
        case "=":
            guard unit(at: position + 1) == "=" else { return try refuseSingle() }
            return double("=", .compare(.equal), else: .not)
        case "&":
            guard unit(at: position + 1) == "&" else { return try refuseSingle() }
            return double("&", .and, else: .not)
        case "|":
            guard unit(at: position + 1) == "|" else { return try refuseSingle() }
            return double("|", .or, else: .not)
        case "'": return try string()
        case ".":
            return mayBeginNumberWithDot ? try number() : single(.dot)
        case "-", "+", "0"..."9": return try number()
        default: return try keyword()
        }
    }

    private var previous: Token.Kind? { tokens.last?.kind }

    /// A `.` begins a number at the start and after what needs an operand; else it dereferences.
    private var mayBeginNumberWithDot: Bool {
        switch previous {
        case nil, .comma, .openParenthesis, .openBracket, .not, .compare, .and, .or: true
        default: false
        }
    }

    private mutating func string() throws(ExpressionError) -> Token {
        let start = position
        var content: [UInt16] = []
        position += 1
        while position < units.count {
            if units[position] == 0x27 {
                guard position + 1 < units.count, units[position + 1] == 0x27 else {
                    position += 1
                    return token(.string(String(decoding: content, as: UTF16.self)), from: start)
                }
                position += 1
            }
            content.append(units[position])
            position += 1
        }
        throw unexpected(from: start, through: units.count)
    }

    private mutating func number() throws(ExpressionError) -> Token {
        let start = position
        while position < units.count, unit(at: position) == "." || !isBoundary(position) { position += 1 }
        let number = Conversion.number(from: text(start, position))
        guard !number.isNaN else { throw unexpected(from: start, through: position) }
        return token(.number(number), from: start)
    }

    private mutating func keyword() throws(ExpressionError) -> Token {
        let start = position
        while position < units.count, !isBoundary(position) { position += 1 }
        let word = text(start, position)
        guard isName(word) else { throw unexpected(from: start, through: max(position, start + 1)) }
        if previous == .dot { return token(.property(word), from: start) }
        switch word {
        case "null": return token(.null, from: start)
        case "true": return token(.boolean(true), from: start)
        case "false": return token(.boolean(false), from: start)
        case "NaN": return token(.number(.nan), from: start)
        case "Infinity": return token(.number(.infinity), from: start)
        default: break
        }
        var after = position
        while after < units.count, isSpace(after) { after += 1 }
        return token(unit(at: after) == "(" ? .function(word) : .name(word), from: start)
    }

    private func isName(_ word: String) -> Bool {
        var isFirst = true
        for scalar in word.unicodeScalars {
            switch scalar {
            case "a"..."z", "A"..."Z", "_": break
            case "0"..."9", "-": if isFirst { return false }
            default: return false
            }
            isFirst = false
        }
        return !isFirst
    }

    // MARK: units

    /// The ASCII character at a place; NUL past the end and for everything else.
    private func unit(at index: Int) -> Unicode.Scalar {
        guard index < units.count, units[index] < 0x80 else { return "\0" }
        return Unicode.Scalar(UInt8(units[index]))
    }

    private func isSpace(_ index: Int) -> Bool { Conversion.isSpace(units[index]) }

    private func isBoundary(_ index: Int) -> Bool {
        switch unit(at: index) {
        case "(", ")", "[", "]", ",", ".", "!", ">", "<", "=", "&", "|": true
        default: isSpace(index)
        }
    }

    /// - Returns: whether something is left.
    private mutating func skipSpace() -> Bool {
        while position < units.count, isSpace(position) { position += 1 }
        return position < units.count
    }

    private func text(_ start: Int, _ end: Int) -> String { String(decoding: units[start..<end], as: UTF16.self) }

    private func token(_ kind: Token.Kind, from start: Int) -> Token {
        Token(kind: kind, text: text(start, position), offset: start)
    }

    private mutating func single(_ kind: Token.Kind) -> Token {
        position += 1
        return token(kind, from: position - 1)
    }

    private mutating func double(_ second: Unicode.Scalar, _ kind: Token.Kind, else other: Token.Kind) -> Token {
        let start = position
        let isDouble = unit(at: position + 1) == second
        position += isDouble ? 2 : 1
        return token(isDouble ? kind : other, from: start)
    }

    private mutating func refuseSingle() throws(ExpressionError) -> Token {
        throw unexpected(from: position, through: position + 1)
    }

    private func unexpected(from start: Int, through end: Int? = nil) -> ExpressionError {
        var stop = end ?? start + 1
        while end == nil, stop < units.count, !isBoundary(stop) { stop += 1 }
        return .unexpectedSymbol(text(start, stop), at: start, in: source, kind: .lexing)
    }
}

extension ExpressionError {
    static func unexpectedSymbol(_ text: String, at offset: Int, in source: String, kind: Kind) -> Self {
        located("Unexpected symbol: '\(text)'", at: offset, in: source, kind: kind)
    }

    static func located(_ what: String, at offset: Int, in source: String, kind: Kind = .parsing) -> Self {
        Self(
            kind: kind, message: "\(what). Located at position \(offset + 1) within expression: \(source)",
            offset: offset)
    }
}
