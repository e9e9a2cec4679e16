import Model
import Testing

@Suite struct `A port of a service` {
    @Test(
        arguments: [
            ("6379", 6379, nil, .tcp), ("16379:6379", 6379, 16379, .tcp), ("53/udp", 53, nil, .udp),
            ("1053:53/UDP", 53, 1053, .udp), ("127.0.0.1:80:8080/tcp", 8080, 80, .tcp),
            ("0.0.0.0:80:8080", 8080, 80, .tcp), ("127.0.0.1::80", 80, nil, .tcp), ("0:80", 80, nil, .tcp),
            ("65535", 65535, nil, .tcp),
        ] as [(String, UInt16, UInt16?, ServicePort.Kind)])
    func `is the container's, and the machine's or whichever is free there`(
        text: String, number: UInt16, machine: UInt16?, kind: ServicePort.Kind
    ) throws {
        #expect(try ServicePort(text) == ServicePort(number: number, machine: machine, kind: kind))
    }

    @Test(arguments: [
        "", "a", "0", "65536", "-1", "+80", "80:", ":80", "80:80:80", "1.2.3.4:80:80", "::80", "80/sctp", "80/tcp/tcp",
        "3000-3010", "3000-3010:3000-3010", "80 ", "--privileged", "1:2:3:4", "[::]:80:80", "\u{0661}",
    ])
    func `is nothing else`(text: String) {
        #expect(throws: ContainerOptions.Refusal.self) { try ServicePort(text) }
    }
}
