import Testing

@testable import AgentService

@Suite struct `The list of submodules` {
    @Test(arguments: [
        ("[submodule \"a\"]\n\tpath = libs/a\n\turl = ../a\n", ["libs/a"]),
        ("[submodule \"a b\"]\n  path = \"libs/a b\"\n", ["libs/a b"]),
        ("[submodule \"a ] b\"] path = x ; a remark\n[submodule \"c\"]\nPATH=y# another\n", ["x", "y"]),
        ("[submodule \"q\"]\n path = \"a # \\\"b\\\" ; \\\\ c\"  \n", ["a # \"b\" ; \\ c"]),
        ("[submodule \"q\"]\n path = li\"b s\"/x   \n", ["lib s/x"]), ("[submodule \"q\"]\n path = a\\\nb\n", ["ab"]),
        ("[submodule \"q\"]\n path = \"open\n", []), ("[submodule \"q\"]\n path = \\x\n", []),
        ("[submodule \"q\"]\n path = ../out\n path = /etc\n path =\n path\n", []), ("path = \"\"\n[", []), ("", []),
        ("[submodule \"q\"]\n path = \"tab\\tin it\"\n", ["tab\tin it"]),
    ])
    func `is read as git reads it`(text: String, paths: [String]) {
        #expect(Submodules.paths(in: text) == paths)
    }
}
