/// A question to a server.
package struct HTTPRequest: Equatable, Sendable {
    package var method: String
    package var url: String
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    package init(
        _ method: String, _ url: String, headers: [(name: String, value: String)] = [], body: [UInt8] = []
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
    }

    package static func == (a: Self, b: Self) -> Bool {
        a.method == b.method && a.url == b.url && a.body == b.body
            && a.headers.elementsEqual(b.headers) { $0 == $1 }
    }
}

/// What came back.
package enum HTTPAnswer: Equatable, Sendable {
    case response(HTTPResponse)
    /// There was no answer: no connection, no trust, no time.
    case failed(String)
}

package struct HTTPResponse: Equatable, Sendable {
    package var status: Int
    /// By lower-case name; of several with one name, the last.
    package var headers: [String: String]
    package var body: [UInt8]

    package init(status: Int, headers: [String: String] = [:], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}
