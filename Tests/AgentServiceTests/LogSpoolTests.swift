import Glibc
import Model
import Testing

@testable import AgentService

@Suite struct `A log on the agent's disk` {
    private func withFile(_ text: String, _ body: (String) throws -> Void) throws {
        var template = Array("/tmp/sheaf-log-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { Files.removeTree(folder) }
        try Files.write(text, to: folder + "/log")
        try body(folder + "/log")
    }

    /// Lines are looked for from the end, 64 KiB at a time.
    private static let long = String(repeating: "x", count: 64 << 10)

    @Test(arguments: [
        ("", ""), ("half", ""), ("1 o a\n", "1 o a\n"), ("1 o a\n2 o b", "1 o a\n"),
        ("1 o a\n2 o \(long)", "1 o a\n"), ("1 o \(long)\n2 o \(long)\(long)", "1 o \(long)\n"),
        ("\(long)\(long)", ""), ("1 o \(long)\n", "1 o \(long)\n"),
    ])
    func `loses the line that a killed agent was writing, and no other`(found: String, mended: String) throws {
        try withFile(found) { path in
            let log = try LogSpool(at: path)
            #expect(log.bytes == UInt64(mended.utf8.count))
            log.append([Array("next".utf8)], .out, at: Instant(nanoseconds: 7))
            #expect(try Files.text(path) == mended + "7 o next\n")
        }
    }

    @Test func `knows its last line`() throws {
        try withFile("1 o the agent was ended\n") { path in
            let log = try LogSpool(at: path)
            #expect(!log.isLast("the agent was ended"), "a step said so, and not the agent")
            log.say("the agent was ended")
            #expect(log.isLast("the agent was ended") && !log.isLast("ended"))
            log.say("")
            #expect(!log.isLast("the agent was ended") && log.isLast(""))
        }
    }
}
