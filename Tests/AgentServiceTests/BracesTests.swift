import Testing

@testable import AgentService

@Suite struct `Braces of a pattern` {
    /// As `bash -c 'echo …'` and minimatch have them.
    @Test(arguments: [
        ("a", ["a"]), ("{one,two}", ["one", "two"]), ("m-{a,b}-{1,2}", ["m-a-1", "m-a-2", "m-b-1", "m-b-2"]),
        ("{a,b{1,2}}c", ["ac", "b1c", "b2c"]), ("{a}", ["{a}"]), ("{a,", ["{a,"]), ("{,x}", ["", "x"]),
        ("{a}{b,c}", ["{a}b", "{a}c"]),
    ])
    func `stand for each of their texts`(pattern: String, texts: [String]) throws {
        #expect(try Braces.expanded(pattern) == texts)
    }

    @Test func `are bounded, and say what is not done`() {
        let many = String(repeating: "{a,b,c,d,e,f,g,h,i,j}", count: 40)
        #expect { try Braces.expanded(many) } throws: { "\($0)".contains("more than 1000") }
        #expect { try Braces.expanded("!(a)") } throws: { "\($0)".contains("not supported") }
    }
}
