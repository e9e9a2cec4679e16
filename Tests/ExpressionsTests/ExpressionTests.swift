import Expressions
import Model
import Testing

@Suite struct `An expression` {
    static let contexts: Value = [
        "github": ["event_name": "push", "Ref": "refs/heads/main", "event": ["n": 3]],
        "matrix": ["python": "3.11", "list": [1, "two", [3]], "empty": .object([])],
        "needs": ["a": ["outputs": ["x": 1]], "b": ["outputs": ["x": 2]], "c": ["other": 0]],
    ]

    private func answer(_ source: String) -> String { ExpressionTrial.answer(source, contexts: Self.contexts) }

    @Test(arguments: [
        ("'it''s'", "it's"), ("0xff == 255", "true"), ("-1", "-1"), (".5", "0.5"), ("1e-5", "1E-05"),
        ("GITHUB.Event_Name == 'PUSH'", "true"), ("github['ref']", "refs/heads/main"), ("matrix.list[1.9]", "two"),
        ("matrix.list['0']", "1"), ("matrix.list[-1]", ""), ("null.x.y == null", ""), ("'' || 'x'", "x"),
        ("0 && 'x'", "0"), ("!matrix.empty", "false"), ("null <= null", "true"), ("null < 1", "true"),
        ("'a' < 'B'", "true"), ("NaN == NaN", "false"), ("github.event == github.event", "true"),
        ("github.event == fromJSON('{}')", "false"), ("'ı' == 'I'", "false"), ("'é' == 'É'", "true"),
        ("join(needs.*.outputs.x)", "1,2"), ("join(needs.*.outputs.x, '+')", "1+2"), ("format('{{{0}}}', 1)", "{1}"),
        ("contains('Hello', 'ELL')", "true"), ("contains(matrix.list, 'TWO')", "true"),
        ("contains(matrix.empty, '')", "false"), ("startsWith('abc', 'AB')", "true"), ("endsWith(123, 23)", "true"),
        ("case(false, 1, true, 2, 3)", "2"),
        ("toJSON(fromJSON('[1.50,{\"a\":null}]'))", "[\n  1.5,\n  {\n    \"a\": null\n  }\n]"),
        ("fromJSON('{\"a\":1,\"A\":2}').a", "1"), ("1 == '1'", "true"), ("true == 1", "true"), ("'0x1F' == 31", "true"),
        ("1e15", "1E+15"), ("123456789012345678", "1.23456789012346E+17"), ("-0", "0"), ("join('x')", "x"),
        ("(needs.*.outputs)[0]", "Array"), ("success() && always()", "true"), ("", ""),
    ])
    func `comes to`(source: String, text: String) throws {
        let scope = ExpressionScope(
            names: Self.contexts.members?.map(\.key) ?? [], functions: [.init("success", 0, 0), .init("always", 0, 0)])
        let context = EvaluationContext(values: Self.contexts.members ?? [], status: { _, _ in true })
        guard source != "null.x.y == null" else {
            // A literal cannot be dereferenced.
            #expect(throws: ExpressionError.self) { try Expression(source, in: scope) }
            return
        }
        let value = try Expression(source, in: scope).evaluate(in: context)
        #expect(Conversion.text(of: value) == text, "\(source)")
    }

    @Test(arguments: [
        ("a.b", "Unrecognized named-value: 'a'. Located at position 1"), ("f(1)", "Unrecognized function: 'f'"),
        ("1 +", "Unexpected symbol: '+'"), ("github.", "Unexpected end of expression"), ("(1", "Unexpected end"),
        ("()", "Unexpected symbol: ')'"), ("\"x\"", "Unexpected symbol"), ("1 & 2", "Unexpected symbol: '&'"),
        ("github.a()", "Unexpected symbol: '('"), ("contains('a')", "Too few parameters"),
        ("'a'.b", "Unexpected symbol: '.'"),
        ("1-2", "Unexpected symbol: '1-2'"), ("github *", "Unexpected symbol: '*'"),
        ("format('{0}')", "references more"),
        ("format('{')", "format string is invalid"), ("format('{0:x}', 1)", "format string is invalid"),
        ("fromJSON('nope')", "fromJSON"), ("case(1, 2, 3)", "boolean"), ("case(true, 2)", "Too few"),
    ])
    func `is refused`(source: String, words: String) {
        #expect(answer(source).contains(words), "\(source): \(answer(source))")
    }

    @Test func `is bounded in length, depth and memory`() {
        let long = String(repeating: "x", count: Limits.expressionCharactersMax)
        #expect(answer("'\(long)'").contains("max expression length"))
        #expect(!answer("'\(long.dropLast(2))'").contains("error"))
        let deep = String(repeating: "!", count: 49) + "true"
        #expect(!answer(deep).contains("error"))
        #expect(answer("!" + deep).contains("max expression depth 50"))
        #expect(answer(String(repeating: "(", count: 10_000)).contains("max expression depth"))
        let chain = Array(repeating: "true", count: 3000).joined(separator: "&&")
        #expect(!answer(chain).contains("error"))
        let big = "format('\(String(repeating: "{0}", count: 100))', '\(String(repeating: "y", count: 9000))')"
        #expect(answer(big).contains("maximum allowed memory"))
    }

    @Test func `never crashes, whatever is written`() {
        let words = [
            "'a'", "1", "github", ".", "*", "[", "]", "(", ")", ",", "!", "==", "<", "&&", "||", "format", "contains",
            " ", "é", "\u{1F600}", "-", "0x", "'",
        ]
        var random = SplitMix64(seed: 23)
        for _ in 0..<20_000 {
            let source = (0..<Int.random(in: 1...12, using: &random)).map { _ in
                words[Int.random(in: 0..<words.count, using: &random)]
            }.joined()
            _ = answer(source)
        }
    }

    @Test func `tells what it reads and calls`() throws {
        let scope = ExpressionScope(names: ["needs", "matrix"], functions: [.init("always", 0, 0)])
        let expression = try Expression("always() && needs.Eval.outputs['best'] == matrix[needs.b.c]", in: scope)
        #expect(expression.functions == ["always"])
        #expect(expression.references == [["needs", "Eval", "outputs", "best"], ["matrix"], ["needs", "b", "c"]])
    }
}
