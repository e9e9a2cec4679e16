import Model
import Testing

/// Large inputs of the shapes that make a careless reader's time grow with the square of their length: each would take
/// minutes to hours then, and takes a moment else.
@Suite struct `Large bytes of strangers` {
    struct Shape: CustomTestStringConvertible {
        var name: String
        var target: FuzzTarget
        var make: @Sendable () -> String
        var testDescription: String { name }
    }

    static let shapes: [Shape] = [
        Shape(name: "one line of strings with escapes", target: .json) {
            "[" + [String](repeating: #""é\n""#, count: 30_000).joined(separator: ",") + "]"
        },
        Shape(name: "keys that look the same and are not", target: .json) {
            // Each letter in one of two spellings: composed, or with its accent behind it.
            let keys = (0..<8192).map { number in
                (0..<13).map { number >> $0 & 1 == 0 ? "\u{e9}" : "e\u{301}" }.joined()
            }
            return "{" + keys.map { "\"\($0)\":1" }.joined(separator: ",") + "}"
        },
        Shape(name: "an item with very many metrics", target: .items) {
            #"{"id":"x""# + (0..<20_000).map { #","m\#($0)":1"# }.joined() + "}"
        },
        Shape(name: "an item of many metrics, with an escape", target: .items) {
            #"{"id":"x\n""# + (0..<20_000).map { #","m\#($0)":1"# }.joined() + "}"
        },
        Shape(name: "broken metrics with very many commas", target: .metrics) {
            #"{"a": "# + String(repeating: #"1,"b","#, count: 20_000) + "NaN}"
        },
        Shape(name: "very many unknown keys", target: .workflow) {
            "sheaf: 1\non: push\njobs:\n  a:\n" + (0..<2000).map { "    key\($0): 1\n" }.joined()
        },
        Shape(name: "very many unknown keys in one line", target: .workflow) {
            "sheaf: 1\non: push\njobs: {a: {" + (0..<2000).map { "key\($0): 1" }.joined(separator: ", ") + "}}\n"
        },
        Shape(name: "an expression of very many parts", target: .expression) {
            String(repeating: "!", count: 20_000) + "true"
        },
        Shape(name: "very many small frames", target: .frames) {
            "a" + String(repeating: "\0\0\0\u{2}\u{8}\u{1}", count: 20_000)
        },
        Shape(name: "lines that end nowhere", target: .commands) {
            String(repeating: "::a a=b,c=%0A::%25\n", count: 5000) + "X<<Y\n"
                + String(repeating: "y\n", count: 20_000)
        },
    ]

    @Test(.timeLimit(.minutes(1)), arguments: shapes)
    func `are read in time that grows with their length`(shape: Shape) throws {
        do throws(FuzzFinding) {
            try shape.target.run(Array(shape.make().utf8))
        } catch {
            Issue.record("\(error)")
        }
    }
}
