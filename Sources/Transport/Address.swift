import CLinux
import Glibc

/// Where a coordinator listens: a host and a port, written `farm.example:7443`, `10.0.0.7:7443` or `[::1]:7443`.
package struct Address: Hashable, Sendable, CustomStringConvertible {
    package var host: String
    package var port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// - Parameter defaultPort: taken where the text names none; without it a port must be there.
    package init(_ text: some StringProtocol, defaultPort: UInt16? = nil) throws(LinkError) {
        let problem = LinkError.invalidAddress(String(text.prefix(300)))
        var rest = text[...]
        var host = ""
        if rest.hasPrefix("[") {
            guard let end = rest.firstIndex(of: "]") else { throw problem }
            host = String(rest[rest.index(after: rest.startIndex)..<end])
            guard host.contains(":") else { throw problem }
            rest = rest[rest.index(after: end)...]
        } else {
            host = String(rest.prefix { $0 != ":" })
            rest = rest.dropFirst(host.count)
        }
        guard !host.isEmpty, host.utf8.count <= 253, host.utf8.allSatisfy(Self.isHostByte) else { throw problem }
        if rest.isEmpty, let defaultPort {
            self.init(host: host, port: defaultPort)
            return
        }
        guard rest.hasPrefix(":"), let port = UInt16(rest.dropFirst()), !rest.dropFirst().hasPrefix("+") else {
            throw problem
        }
        self.init(host: host, port: port)
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Letters, digits, and what names and IPv6 addresses (with their zone) are written with.
    private static func isHostByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"),
            UInt8(ascii: ":"), UInt8(ascii: "%"):
            true
        default: false
        }
    }
}

/// An address as the kernel takes it.
struct SocketAddress: Hashable, Sendable {
    /// A `sockaddr_in` or a `sockaddr_in6`.
    private let bytes: [UInt8]
    let family: CInt

    init?(_ pointer: UnsafePointer<sockaddr>?, length: socklen_t) {
        guard let pointer = unsafe pointer, length >= 2, length <= 128 else { return nil }
        unsafe bytes = Array(UnsafeRawBufferPointer(start: pointer, count: Int(length)))
        unsafe family = CInt(pointer.pointee.sa_family)
        guard family == AF_INET || family == AF_INET6 else { return nil }
    }

    func withPointer<Answer>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Answer) -> Answer {
        unsafe bytes.withUnsafeBytes { raw in
            let pointer = unsafe raw.assumingMemoryBound(to: sockaddr.self)
            guard let base = pointer.baseAddress else { preconditionFailure("an address has bytes") }
            return unsafe body(base, socklen_t(raw.count))
        }
    }

    /// The numeric form.
    var address: Address {
        unsafe withPointer { pointer, length in
            var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            var service = [CChar](repeating: 0, count: Int(NI_MAXSERV))
            let flags = NI_NUMERICHOST | NI_NUMERICSERV
            _ = unsafe getnameinfo(
                pointer, length, &host, socklen_t(host.count), &service, socklen_t(service.count), flags)
            func text(_ buffer: [CChar]) -> String {
                String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            }
            return Address(host: text(host), port: UInt16(text(service)) ?? 0)
        }
    }

    /// The address that a socket is bound to.
    static func local(of socket: CInt) -> SocketAddress? { unsafe ask(socket, getsockname) }
    static func peer(of socket: CInt) -> SocketAddress? { unsafe ask(socket, getpeername) }

    private static func ask(
        _ socket: CInt, _ call: (CInt, UnsafeMutablePointer<sockaddr>?, UnsafeMutablePointer<socklen_t>?) -> CInt
    ) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return unsafe withUnsafeMutableBytes(of: &storage) { raw in
            let pointer = unsafe raw.assumingMemoryBound(to: sockaddr.self).baseAddress
            guard unsafe call(socket, pointer, &length) == 0 else { return nil }
            return unsafe SocketAddress(pointer, length: length)
        }
    }
}

extension Address {
    /// Looks the host up. Numbers are answered at once; names on a thread of their own, for a name server may be slow.
    ///
    /// - Parameter passive: for listening.
    func resolve(passive: Bool = false) async throws(LinkError) -> [SocketAddress] {
        if let found = numeric(passive: passive) { return found }
        let answer: Result<[SocketAddress], LinkError> = await withCheckedContinuation { continuation in
            do {
                try startDeviceThread(named: "sheaf-resolver") {
                    continuation.resume(returning: lookUp(flags: passive ? AI_PASSIVE : 0))
                }
            } catch {
                continuation.resume(returning: .failure(.unreachable("\(self)", "\(error)")))
            }
        }
        return try answer.get()
    }

    /// The answer where the host is a number; `nil` where it is a name.
    func numeric(passive: Bool = false) -> [SocketAddress]? {
        guard case .success(let found) = lookUp(flags: AI_NUMERICHOST | (passive ? AI_PASSIVE : 0)) else { return nil }
        return found
    }

    private func lookUp(flags: CInt) -> Result<[SocketAddress], LinkError> {
        var hints = unsafe addrinfo()
        unsafe hints.ai_flags = flags | AI_NUMERICSERV
        unsafe hints.ai_family = AF_UNSPEC
        unsafe hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let answer = unsafe getaddrinfo(host, String(port), &hints, &list)
        guard answer == 0 else {
            let why = unsafe String(cString: gai_strerror(answer))
            return .failure(.unreachable("\(self)", "the name \(host) is not known here: \(why)"))
        }
        defer { unsafe freeaddrinfo(list) }
        var found: [SocketAddress] = []
        var next = unsafe list
        while let entry = unsafe next {
            if let address = unsafe SocketAddress(entry.pointee.ai_addr, length: entry.pointee.ai_addrlen),
                !found.contains(address)
            {
                found.append(address)
            }
            unsafe next = unsafe entry.pointee.ai_next
        }
        guard !found.isEmpty else { return .failure(.unreachable("\(self)", "the name has no IP address")) }
        return .success(found)
    }
}
