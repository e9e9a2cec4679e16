import Foundation
import Masking
import Model
import Testing

private func masked(_ text: String, _ values: String...) -> String {
    var secrets = Secrets()
    _ = secrets.add(values.map { Array($0.utf8) })
    return secrets.masked(text)
}

@Suite struct `A masker` {
    struct Row: Sendable {
        var text: String
        var values: [String]
        var shown: String
    }

    @Test func `hides values and nothing else`() {
        let rows = [
            Row(text: "no secret here", values: [], shown: "no secret here"),
            Row(text: "token=hunter22 ok", values: ["hunter22"], shown: "token=*** ok"),
            Row(text: "hunter22hunter22", values: ["hunter22"], shown: "***"),
            Row(text: "hunter22 hunter22", values: ["hunter22"], shown: "*** ***"),
            Row(text: "hunter2", values: ["hunter22"], shown: "hunter2"),
            // Overlapping occurrences are one stretch: neither's rest is seen.
            Row(text: "abcdef", values: ["abcd", "cdef"], shown: "***"),
            Row(text: "xabcdefx", values: ["abcdef", "bcd"], shown: "x***x"),
            Row(text: "ababab-", values: ["abab"], shown: "***-"),
            // The suffix of a broken long match is found.
            Row(text: "aaab", values: ["aaaa", "aab"], shown: "a***"),
            Row(text: "é日本語!", values: ["日本"], shown: "é***語!"),
            Row(text: "x", values: ["x"], shown: "***"),
        ]
        for row in rows {
            var secrets = Secrets()
            _ = secrets.add(row.values.map { Array($0.utf8) })
            #expect(secrets.masked(row.text) == row.shown, "\(row)")
        }
    }

    @Test func `hides a value's encodings`() {
        let value = "p4ss w/rd\"\u{1}"
        for prefix in ["", "u", "us", "use"] {
            let whole = prefix + value + "tail"
            let encoded = Data(whole.utf8).base64EncodedString()
            let shown = masked(encoded, value)
            #expect(shown.contains("***"), "\(encoded) became \(shown)")
            // What is left decodes to less than the value, wherever it is cut.
            for part in shown.components(separatedBy: "***") { #expect(part.count < 12) }
        }
        #expect(masked("q=p4ss%20w%2Frd%22%01&", value) == "q=***&")
        #expect(masked("q=p4ss%20w%2frd%22%01&", value) == "q=***&")
        #expect(masked("q=p4ss+w%2Frd%22%01&", value) == "q=***&")
        #expect(masked(#"{"p": "p4ss w/rd\"\u0001"}"#, value) == #"{"p": "***"}"#)
        #expect(masked(#"{"p": "p4ss w\/rd\"\u0001"}"#, value) == #"{"p": "***"}"#)
    }

    @Test func `hides each line of a value, without its space`() {
        let key = "-----BEGIN KEY-----\r\n  c2VjcmV0MQ==\n}\nc2VjcmV0Mg==\n"
        #expect(masked("line c2VjcmV0MQ== and c2VjcmV0Mg==.", key) == "line *** and ***.")
        #expect(masked("a brace } stays", key) == "a brace } stays")
        #expect(masked("all: \(key)!", key) == "all: ***!")
    }

    @Test func `hides the long strings of a JSON value`() {
        let value = #"{"user": "sam", "password": "correct horse", "deep": [{"k": "batt\u00e9ry\nstaple"}]}"#
        #expect(masked("sam said correct horse", value) == "sam said ***")
        #expect(masked("battéry\nstaple", value) == "***")
        #expect(masked("password", value) == "password")
    }

    @Test func `says what came of adding a value`() {
        var secrets = Secrets()
        #expect(secrets.add("") == .ignored)
        #expect(secrets.add(" \n\t") == .ignored)
        #expect(secrets.add("***") == .ignored)
        #expect(secrets.add("abc") == .addedThoughShort)
        #expect(secrets.add("abcd") == .added)
        #expect(secrets.add("abcd") == .added)
        #expect(secrets.add(String(repeating: "z", count: Secrets.valueBytesMax)) == .added)
        #expect(
            secrets.add(String(repeating: "z", count: Secrets.valueBytesMax + 1))
                == .refused(limit: "65536 bytes in a value"))
        #expect(secrets.masked("abc") == "***")
    }

    @Test func `refuses more than its limits and hides what it took`() {
        var secrets = Secrets()
        let many = (0...Secrets.valuesMax).map { Array("value-\($0)!".utf8) }
        let additions = secrets.add(many)
        #expect(additions.dropLast().allSatisfy { $0 == .added })
        #expect(additions.last == .refused(limit: "1000 values"))
        #expect(secrets.masked("value-0! value-999! value-1000!") == "*** *** value-1000!")
    }

    @Test func `holds back only what may begin a value`() {
        var secrets = Secrets()
        _ = secrets.add("secret\nlines")
        var masker = Masker(secrets)
        #expect(masker.write(Array("a line\n".utf8)) == Array("a line\n".utf8))
        #expect(masker.heldBytes == 0)
        #expect(masker.write(Array("a sec".utf8)) == Array("a ".utf8))
        #expect(masker.heldBytes == 3)
        #expect(masker.write(Array("ond\n".utf8)) == Array("second\n".utf8))
        #expect(masker.write(Array("sec".utf8)) == [])
        #expect(masker.finish() == Array("sec".utf8))
    }

    @Test func `hides a value that is added while its start is held back`() {
        var secrets = Secrets()
        _ = secrets.add("aab-secret")
        var masker = Masker(secrets)
        var shown = masker.write(Array("x aab".utf8))
        _ = secrets.add("abcdefgh")
        masker.update(secrets)
        shown += masker.write(Array("cdefgh y".utf8)) + masker.finish()
        #expect(String(decoding: shown, as: UTF8.self) == "x a*** y")
    }

    /// The specification, slowly: every byte of every occurrence is covered; each covered stretch is one mask.
    private static func expected(_ text: [UInt8], _ values: [[UInt8]]) -> [UInt8] {
        var covered = [Bool](repeating: false, count: text.count)
        for value in values where value.count <= text.count {
            for start in 0...text.count - value.count where Array(text[start..<start + value.count]) == value {
                for index in start..<start + value.count { covered[index] = true }
            }
        }
        var shown: [UInt8] = []
        for (index, byte) in text.enumerated() {
            if !covered[index] { shown.append(byte) } else if index == 0 || !covered[index - 1] { shown += Masker.mask }
        }
        return shown
    }

    @Test func `gives the same whatever the split, and never a value`() {
        for seed in UInt64(0)..<400 {
            var random = SplitMix64(seed: seed)
            let letters = Array("abc".utf8)
            let values = (0..<Int.random(in: 1...4, using: &random)).map { _ in
                (0..<Int.random(in: 1...6, using: &random)).map { _ in letters.randomElement(using: &random) ?? 97 }
            }
            let text = (0..<Int.random(in: 0...80, using: &random)).map { _ in
                (letters + [UInt8(ascii: " ")]).randomElement(using: &random) ?? 97
            }
            var secrets = Secrets()
            _ = secrets.add(values)
            var masker = Masker(secrets)
            var shown: [UInt8] = []
            var start = 0
            while start < text.count {
                let end = min(text.count, start + Int.random(in: 0...7, using: &random))
                shown += masker.write(text[start..<end])
                #expect(masker.heldBytes < 6, "seed \(seed)")
                start = end
            }
            shown += masker.finish()
            // Three letters have base64 forms of capital letters only: they cannot occur in the text.
            let wanted = Self.expected(text, values)
            #expect(shown == wanted, "seed \(seed): \(String(decoding: text, as: UTF8.self))")
            let remaining = String(decoding: shown, as: UTF8.self).replacingOccurrences(of: "***", with: "\n")
            for value in values {
                #expect(!remaining.contains(String(decoding: value, as: UTF8.self)), "seed \(seed)")
            }
        }
    }

    @Test func `gives the same whatever the split when values are added midway`() {
        for seed in UInt64(0)..<200 {
            var random = SplitMix64(seed: seed)
            let letters = Array("ab".utf8)
            let word = { (random: inout SplitMix64) in
                (0..<Int.random(in: 2...5, using: &random)).map { _ in letters.randomElement(using: &random) ?? 97 }
            }
            let (first, second) = (word(&random), word(&random))
            let text = (0..<60).map { _ in (letters + [UInt8(ascii: "-")]).randomElement(using: &random) ?? 97 }
            let added = Int.random(in: 0...text.count, using: &random)
            var outputs: Set<[UInt8]> = []
            for step in [1, 3, 60] {
                var secrets = Secrets()
                _ = secrets.add([first])
                var masker = Masker(secrets)
                var shown: [UInt8] = []
                for half in [text[..<added], text[added...]] {
                    var rest = half
                    while !rest.isEmpty {
                        shown += masker.write(rest.prefix(step))
                        rest = rest.dropFirst(step)
                    }
                    _ = secrets.add([second])
                    masker.update(secrets)
                }
                outputs.insert(shown + masker.finish())
            }
            #expect(outputs.count == 1, "seed \(seed)")
        }
    }
}
