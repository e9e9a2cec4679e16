internal import CYaml
import Model

/// Reads one YAML document into nodes with places, by libyaml's events.
///
/// Hostile texts end in a diagnostic: size, nesting and the nodes that aliases multiply are bounded.
@safe struct YAMLReader: ~Copyable {
    /// Whose grammar a text keeps.
    enum Dialect {
        /// GitHub's: case does not tell keys apart, nothing is merged, tags are the core schema's.
        case workflow
        /// Any program's: keys are what they are, `<<` merges, and a tag of its own makes a scalar a text.
        case data
    }

    /// Nodes of a document, those that aliases repeat included.
    static let nodesMax = 2_000_000

    private let file: String
    private let dialect: Dialect
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private var anchors: [String: YAMLNode] = [:]
    private var sizes: [String: Int] = [:]
    private var nodes = 0
    /// Anchors of collections that are not read to their end.
    private var open: [String] = []
    private(set) var diagnostics: [Diagnostic] = []

    /// - Returns: the document, `nil` where the text is empty or broken; and what is wrong with it.
    static func read(
        _ text: [UInt8], file: String, as dialect: Dialect = .workflow
    ) -> (node: YAMLNode?, diagnostics: [Diagnostic]) {
        let start = SourcePosition(file: file, line: 1, column: 1)
        guard text.count <= Limits.workflowBytesMax else {
            let problem = "the file has \(text.count) bytes; the limit is \(Limits.workflowBytesMax)"
            return (nil, [Diagnostic(at: start, problem, help: "split the workflow")])
        }
        guard String(validating: text, as: UTF8.self) != nil else {
            return (nil, [Diagnostic(at: badByte(text, file: file), "not UTF-8", help: "save the file as UTF-8")])
        }
        // The library takes a byte order mark for text where a key follows it.
        let mark: [UInt8] = [0xef, 0xbb, 0xbf]
        let text = text.starts(with: mark) ? Array(text.dropFirst(mark.count)) : text
        return unsafe text.withUnsafeBufferPointer { buffer in
            var reader = YAMLReader(file: file, dialect)
            unsafe yaml_parser_set_input_string(reader.parser, buffer.baseAddress, buffer.count)
            unsafe yaml_parser_set_encoding(reader.parser, YAML_UTF8_ENCODING)
            do throws(Diagnostic) {
                return (try reader.document(), reader.diagnostics)
            } catch {
                var error = error
                if endsFlow(text, line: error.position.line) {
                    error.suggestion =
                        "the braces of an expression end those around it: quote the whole value, or write it in lines of its own"
                }
                return (nil, reader.diagnostics + [error])
            }
        }
    }

    /// Whether an expression stands in a mapping or a list that is written in braces, on a line or the one before.
    private static func endsFlow(_ text: [UInt8], line: Int) -> Bool {
        let lines = text.split(separator: UInt8(ascii: "\n"), maxSplits: line, omittingEmptySubsequences: false)
        return lines.prefix(line).suffix(2).contains { line in
            let line = String(decoding: line, as: UTF8.self)
            guard let start = line.firstRange(of: "${{") else { return false }
            return line[..<start.lowerBound].contains { $0 == "{" || $0 == "[" }
        }
    }

    private init(file: String, _ dialect: Dialect) {
        self.file = file
        self.dialect = dialect
        unsafe parser = .allocate(capacity: 1)
        unsafe yaml_parser_initialize(parser)
    }

    deinit {
        unsafe yaml_parser_delete(parser)
        unsafe parser.deallocate()
    }

    /// One event of the parser, in Swift's terms.
    private struct Event {
        enum Kind {
            case nothing
            case documentStart
            case end
            case alias(String)
            case scalar(YAMLNode.Scalar)
            case sequenceStart
            case sequenceEnd
            case mappingStart
            case mappingEnd
        }
        var kind: Kind
        var anchor: String?
        var position: SourcePosition
    }

    private mutating func document() throws(Diagnostic) -> YAMLNode? {
        var root: YAMLNode?
        while true {
            let event = try next()
            switch event.kind {
            case .end: return root
            case .documentStart:
                guard root == nil else {
                    throw Diagnostic(
                        at: event.position, "a second document begins here", help: "keep one document in a file")
                }
                root = try node(from: try next(), depth: 0)
            case .nothing, .alias, .scalar, .sequenceStart, .sequenceEnd, .mappingStart, .mappingEnd: continue
            }
        }
    }

    private mutating func node(from event: Event, depth: Int) throws(Diagnostic) -> YAMLNode {
        guard depth <= Limits.nestingMax else {
            throw Diagnostic(at: event.position, "nested more than \(Limits.nestingMax) deep", help: "write it flatter")
        }
        let before = nodes
        try count(1, at: event.position)
        let node: YAMLNode
        switch event.kind {
        case .scalar(let scalar): node = YAMLNode(kind: .scalar(scalar), position: event.position)
        case .alias(let name):
            guard var target = anchors[name], let size = sizes[name] else {
                diagnostics.append(
                    open.contains(name)
                        ? Diagnostic(
                            at: event.position, "the alias '*\(name)' stands inside what it repeats",
                            help: "a value cannot contain itself: write it out")
                        : Diagnostic(
                            at: event.position, "no anchor '&\(name)' before this alias",
                            help: "define &\(name) above it"))
                return YAMLNode(kind: .scalar(.init(text: "", isPlain: true)), position: event.position)
            }
            try count(size, at: event.position)
            target.position = event.position
            return target
        case .sequenceStart:
            if let anchor = event.anchor { open.append(anchor) }
            node = try sequence(at: event.position, depth: depth)
            if event.anchor != nil { open.removeLast() }
        case .mappingStart:
            if let anchor = event.anchor { open.append(anchor) }
            node = try mapping(at: event.position, depth: depth)
            if event.anchor != nil { open.removeLast() }
        case .nothing, .documentStart, .end, .sequenceEnd, .mappingEnd:
            throw Diagnostic(
                at: event.position, "a value is missing", help: "write one here, or remove the key before it")
        }
        if let anchor = event.anchor {
            anchors[anchor] = node
            sizes[anchor] = nodes - before
        }
        return node
    }

    private mutating func sequence(at position: SourcePosition, depth: Int) throws(Diagnostic) -> YAMLNode {
        var items: [YAMLNode] = []
        while true {
            let event = try next()
            if case .sequenceEnd = event.kind { return YAMLNode(kind: .sequence(items), position: position) }
            items.append(try node(from: event, depth: depth + 1))
        }
    }

    private mutating func mapping(at position: SourcePosition, depth: Int) throws(Diagnostic) -> YAMLNode {
        var entries: [YAMLNode.Entry] = []
        var seen: [String: SourcePosition] = [:]
        var merged: [YAMLNode.Entry] = []
        while true {
            let event = try next()
            if case .mappingEnd = event.kind {
                // What stands here goes before what is merged, and of that the first before the next.
                for entry in merged where seen.updateValue(entry.keyPosition, forKey: entry.key) == nil {
                    entries.append(entry)
                }
                return YAMLNode(kind: .mapping(entries), position: position)
            }
            let keyNode = try node(from: event, depth: depth + 1)
            let value = try node(from: try next(), depth: depth + 1)
            guard let key = keyNode.scalar?.text else {
                diagnostics.append(
                    Diagnostic(
                        at: keyNode.position, "a key must be text, not \(keyNode.kindName)",
                        help: "put the key in quotes, if it begins with [ or {"))
                continue
            }
            if key == "<<", keyNode.scalar?.isPlain == true {
                if dialect == .data, let more = Self.merged(value) {
                    merged += more
                    continue
                }
                diagnostics.append(
                    Diagnostic(
                        at: keyNode.position,
                        dialect == .data
                            ? "'<<' merges a mapping, or a list of mappings"
                            : "merge keys (<<) are not part of the workflow grammar",
                        help: "write the keys out, or use an alias for the whole value"))
                continue
            }
            if let first = seen.updateValue(
                keyNode.position, forKey: dialect == .workflow ? key.uppercased() : key)
            {
                let note = dialect == .workflow ? " (case does not tell keys apart)" : ""
                diagnostics.append(
                    Diagnostic(
                        at: keyNode.position, "'\(key)' is already defined",
                        help: "it stands in line \(first.line) too\(note): keep one of them"))
                continue
            }
            entries.append(YAMLNode.Entry(key: key, keyPosition: keyNode.position, value: value))
        }
    }

    /// What `<<` brings; `nil` for what cannot be merged.
    private static func merged(_ node: YAMLNode) -> [YAMLNode.Entry]? {
        switch node.kind {
        case .mapping(let entries): return entries
        case .sequence(let items):
            var all: [YAMLNode.Entry] = []
            for item in items {
                guard case .mapping(let entries) = item.kind else { return nil }
                all += entries
            }
            return all
        case .scalar: return nil
        }
    }

    private mutating func count(_ more: Int, at position: SourcePosition) throws(Diagnostic) {
        nodes += more
        guard nodes <= Self.nodesMax else {
            throw Diagnostic(
                at: position, "more than \(Self.nodesMax) values, aliases counted as what they repeat",
                help: "use fewer aliases of aliases, or split the file")
        }
    }

    private mutating func next() throws(Diagnostic) -> Event {
        var event = unsafe yaml_event_t()
        guard unsafe yaml_parser_parse(parser, &event) == 1 else { throw syntaxError() }
        defer { unsafe yaml_event_delete(&event) }
        let position = unsafe place(event.start_mark)
        switch unsafe event.type {
        case YAML_STREAM_END_EVENT: return Event(kind: .end, position: position)
        case YAML_DOCUMENT_START_EVENT: return Event(kind: .documentStart, position: position)
        case YAML_ALIAS_EVENT:
            return Event(kind: .alias(unsafe text(event.data.alias.anchor)), position: position)
        case YAML_SCALAR_EVENT:
            let scalar = unsafe event.data.scalar
            let bytes = unsafe UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            let style = unsafe scalar.style
            var content = YAMLNode.Scalar(
                text: unsafe String(decoding: bytes, as: UTF8.self),
                isPlain: unsafe scalar.plain_implicit == 1 && style == YAML_PLAIN_SCALAR_STYLE,
                isQuoted: style != YAML_PLAIN_SCALAR_STYLE,
                isBlock: style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE)
            if let tag = unsafe scalar.tag { apply(unsafe text(tag), to: &content, at: position) }
            return Event(kind: .scalar(content), anchor: unsafe anchor(scalar.anchor), position: position)
        case YAML_SEQUENCE_START_EVENT:
            if let tag = unsafe event.data.sequence_start.tag { check(unsafe text(tag), is: "seq", at: position) }
            return Event(
                kind: .sequenceStart, anchor: unsafe anchor(event.data.sequence_start.anchor), position: position)
        case YAML_SEQUENCE_END_EVENT: return Event(kind: .sequenceEnd, position: position)
        case YAML_MAPPING_START_EVENT:
            if let tag = unsafe event.data.mapping_start.tag { check(unsafe text(tag), is: "map", at: position) }
            return Event(
                kind: .mappingStart, anchor: unsafe anchor(event.data.mapping_start.anchor), position: position)
        case YAML_MAPPING_END_EVENT: return Event(kind: .mappingEnd, position: position)
        default: return Event(kind: .nothing, position: position)
        }
    }

    // MARK: tags

    private static let tagPrefix = "tag:yaml.org,2002:"

    /// A tag of the core schema says what a plain scalar is; `!` alone and `!!str` make it a text.
    private mutating func apply(_ tag: String, to scalar: inout YAMLNode.Scalar, at position: SourcePosition) {
        scalar.isPlain = false
        guard tag != "!", let name = coreName(of: tag, at: position), name != "str" else { return }
        guard !scalar.isQuoted, CoreSchema.text(scalar.text, suits: name) else {
            let what = scalar.isQuoted ? "a quoted text" : "'\(scalar.text)'"
            diagnostics.append(
                Diagnostic(
                    at: position, "\(what) is not what the tag !!\(name) says", help: "remove the tag, or the quotes"))
            return
        }
        scalar.isPlain = true
    }

    private mutating func check(_ tag: String, is wanted: String, at position: SourcePosition) {
        guard tag != "!", let name = coreName(of: tag, at: position), name != wanted else { return }
        diagnostics.append(Diagnostic(at: position, "the tag !!\(name) does not fit what follows", help: "remove it"))
    }

    private mutating func coreName(of tag: String, at position: SourcePosition) -> String? {
        let name = tag.hasPrefix(Self.tagPrefix) ? String(tag.dropFirst(Self.tagPrefix.count)) : tag
        if tag.hasPrefix(Self.tagPrefix), CoreSchema.tags.contains(name) { return name }
        if dialect == .data { return nil }
        diagnostics.append(
            Diagnostic(
                at: position, "unknown tag '\(tag.hasPrefix(Self.tagPrefix) ? "!!" + name : tag)'",
                help: "tags are !!str, !!bool, !!int, !!float and !!null; remove this one"))
        return nil
    }

    private func syntaxError() -> Diagnostic {
        let problem = unsafe parser.pointee.problem.map { unsafe String(cString: $0) } ?? "broken YAML"
        let context = unsafe parser.pointee.context.map { unsafe " " + String(cString: $0) } ?? ""
        if let opened = unsafe parser.pointee.context, problem.contains("unexpected end of stream") {
            // What is missing is missed at the end of the file; what to mend is where it was opened.
            let what = unsafe String(cString: opened).replacing("while scanning a ", with: "")
            return Diagnostic(
                at: unsafe place(parser.pointee.context_mark), "broken YAML: the \(what) that begins here never ends",
                help: "close it on this line")
        }
        return Diagnostic(
            at: unsafe place(parser.pointee.problem_mark), "broken YAML: \(problem)\(context)",
            help: problem.contains("tab") || problem.contains("cannot start any token")
                ? "indent with spaces, and quote text that begins with a special character"
                : "look at the indentation and the quotes of this line and the one before")
    }

    private func place(_ mark: yaml_mark_t) -> SourcePosition {
        SourcePosition(file: file, line: Int(mark.line) + 1, column: Int(mark.column) + 1)
    }

    private func anchor(_ start: UnsafeMutablePointer<UInt8>?) -> String? {
        unsafe start.map { unsafe text($0) }
    }

    private func text(_ start: UnsafeMutablePointer<UInt8>?) -> String {
        unsafe start.map { unsafe String(cString: $0) } ?? ""
    }

    /// The place of the first byte that is no UTF-8.
    private static func badByte(_ text: [UInt8], file: String) -> SourcePosition {
        var position = SourcePosition(file: file, line: 1, column: 1)
        var decoder = UTF8()
        var bytes = text.makeIterator()
        while case .scalarValue(let scalar) = decoder.decode(&bytes) {
            if scalar == "\n" {
                position.line += 1
                position.column = 1
            } else {
                position.column += 1
            }
        }
        return position
    }
}
