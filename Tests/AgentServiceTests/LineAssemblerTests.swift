import Testing

@testable import AgentService

@Suite struct `Lines of output` {
    /// The lines that chunks come to, cut ones marked with `…`.
    private func lines(_ chunks: [String], showingProgress: Bool = false, bytesMax: Int = 20) -> [String] {
        var assembler = LineAssembler(bytesMax: bytesMax)
        var found: [String] = []
        let add = { (line: LineAssembler.Line) in
            found.append(String(decoding: line.bytes, as: UTF8.self) + (line.isCut ? "…" : ""))
        }
        for chunk in chunks { assembler.take(Array(chunk.utf8)[...], showingProgress: showingProgress, add) }
        assembler.finish(add)
        return found
    }

    @Test(arguments: [
        (["a\nb\r\nc"], ["a", "b", "c"]), (["a\r", "\nb"], ["a", "b"]), (["\n\r\n"], ["", ""]),
        // What is written over is gone, however it comes in.
        (["\r 10%\r 20%\r100%\ndone\n"], ["100%", "done"]), (["10%", "\r", "20%", "\r\r", "\n"], ["20%"]),
        (["10%\r", "20%\r"], ["20%"]), (["\r\r\n"], [""]),
        // A command is one all the same; and each state has the whole room.
        (["::add-mask::x\rfoo\n"], ["::add-mask::x", "foo"]),
        ([String(repeating: "a", count: 30) + "\rend\n"], ["end"]),
        ([String(repeating: "a", count: 21) + "\n"], [String(repeating: "a", count: 20) + "…"]),
    ])
    func `end where they end, and keep the last that is written over itself`(chunks: [String], expected: [String]) {
        #expect(lines(chunks) == expected)
        #expect(lines(chunks.joined().utf8.map { String(decoding: [$0], as: UTF8.self) }) == expected)
    }

    @Test func `show progress where nothing was shown for long`() {
        #expect(lines([" 1%\r 2%\r 3%", "\r 4%\r 5%\n"], showingProgress: true) == [" 1%", " 3%", " 5%"])
    }

    @Test func `are known before they end`() {
        var assembler = LineAssembler()
        assembler.take(Array("one\nProceed? [y/N] ".utf8)[...]) { _ in }
        #expect(assembler.unfinished.bytes == Array("Proceed? [y/N] ".utf8))
    }
}
