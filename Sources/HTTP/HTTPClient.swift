import CCurl
package import Delivery
import Glibc

/// Asks servers over HTTP and HTTPS, by libcurl. Follows no redirection.
package struct HTTPClient: Sendable {
    package var connectTimeout = Duration.seconds(10)
    package var timeout = Duration.seconds(60)
    /// Of a response's body.
    package var answerBytesMax = 16 << 20
    /// A file of authorities in PEM; `nil`: those of the system.
    package var authorities: String?

    package init() {}

    /// Blocks until there is an answer: it belongs on a thread of its own.
    package func send(_ request: HTTPRequest) -> HTTPAnswer {
        // A line break in a header would begin another one.
        let texts = [request.method, request.url] + request.headers.flatMap { [$0.name, $0.value] }
        guard texts.allSatisfy({ $0.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F } }) else {
            return .failed("a header, a method or an address holds a control character")
        }
        let lines = request.headers.map { "\($0.name): \($0.value)" }
        var pointers: [UnsafeMutablePointer<CChar>?] = unsafe lines.map { unsafe strdup($0) }
        unsafe pointers.append(nil)
        defer { unsafe pointers.forEach { unsafe free($0) } }
        var answer = unsafe ccurl_answer()
        defer { unsafe ccurl_free(&answer) }
        let milliseconds = { (duration: Duration) in
            Int(duration.components.seconds * 1000 + duration.components.attoseconds / 1_000_000_000_000_000)
        }
        unsafe request.method.withCString { method in
            unsafe request.url.withCString { url in
                unsafe request.body.withUnsafeBytes { body in
                    unsafe pointers.withUnsafeBufferPointer { headers in
                        unsafe withOptionalCString(authorities) { authorities in
                            let names = unsafe UnsafeRawPointer(headers.baseAddress)?
                                .assumingMemoryBound(to: UnsafePointer<CChar>?.self)
                            var raw = unsafe ccurl_request(
                                method: method, url: url, headers: names,
                                body: body.isEmpty ? nil : body.baseAddress, body_size: body.count,
                                connect_timeout_ms: milliseconds(connectTimeout), timeout_ms: milliseconds(timeout),
                                answer_max: answerBytesMax, authorities: authorities)
                            unsafe ccurl_send(&raw, &answer)
                        }
                    }
                }
            }
        }
        guard unsafe answer.failed == 0 else {
            let problem = unsafe withUnsafeBytes(of: answer.problem) { unsafe Array($0.prefix { $0 != 0 }) }
            return .failed(String(decoding: problem, as: UTF8.self))
        }
        return unsafe .response(
            HTTPResponse(
                status: Int(answer.status),
                headers: Self.headers(Self.bytes(answer.headers, answer.headers_size)),
                body: Self.bytes(answer.body, answer.body_size)))
    }

    private static func bytes(_ start: UnsafeMutablePointer<CChar>?, _ count: Int) -> [UInt8] {
        guard let start = unsafe start, count > 0 else { return [] }
        return unsafe Array(UnsafeRawBufferPointer(start: start, count: count))
    }

    /// Of the last answer: one may be interim (`100 Continue`).
    private static func headers(_ bytes: [UInt8]) -> [String: String] {
        var found: [String: String] = [:]
        for line in bytes.split(separator: 0x0A) {
            if line.starts(with: "HTTP/".utf8) { found = [:] }
            guard let mark = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
            let isSpace = { (byte: UInt8) in byte == 0x20 || byte == 0x09 || byte == 0x0D }
            let value = line[(mark + 1)...].drop(while: isSpace).reversed().drop(while: isSpace).reversed()
            found[String(decoding: line[..<mark], as: UTF8.self).lowercased()] = String(decoding: value, as: UTF8.self)
        }
        return found
    }
}

private func withOptionalCString(_ text: String?, _ body: (UnsafePointer<CChar>?) -> Void) {
    guard let text else { return body(nil) }
    unsafe text.withCString { unsafe body($0) }
}
