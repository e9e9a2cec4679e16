/// How a call ended, or why a connection was closed: `Status` of the protocol.
package struct LinkStatus: Error, Hashable, Sendable, CustomStringConvertible {
    /// `Code` of the protocol; a number that this build does not know counts as `internal`.
    package enum Code: Int32, Sendable {
        case ok = 0
        case invalid, notFound, denied, conflict, exhausted, unavailable, `internal`, cancelled, unimplemented
    }

    package var code: Code
    /// For people: what is wrong and what to do. Empty when OK.
    package var text: String

    package init(_ code: Code, _ text: String = "") {
        self.code = code
        self.text = text
    }

    package static let ok = LinkStatus(.ok)

    package var mayPass: Bool {
        switch code {
        case .exhausted, .unavailable: true
        case .ok, .invalid, .notFound, .denied, .conflict, .internal, .cancelled, .unimplemented: false
        }
    }

    package var description: String { text.isEmpty ? "\(code)" : text }
}
