import Expressions
import Model
import Testing

@Suite struct `A text with expressions` {
    private let scope = ExpressionScope(names: ["matrix"])
    private let context = EvaluationContext(values: [
        .init("matrix", ["python": "3.11", "n": 3, "list": [1, 2], "none": nil])
    ])

    private func error(_ text: String, in scope: ExpressionScope? = nil) -> ExpressionError? {
        do {
            _ = try TemplateText(text, in: scope ?? self.scope)
            return nil
        } catch { return error }
    }

    static let texts: [(String, Value)] = [
        ("", ""), ("plain", "plain"), ("$ {{ x }}", "$ {{ x }}"), ("}} {{", "}} {{"),
        ("${{ matrix.n }}", 3), ("${{matrix.list}}", [1, 2]), ("${{ matrix.none }}", .null), (" ${{ matrix.n }}", " 3"),
        ("${{ matrix.n }}${{ matrix.n }}", "33"), ("py${{ matrix.python }}-{0}'", "py3.11-{0}'"),
        ("${{ '}}' }}", "}}"), ("${{ 'it''s }}' }}!", "it's }}!"), ("${{ '${{' }}", "${{"),
        ("${{ matrix.list }}.", "Array."),
        ("[${{ matrix.none }}]", "[]"), ("${{ 'a' }}}", "a}"),
    ]

    @Test(arguments: texts)
    func `comes to`(text: String, value: Value) throws {
        #expect(try TemplateText(text, in: scope).evaluate(in: context) == value)
    }

    @Test(arguments: [
        ("${{ }}", 0, "An expression was expected"), ("ab${{}}", 2, "An expression was expected"),
        ("ab${{ matrix.n }", 2, "not closed"), ("${{ 'a }}", 0, "not closed"), ("${{", 0, "not closed"),
        ("é${{ matrix.n == secrets.X }}", 17, "Unrecognized named-value: 'secrets'. Located at position 13"),
        ("${{ 1 }} ${{ 1 & 2 }}", 15, "Unexpected symbol: '&'"),
    ])
    func `is refused with its place`(text: String, offset: Int, words: String) throws {
        let refusal = try #require(error(text))
        #expect(refusal.offset == offset, "\(text): \(refusal)")
        #expect(refusal.message.contains(words), "\(text): \(refusal)")
    }

    @Test func `tells a plain text from one with expressions`() throws {
        #expect(try TemplateText("plain", in: scope).literal == "plain")
        #expect(try TemplateText("", in: scope).literal == "")
        #expect(try TemplateText("${{ 1 }}", in: scope).literal == nil)
        #expect(TemplateText.hasExpression("a ${{ b") && !TemplateText.hasExpression("a $ {{ b"))
        #expect(
            try TemplateText("${{ matrix.a }} ${{ toJSON(matrix.b) }}", in: scope).references == [
                ["matrix", "a"], ["matrix", "b"],
            ])
        #expect(try TemplateText("x${{ toJSON(1) }}", in: scope).functions == ["tojson"])
    }

    @Test(arguments: [
        ("${{ insert }}", true), ("${{insert}}", true), ("insert", false), ("${{ insert }} ", false),
        ("${{ Insert }}", false),
        ("${{ inserts }}", false), ("${{ insert }}${{", false), ("${{", false),
    ])
    func `knows insert`(key: String, isInsert: Bool) { #expect(TemplateText.isInsert(key) == isInsert) }

    @Test func `has the limits of one expression`() throws {
        let maximum = Limits.expressionCharactersMax
        // format('…{0}', 1) around it takes 16 characters.
        let edge = String(repeating: "x", count: maximum - "format('{0}', 1)".count)
        #expect(error(edge + "${{ 1 }}") == nil)
        #expect(error(edge + "x${{ 1 }}")?.message.contains("max expression length") == true)
        #expect(error("'" + edge.dropLast(1) + "${{ 1 }}")?.message.contains("max expression length") == true)
        #expect(error(String(repeating: "x", count: maximum * 2)) == nil)

        #expect(error(String(repeating: "${{ 1 }}", count: 254)) == nil)
        #expect(error(String(repeating: "${{ 1 }}", count: 255))?.message.contains("254") == true)

        let deep = String(repeating: "!", count: Limits.expressionDepthMax - 1) + "true"
        #expect(error("${{ \(deep) }}") == nil)
        #expect(error("x${{ \(deep) }}")?.message.contains("depth") == true)
        #expect(error("x${{ \(deep.dropFirst()) }}") == nil)
    }

    @Test func `never crashes, whatever is written`() {
        let pieces = ["${{", "}}", "'", " ", "matrix", ".n", "{", "}", "$", "é", "\u{1F600}", "1", "&&", "insert"]
        var random = SplitMix64(seed: 31)
        for seed in 0..<5000 {
            let text = (0..<Int.random(in: 0...10, using: &random)).map { _ in
                pieces[Int.random(in: 0..<pieces.count, using: &random)]
            }.joined()
            if let offset = error(text)?.offset { #expect(offset <= text.utf16.count, "seed \(seed): \(text)") }
            _ = TemplateText.isInsert(text)
        }
    }
}

@Suite struct `A condition` {
    private static let scope = ExpressionScope(
        names: ["github", "needs"],
        functions: [.init("always", 0, 0), .init("cancelled", 0, 0), .init("success", 0, 9), .init("failure", 0, 9)])

    private func holds(_ text: String, _ status: ExpressionStatus) throws -> Bool {
        let context = EvaluationContext(
            values: [.init("github", ["ref": "main"]), .init("needs", .object([]))],
            status: { status($0, $1) })
        return try Condition(text, in: Self.scope).holds(in: context)
    }

    private let good = ExpressionStatus.step(jobSoFar: .success)
    private let bad = ExpressionStatus.step(jobSoFar: .failure)

    @Test(arguments: [
        ("", true, false), ("  \n", true, false), ("true", true, false), ("${{ true }}", true, false),
        ("false || github.ref", true, false), ("always()", true, true), ("ALWAYS()", true, true),
        ("${{ failure() }}", false, true),
        ("!cancelled()", true, true), ("!failure()", true, false), ("success() || failure()", true, true),
        ("''", false, false),
        ("false", false, false), (" github.ref == 'main' ", true, false), ("contains('a', always())", false, false),
        // Text beside the braces makes it a text, which holds.
        ("${{ false }} ", true, false), ("github.ref == ${{ 'x' }}", true, false), ("x ${{ always() }}", true, true),
    ])
    func `holds after success, after failure`(text: String, afterSuccess: Bool, afterFailure: Bool) throws {
        #expect(try holds(text, good) == afterSuccess, "\(text)")
        #expect(try holds(text, bad) == afterFailure, "\(text)")
    }

    @Test func `says what was written`() throws {
        let plain = try Condition(" github.ref ", in: Self.scope)
        #expect(plain.expression.source == "github.ref" && !plain.asksForStatus && !plain.mixesText)
        let mixed = try Condition("a ${{ failure() }}", in: Self.scope)
        #expect(mixed.asksForStatus && mixed.mixesText)
    }

    @Test func `takes success for granted where nothing has run`() throws {
        let nothing = EvaluationContext(values: [])
        #expect(try Condition("", in: Self.scope).holds(in: nothing))
        #expect(try Condition("true", in: ExpressionScope(names: [])).holds(in: nothing))
        #expect(try !Condition("false", in: Self.scope).holds(in: nothing))
        #expect(throws: ExpressionError.self) { try Condition("failure()", in: Self.scope).holds(in: nothing) }
    }

    @Test func `has the limits of what is evaluated`() throws {
        let edge = String(repeating: "x", count: Limits.expressionCharactersMax - "success() && ('')".count)
        _ = try Condition("'\(edge)'", in: Self.scope)
        #expect(throws: ExpressionError.self) { try Condition("'\(edge)x'", in: Self.scope) }
        _ = try Condition("always() && '\(edge)'", in: Self.scope)
    }

    @Test(arguments: [
        ("  matrix.os == 'x'", 2, "Unrecognized named-value: 'matrix'. Located at position 1"),
        ("${{ secrets.X }}", 4, "Unrecognized named-value: 'secrets'"), ("${{ true", 0, "not closed"),
        ("hashFiles('a')", 0, "Unrecognized function: 'hashFiles'"), ("always(1)", 0, "Too many parameters"),
    ])
    func `is refused with its place`(text: String, offset: Int, words: String) throws {
        do {
            _ = try Condition(text, in: Self.scope)
            Issue.record("accepted \(text)")
        } catch {
            #expect(error.offset == offset && error.message.contains(words), "\(text): \(error.offset) \(error)")
        }
    }

    @Test(arguments: [
        (ExpressionStatus.Result.success, true, false, false), (.failure, false, true, false),
        (.cancelled, false, false, true), (.skipped, false, false, false),
    ])
    func `sees a step's job so far`(result: ExpressionStatus.Result, success: Bool, failure: Bool, cancelled: Bool) {
        let status = ExpressionStatus.step(jobSoFar: result)
        #expect(status("success", []) == success)
        #expect(status("failure", []) == failure)
        #expect(status("cancelled", []) == cancelled)
        #expect(status("always", []))
    }

    @Test func `sees all that a job needs, or those that it names`() {
        let mixed = ExpressionStatus.job(
            ancestors: [.init("build", .success), .init("Eval", .failure), .init("report", .skipped)],
            isCancelled: false)
        #expect(!mixed("success", []) && mixed("failure", []) && !mixed("cancelled", []))
        #expect(mixed("success", ["BUILD"]) && !mixed("success", ["report"]))
        #expect(mixed("failure", ["eval"]) && !mixed("failure", ["build", "report"]))
        let none = ExpressionStatus.job(ancestors: [], isCancelled: false)
        #expect(none("success", []) && !none("failure", []))
        let skipped = ExpressionStatus.job(ancestors: [.init("a", .skipped)], isCancelled: false)
        #expect(!skipped("success", []) && !skipped("failure", []))
        let stopped = ExpressionStatus.job(ancestors: [.init("a", .success)], isCancelled: true)
        #expect(!stopped("success", []) && stopped("cancelled", []) && stopped("always", []))
    }
}
