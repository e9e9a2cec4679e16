import Delivery
import Foundation
import Glibc
import HTTP
import Testing

/// A server on loopback that answers each connection with the same bytes, or with silence.
private final class CannedServer: @unchecked Sendable {
    // `seen` is written by the one thread that serves, and read after `stop` has joined it.
    private let descriptor: Int32
    let port: UInt16
    private(set) var seen = ""
    private let isDone = DispatchSemaphore(value: 0)

    init(_ answer: String?) {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                precondition(bind(listener, $0, length) == 0 && listen(listener, 8) == 0, "loopback is there")
                precondition(getsockname(listener, $0, &length) == 0, "the port is known")
            }
        }
        descriptor = listener
        port = UInt16(bigEndian: address.sin_port)
        Thread { [self] in serve(answer) }.start()
    }

    private func serve(_ answer: String?) {
        defer { isDone.signal() }
        let connection = accept(descriptor, nil, nil)
        guard connection >= 0 else { return }
        defer { close(connection) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(connection, &buffer, buffer.count)
            guard count > 0 else { break }
            bytes += buffer[..<count]
            let text = String(decoding: bytes, as: UTF8.self)
            guard let head = text.range(of: "\r\n\r\n"), let answer else { continue }
            let length = text.components(separatedBy: "Content-Length: ").dropFirst().first.flatMap {
                Int($0.prefix { $0.isNumber })
            }
            if text[head.upperBound...].utf8.count >= length ?? 0 {
                _ = answer.withCString { write(connection, $0, strlen($0)) }
                break
            }
        }
        seen = String(decoding: bytes, as: UTF8.self)
    }

    func stop() -> String {
        shutdown(descriptor, Int32(SHUT_RDWR))
        isDone.wait()
        close(descriptor)
        return seen
    }
}

@Suite struct `The HTTP client` {
    private func ask(_ answer: String?, _ change: (inout HTTPClient) -> Void = { _ in }) -> (HTTPAnswer, String) {
        let server = CannedServer(answer)
        var client = HTTPClient()
        client.timeout = .seconds(20)
        change(&client)
        let answer = client.send(
            HTTPRequest(
                "PATCH", "http://127.0.0.1:\(server.port)/a/b?c=d",
                headers: [("X-One", "1"), ("Content-Type", "text/x")],
                body: Array("the body".utf8)))
        return (answer, server.stop())
    }

    @Test func `sends what it is given, and gives back what came`() {
        let (answer, seen) = ask(
            "HTTP/1.1 201 Created\r\nRetry-After:  7 \r\nContent-Length: 5\r\n\r\nhello")
        #expect(
            answer
                == .response(
                    HTTPResponse(
                        status: 201, headers: ["retry-after": "7", "content-length": "5"], body: Array("hello".utf8))))
        #expect(seen.hasPrefix("PATCH /a/b?c=d HTTP/1.1\r\n") && seen.contains("X-One: 1\r\n"))
        #expect(seen.contains("Content-Length: 8\r\n") && seen.hasSuffix("\r\n\r\nthe body"))
    }

    @Test func `follows nothing`() {
        let (answer, _) = ask("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
        guard case .response(let response) = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(response.status == 302)
    }

    @Test(arguments: [
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "transfer closed"), ("nonsense\r\n\r\n", ""),
        ("HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + String(repeating: "x", count: 200), "Fail"),
    ])
    func `says why there is no answer`(bytes: String, words: String) {
        let (answer, _) = ask(bytes) { $0.answerBytesMax = 150 }
        guard case .failed(let problem) = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(!problem.isEmpty && (words.isEmpty || problem.contains(words)), "\(problem)")
    }

    @Test func `gives up on a server that says nothing, and on one that is not there`() {
        let (silent, _) = ask(nil) { $0.timeout = .milliseconds(300) }
        guard case .failed(let problem) = silent else {
            Issue.record("\(silent)")
            return
        }
        #expect(problem.contains("timed out"), "\(problem)")
        let server = CannedServer("")
        let port = server.port
        _ = server.stop()
        guard case .failed = HTTPClient().send(HTTPRequest("GET", "http://127.0.0.1:\(port)/")) else {
            Issue.record("nobody listens there")
            return
        }
    }

    @Test func `takes no line break for a header, and no other protocol`() {
        let client = HTTPClient()
        let answers = [
            client.send(HTTPRequest("GET", "http://127.0.0.1:1/", headers: [("A", "b\r\nC: d")])),
            client.send(HTTPRequest("GET", "file:///etc/passwd")),
        ]
        for case .response in answers { Issue.record("it was sent") }
    }
}
