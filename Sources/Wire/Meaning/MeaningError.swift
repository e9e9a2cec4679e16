/// A message that is well-formed protobuf and means nothing: a field is missing, out of its range or contradicts another.
package struct MeaningError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The field, from the outermost message in: `jobs[2].cells[0].timeout_ns`.
    package var field: String
    /// What is wrong with it: "is missing", "names job 9 of 3".
    package var problem: String

    package init(_ field: String, _ problem: String) {
        self.field = field
        self.problem = problem
    }

    package var description: String { "\(field) \(problem)" }

    /// The same, seen from one message further out.
    func inside(_ outer: String) -> Self { Self(field.isEmpty ? outer : "\(outer).\(field)", problem) }
}

/// Reads a message's field. Its mistakes are told from the message's point of view.
func field<Meaning>(
    _ name: String, _ read: () throws(MeaningError) -> Meaning
) throws(MeaningError) -> Meaning {
    do {
        return try read()
    } catch {
        throw error.inside(name)
    }
}

/// Reads a message that must be there.
func required<Message, Meaning>(
    _ name: String, _ message: Message?, _ read: (Message) throws(MeaningError) -> Meaning
) throws(MeaningError) -> Meaning {
    guard let message else { throw MeaningError(name, "is missing") }
    return try field(name) { () throws(MeaningError) in try read(message) }
}

/// Reads each message of a list.
func list<Message, Meaning>(
    _ name: String, _ messages: [Message], _ read: (Message) throws(MeaningError) -> Meaning
) throws(MeaningError) -> [Meaning] {
    var meanings: [Meaning] = []
    meanings.reserveCapacity(messages.count)
    for (index, message) in messages.enumerated() {
        do {
            meanings.append(try read(message))
        } catch {
            throw error.inside("\(name)[\(index)]")
        }
    }
    return meanings
}

/// Reads a word of an enumeration that is spelled out on the wire.
func word<Meaning: RawRepresentable<String>>(
    _ name: String, _ text: String, as _: Meaning.Type
) throws(MeaningError) -> Meaning {
    guard let meaning = Meaning(rawValue: text) else { throw MeaningError(name, "has the unknown word '\(text)'") }
    return meaning
}

extension UInt32 {
    /// A count, a line or a limit for the wire, held at the field's own bounds: nobody has four thousand million.
    init(held count: Int) { self.init(clamping: count) }
}
