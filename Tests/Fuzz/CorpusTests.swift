import Foundation
import Testing

/// What the fuzzer begins with, and what it once broke, goes through the readers in every test run.
@Suite struct `Bytes of strangers` {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Corpus")

    /// A reader whose time grows with the square of its input would go beyond it.
    @Test(.timeLimit(.minutes(2)), arguments: FuzzTarget.allCases)
    func `are read without harm`(target: FuzzTarget) throws {
        let folder = Self.folder.appending(path: target.rawValue)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        #expect(!names.isEmpty)
        for name in names {
            let bytes = try Array(Data(contentsOf: folder.appending(path: name)))
            // Cut short it is as strange as whole.
            for length in [bytes.count, bytes.count / 2, max(0, bytes.count - 1)] {
                do throws(FuzzFinding) {
                    try target.run(Array(bytes.prefix(length)))
                } catch {
                    Issue.record("\(target.rawValue)/\(name), \(length) bytes: \(error)")
                }
            }
        }
    }
}
