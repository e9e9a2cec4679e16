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
        ("format('{')", "format string is invalid"),
        ("format('{0:x}', 1)", "specifiers 'x' are not valid for objects of type 'Number'"),
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

@Suite struct `An evaluation` {
    private let scope = ExpressionScope(names: ["a", "o"], functions: [.init("hashFiles", 1, 255)])

    private func value(_ source: String, _ contexts: [Value.Member] = []) throws(ExpressionError) -> Value {
        try Expression(source, in: scope).evaluate(in: EvaluationContext(values: contexts))
    }

    @Test func `reports mistakes in the order they stand`() {
        for (source, words) in [
            ("x.y == 'open", "Unrecognized named-value: 'x'"), ("a == \"x\" && b", "Unexpected symbol: '\"x\"'"),
            ("contains(a) 'open", "Too few parameters"), ("1 2 'open", "Unexpected symbol: '2'"),
            ("a[", "Unexpected end of expression: '['"), ("a[ \"", "Unexpected symbol: '\"'"),
            (String(repeating: "!", count: 60) + "a b", "Unexpected symbol: 'b'"),
        ] {
            #expect(throws: ExpressionError.self, "\(source)") { try value(source) }
            do throws(ExpressionError) { _ = try value(source) } catch {
                #expect(error.message.hasPrefix(words), "\(error)")
            }
        }
    }

    @Test func `cuts trees that only recursion could free`() {
        for source in [
            "a" + String(repeating: ".b", count: 10_000), "a" + String(repeating: "[0]", count: 6_000),
            "a" + String(repeating: "==a", count: 6_000), String(repeating: "!", count: 20_000) + "a",
            "a" + String(repeating: ".*", count: 10_000),
        ] {
            do throws(ExpressionError) {
                _ = try value(source)
                Issue.record("accepted")
            } catch { #expect(error.message == "Exceeded max expression depth 50") }
        }
    }

    @Test func `keeps filtered arrays filtered through parentheses and operators`() throws {
        let a = Value.Member("a", [["b": [1, 2]], ["c": 0], 5, ["b": [3]], ["B": nil]])
        #expect(try value("(a.*.b)[0]", [a]) == [1, 3])
        #expect(try value("(a.*.b || a)[0]", [a]) == [1, 3])
        #expect(try value("a.*.b.*", [a]) == [1, 2, 3])
        #expect(try value("a.*.b", [a]) == [[1, 2], [3], nil])
        #expect(try value("a.*[null]", [a]) == [])
        #expect(try value("fromJSON(toJSON(a.*.b))[0]", [a]) == [1, 2])
        #expect(try value("case(true, a.*.b, 0)[0]", [a]) == [1, 3])
        #expect(try value("a[0].b.*", [a]) == [1, 2])
        #expect(try value("a.* == a.*", [a]) == false)
    }

    @Test func `knows instances by their place`() throws {
        let contexts: [Value.Member] = [
            .init("a", [.object([]), .object([])]), .init("o", ["x": .object([]), "y": [1]]),
        ]
        for (source, isEqual) in [
            ("a[0] == A['0']", true), ("a[0] == a[1]", false), ("a.*[0] == 1", false), ("o == o", true),
            ("o.x == O['X']", true),
            ("o.y == fromJSON('[1]')", false), ("contains(a, a[1])", true), ("contains(a.*, a[1])", true),
            ("contains(a, o.x)", false),
            ("o.y <= o.y", true), ("o.y < o.y", false), ("o.x >= a[0]", false), ("(o.x || 0) == o.x", true),
        ] {
            #expect(try value(source, contexts) == .boolean(isEqual), "\(source)")
        }
    }

    @Test func `keeps the first of keys that differ in case`() throws {
        #expect(
            try value("toJSON(fromJSON('{\"a\":{\"x\":1,\"X\":2},\"A\":3}'))") == "{\n  \"a\": {\n    \"x\": 1\n  }\n}")
        for text in ["", " ", "nope", "{\"a\":1,}", "[1", "1 2", "NaN", "'a'"] {
            #expect(throws: ExpressionError.self, "\(text)") {
                try value("fromJSON(a)", [.init("a", .string(text))])
            }
        }
    }

    @Test func `reads a format before it evaluates arguments, and only those that it names`() throws {
        #expect(try value("format('{1}', fromJSON('bad'), 2)") == "2")
        #expect(try value("format('{0}{0}{1}', 'a', format('{0}', 'b'))") == "aab")
        #expect(try value("format('{{0}}{0}}}', 1)") == "{0}1}")
        for (source, words) in [
            ("format('{0} }', fromJSON('bad'))", "string is invalid"), ("format('{256}', 1)", "string is invalid"),
            ("format('{0:}}', 1)", "string is invalid"), ("format('{0 }', 1)", "string is invalid"),
            ("format('{-1}', 1)", "string is invalid"), ("format('{1}', 1)", "more arguments than were supplied"),
            ("format('{0}', fromJSON('bad'))", "fromJSON"), ("format('{0:x}', null)", "type 'Null'"),
        ] {
            do throws(ExpressionError) {
                _ = try value(source)
                Issue.record("accepted \(source)")
            } catch {
                #expect(error.kind == .evaluation && error.message.contains(words), "\(source): \(error)")
            }
        }
    }

    @Test func `evaluates only the branch that is taken`() throws {
        #expect(try value("case(true, 1, fromJSON('bad'), 2, 3)") == 1)
        #expect(try value("case(false, fromJSON('bad'), 2)") == 2)
        #expect(try value("false && fromJSON('bad')") == false)
        #expect(try value("1 || fromJSON('bad')") == 1)
        #expect(throws: ExpressionError.self) { try value("case(false, 1, fromJSON('bad'))") }
    }

    @Test func `lets go of what a result no longer needs`() throws {
        let half = Value.Member("a", .string(String(repeating: "y", count: Limits.expressionMemoryMax / 5)))
        // Each text by itself is small enough; held together they are not.
        #expect(try value(Array(repeating: "startsWith(a, 'y')", count: 100).joined(separator: " && "), [half]) == true)
        #expect(throws: ExpressionError.self) {
            try value("join(fromJSON(format('[1]')), format('{0}{0}{0}', a))", [half])
        }
        let edge = String(repeating: "z", count: (Limits.expressionMemoryMax - 26) / 2)
        #expect(try value("a", [.init("a", .string(edge))]) == .string(edge))
        #expect(throws: ExpressionError.self) { try value("a", [.init("a", .string(edge + "z"))]) }
    }

    @Test func `asks outside for files`() throws {
        let expression = try Expression("hashFiles('**/*.lock', '!x')", in: scope)
        let context = EvaluationContext(values: [], hashFiles: { $0.joined(separator: "|") })
        #expect(try expression.evaluate(in: context) == "**/*.lock|!x")
        #expect(throws: ExpressionError.self) { try expression.evaluate(in: EvaluationContext(values: [])) }
    }

    @Test func `answers a line with a line`() {
        #expect(
            ExpressionTrial.answer(line: Array("{\"expr\": \"-Infinity\"}".utf8))
                == "{\"kind\":\"Number\",\"value\":\"-Infinity\"}")
        #expect(
            ExpressionTrial.answer(line: Array("{\"expr\": \"x.y\", \"contexts\": {\"x\": {\"Y\": [1]}}}".utf8))
                == "{\"kind\":\"Array\",\"value\":[1]}")
        for line in ["", "{", "[]", "{\"contexts\": {}}", "{\"expr\": 1}", "{\"expr\": \"1\", \"contexts\": []}"] {
            #expect(ExpressionTrial.answer(line: Array(line.utf8)).hasPrefix("{\"error\":"), "\(line)")
        }
    }
}
