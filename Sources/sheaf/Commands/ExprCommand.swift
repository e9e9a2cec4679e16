import Expressions
import Glibc
import JSON
import Model

extension Commands {
    static let expr = Command(
        name: "expr", summary: "try an expression of the ${{ }} language",
        discussion: """
            Prints {"kind": …, "value": …} or {"error": …}; exit code 2 for an error.

              sheaf expr "contains(github.ref, 'main')" --context contexts.json
              sheaf expr --jsonl < lines     each line {"expr": …, "contexts": {…}}, an answer for each
            """,
        operands: [.init(name: "EXPR", help: "the text between ${{ and }}", isOptional: true)],
        options: [
            .value("context", "FILE", "a JSON object with the contexts: {\"github\": {…}}"),
            .flag("jsonl", "read expressions with their contexts from standard input, line by line"),
        ],
        run: { arguments in
            if arguments.has("jsonl") { return answerLines() }
            guard let source = arguments.operand(0) else {
                throw UsageError("EXPR is missing", help: "sheaf expr \"1 == 1\"")
            }
            let contexts = try arguments.value("context").map(readContexts) ?? .object([])
            let answer = ExpressionTrial.answer(source, contexts: contexts)
            Terminal.print(answer)
            if answer.contains("Unrecognized named-value"), arguments.value("context") == nil {
                Terminal.complain("help: contexts come from a file: --context FILE with {\"github\": {…}}")
            }
            return answer.hasPrefix("{\"error\"") ? .usage : .passed
        })

    /// The contexts of a JSON file.
    static func readContexts(_ path: String) throws -> Value {
        do {
            let value = try JSONParser.parse(try Files.read(path), depthMax: 100).value
            guard value.members != nil else {
                throw CommandFailure("\(path): the contexts must be a JSON object", exitCode: .usage)
            }
            return value
        } catch let error as JSONError {
            throw CommandFailure("\(path):\(error.line):\(error.column): \(error.problem)", exitCode: .usage)
        }
    }

    private static func answerLines() -> ExitCode {
        while let line = readLine(strippingNewline: true) {
            Terminal.print(ExpressionTrial.answer(line: Array(line.utf8)))
        }
        return .passed
    }
}
