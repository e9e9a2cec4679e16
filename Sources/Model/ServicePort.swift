/// A port of a service, as `ports` says: `6379`, `16379:6379`, `53/udp`.
package struct ServicePort: Hashable, Sendable {
    package enum Kind: String, Sendable { case tcp, udp }

    /// Of the container.
    package var number: UInt16
    /// Of the machine, on its loopback; `nil`: whichever is free.
    package var machine: UInt16?
    package var kind = Kind.tcp

    /// Addresses of the machine that may stand before a port: all of them mean its loopback here.
    private static let addresses: Set<Substring> = ["127.0.0.1", "0.0.0.0"]

    package init(number: UInt16, machine: UInt16? = nil, kind: Kind = .tcp) {
        self.number = number
        self.machine = machine
        self.kind = kind
    }

    package init(_ text: String) throws(ContainerOptions.Refusal) {
        let wrong = ContainerOptions.Refusal(
            problem: "'\(text.prefix(100))' is no port of a service", help: "write 6379, 16379:6379 or 53/udp")
        let halves = text.split(separator: "/", omittingEmptySubsequences: false)
        guard halves.count <= 2 else { throw wrong }
        if halves.count == 2 {
            guard let kind = Kind(rawValue: halves[1].lowercased()) else { throw wrong }
            self.kind = kind
        }
        var parts = halves[0].split(separator: ":", omittingEmptySubsequences: false)
        if parts.count == 3 {
            guard Self.addresses.contains(parts[0]) else {
                throw ContainerOptions.Refusal(
                    problem: "'\(text.prefix(100))' would open a port of the agent to others",
                    help: "leave the address out: services are published on the agent's loopback")
            }
            parts.removeFirst()
            if parts[0].isEmpty { parts.removeFirst() }
        }
        guard (1...2).contains(parts.count) else { throw wrong }
        var numbers: [UInt16] = []
        for part in parts {
            guard part.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
                let number = UInt16(part)
            else { throw wrong }
            numbers.append(number)
        }
        guard let last = numbers.last, last > 0 else { throw wrong }
        number = last
        // 0 is whichever is free, as for the engines.
        machine = numbers.count == 2 && numbers[0] > 0 ? numbers[0] : nil
    }

    /// `6379/tcp`: as engines name it.
    package var name: String { "\(number)/\(kind.rawValue)" }
}
