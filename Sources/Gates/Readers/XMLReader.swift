import Model

/// Reads the elements of an XML document one after the other. Text between them is passed over.
///
/// UTF-8 only; no document types, so no entities but the five that XML itself has, and characters by number.
struct XMLReader {
    struct Element {
        var name: String
        var attributes: [(name: String, value: String)]
        /// From 1.
        var line: Int

        subscript(_ name: String) -> String? { attributes.first { $0.name == name }?.value }
    }

    enum Event {
        case start(Element)
        /// An element that is empty (`<a/>`) ends too.
        case end(String)
    }

    struct Mistake: Error {
        var problem: String
        var found: String
        var line: Int
    }

    static let attributesMax = 256
    static let valueBytesMax = 1 << 20

    private let bytes: [UInt8]
    private var position = 0
    private var line = 1
    private var open: [String] = []
    private var hasRoot = false
    /// The element that was empty, and still has to end.
    private var closing: String?

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    }

    /// - Returns: `nil` at the document's end.
    mutating func next() throws(Mistake) -> Event? {
        if let name = closing {
            closing = nil
            return .end(name)
        }
        while true {
            let textStart = position
            while position < bytes.count, bytes[position] != UInt8(ascii: "<") {
                if bytes[position] == 0x0A { line += 1 }
                position += 1
            }
            if open.isEmpty, bytes[textStart..<position].contains(where: { $0 > 0x20 }) {
                throw mistake(hasRoot ? "text after the document's end" : "not XML")
            }
            guard position < bytes.count else {
                if let name = open.last { throw mistake("the file ends within <\(name.prefix(40))>") }
                if !hasRoot { throw mistake("the file is empty") }
                return nil
            }
            if starts("<?") {
                try skip(past: "?>")
            } else if starts("<!--") {
                try skip(past: "-->")
            } else if starts("<![CDATA[") {
                guard !open.isEmpty else { throw mistake("text outside of the document") }
                try skip(past: "]]>")
            } else if starts("<!") {
                throw mistake("a document type is not read")
            } else if starts("</") {
                return try endTag()
            } else {
                return try startTag()
            }
        }
    }

    private mutating func startTag() throws(Mistake) -> Event {
        guard !(hasRoot && open.isEmpty) else { throw mistake("a second root") }
        guard open.count < Limits.nestingMax else { throw mistake("nested deeper than \(Limits.nestingMax)") }
        position += 1
        var element = Element(name: try name(), attributes: [], line: line)
        hasRoot = true
        while true {
            let before = position
            skipSpace()
            if starts("/>") {
                position += 2
                closing = element.name
                return .start(element)
            }
            if starts(">") {
                position += 1
                open.append(element.name)
                return .start(element)
            }
            guard position > before else { throw mistake("a space belongs before an attribute") }
            let attribute = try name()
            skipSpace()
            guard starts("=") else { throw mistake("'\(attribute.prefix(40))' has no value") }
            position += 1
            skipSpace()
            guard element.attributes.count < Self.attributesMax else {
                throw mistake("more than \(Self.attributesMax) attributes")
            }
            guard element[attribute] == nil else { throw mistake("'\(attribute.prefix(40))' stands twice") }
            element.attributes.append((attribute, try quoted()))
        }
    }

    private mutating func endTag() throws(Mistake) -> Event {
        position += 2
        let found = try name()
        skipSpace()
        guard starts(">") else { throw mistake("</\(found.prefix(40)) does not end") }
        position += 1
        guard let expected = open.popLast(), expected == found else {
            throw mistake("</\(found.prefix(40))> ends what was not opened")
        }
        return .end(found)
    }

    private mutating func name() throws(Mistake) -> String {
        let start = position
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: ":"), UInt8(ascii: "-"),
                UInt8(ascii: "."), 0x80...:
                position += 1
            default:
                guard position > start else { throw mistake("a name belongs here") }
                return try text(start..<position)
            }
        }
        throw mistake("the file ends within a tag")
    }

    /// An attribute's value, its references replaced.
    private mutating func quoted() throws(Mistake) -> String {
        guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") || bytes[position] == UInt8(ascii: "'")
        else { throw mistake("an attribute's value stands in quotes") }
        let quote = bytes[position]
        position += 1
        var value: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            switch byte {
            case quote:
                position += 1
                guard let text = String(validating: value, as: UTF8.self) else { throw mistake("not UTF-8") }
                return text
            case UInt8(ascii: "<"): throw mistake("'<' in an attribute's value")
            case UInt8(ascii: "&"): value += try reference()
            default:
                if byte == 0x0A { line += 1 }
                value.append(byte)
                position += 1
            }
            guard value.count <= Self.valueBytesMax else { throw mistake("a value that is too long") }
        }
        throw mistake("the file ends within a value")
    }

    private mutating func reference() throws(Mistake) -> [UInt8] {
        guard let end = bytes[position...].prefix(12).firstIndex(of: UInt8(ascii: ";")) else {
            throw mistake("'&' without ';'")
        }
        let name = try text(position + 1..<end)
        position = end + 1
        switch name {
        case "lt": return [UInt8(ascii: "<")]
        case "gt": return [UInt8(ascii: ">")]
        case "amp": return [UInt8(ascii: "&")]
        case "quot": return [UInt8(ascii: "\"")]
        case "apos": return [UInt8(ascii: "'")]
        default:
            let digits = name.hasPrefix("#x") ? name.dropFirst(2) : name.hasPrefix("#") ? name.dropFirst() : ""
            guard let code = UInt32(digits, radix: name.hasPrefix("#x") ? 16 : 10), let scalar = Unicode.Scalar(code)
            else { throw mistake("no such entity: &\(name);") }
            return Array(String(scalar).utf8)
        }
    }

    private func text(_ range: Range<Int>) throws(Mistake) -> String {
        guard let text = String(validating: bytes[range], as: UTF8.self) else { throw mistake("not UTF-8") }
        return text
    }

    private mutating func skip(past end: String) throws(Mistake) {
        while position < bytes.count {
            if starts(end) {
                position += end.utf8.count
                return
            }
            if bytes[position] == 0x0A { line += 1 }
            position += 1
        }
        throw mistake("the file ends where '\(end)' was to come")
    }

    private mutating func skipSpace() {
        while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) {
            if bytes[position] == 0x0A { line += 1 }
            position += 1
        }
    }

    private func starts(_ word: String) -> Bool { bytes[position...].starts(with: word.utf8) }

    private func mistake(_ problem: String) -> Mistake {
        let rest = bytes[min(position, bytes.count)...].prefix { $0 != 0x0A }.prefix(80)
        return Mistake(problem: problem, found: String(decoding: rest, as: UTF8.self), line: line)
    }
}
