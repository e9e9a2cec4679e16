import Foundation
import Model
import Testing
import Wire

@Suite struct `The protocol's codec` {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden")

    static func vectors() throws -> [(name: String, bytes: [UInt8])] {
        let text = try String(contentsOf: folder.appending(path: "golden.txt"), encoding: .utf8)
        return text.split(separator: "\n").map { line in
            let words = line.split(separator: " ")
            let digits = words[1] == "-" ? [] : Array(words[1].utf8)
            let bytes = stride(from: 0, to: digits.count, by: 2).map { index in
                UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16) ?? 0
            }
            return (String(words[0]), bytes)
        }
    }

    @Test func `reads and writes what Python's protobuf writes, byte for byte`() throws {
        let vectors = try Self.vectors()
        #expect(vectors.count == 19)
        for vector in vectors {
            let message = try Proto.Everything(decoding: vector.bytes)
            #expect(message.encoded() == vector.bytes, "\(vector.name)")
            #expect(message.unknown.isEmpty, "\(vector.name)")
        }
    }

    @Test func `finds the values that Python put in`() throws {
        let named = Dictionary(uniqueKeysWithValues: try Self.vectors().map { ($0.name, $0.bytes) })
        let read = { (name: String) in try Proto.Everything(decoding: try #require(named[name])) }
        #expect(try read("int64_min").anInt64 == .min)
        #expect(try read("int64_min").anSint32 == .min)
        #expect(try read("unsigned_max").aFixed64 == .max)
        #expect(try read("minus_one").anInt32 == -1)
        #expect(try read("doubles").doubles == [0, 1e308, .infinity, -2.5])
        #expect(try read("texts").someBytes == Array(0...255))
        #expect(try read("optional_zero").maybe == 0)
        #expect(try read("empty").maybe == nil)
        #expect(try read("empty_inner").inner == Proto.Inner())
        #expect(try read("empty").inner == nil)
        #expect(try read("lists").unpacked == [0, -1, 1 << 62])
        #expect(try read("enum_unknown").colour.number == 77)
        #expect(try read("counts").counts == ["b": 2, "a": 1, "": 0, "ä": -1, String(repeating: "z", count: 130): 5])
        #expect(try read("by_number").byNumber[1 << 40]?.values == [7])
        #expect(try read("choice_word").choice == .word(""))
        #expect(try read("choice_number").choice == .number(0))
    }

    @Test func `keeps fields that an older build does not know`() throws {
        for vector in try Self.vectors() {
            let older = try Proto.Older(decoding: vector.bytes)
            let again = try Proto.Everything(decoding: older.encoded())
            #expect(try again == Proto.Everything(decoding: vector.bytes), "\(vector.name)")
        }
    }

    @Test func `takes packed and unpacked lists alike`() throws {
        // Field 20, one tag each; field 21, behind one tag.
        let message = try Proto.Everything(decoding: [0xA0, 0x01, 1, 0xA0, 0x01, 2, 0xAA, 0x01, 2, 1, 3])
        #expect(message.packed == [1, 2])
        #expect(message.unpacked == [-1, -2])
    }

    @Test(
        arguments: [
            [0x4A, 0x05, 0x61], [0x4A, 0x01, 0xFF], [0x0B], [0x07], [0x00], [0x18, 0xFF], [0x09, 0, 0],
            [0x18, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02], [0x52, 0x7F],
            [0xF8, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0],
        ] as [[UInt8]])
    func `refuses bytes that are no message`(bytes: [UInt8]) {
        #expect(throws: ProtoError.self) { try Proto.Everything(decoding: bytes) }
    }

    @Test func `bounds the elements that few bytes can make`() {
        let bytes = [UInt8](repeating: 0, count: 0)
        var writer = ProtoWriter(appendingTo: bytes)
        for _ in 0..<101 { writer.always(ProtoString.self, 22, "") }
        #expect(throws: ProtoError.self) {
            try Proto.Everything(decoding: writer.bytes, limits: ProtoLimits(elementsMax: 100))
        }
        #expect((try? Proto.Everything(decoding: writer.bytes, limits: ProtoLimits(elementsMax: 101))) != nil)
    }

    @Test func `survives any cut and any change of a message`() throws {
        var random = SplitMix64(seed: 31)
        for vector in try Self.vectors() {
            for cut in 0..<vector.bytes.count { _ = try? Proto.Everything(decoding: Array(vector.bytes.prefix(cut))) }
            for _ in 0..<300 where !vector.bytes.isEmpty {
                var changed = vector.bytes
                changed[.random(in: 0..<changed.count, using: &random)] = .random(in: 0...255, using: &random)
                if let message = try? Proto.Everything(decoding: changed) {
                    #expect(try Proto.Everything(decoding: message.encoded()).encoded() == message.encoded())
                }
            }
        }
    }

    @Test func `names its methods`() {
        #expect(Proto.Farm.SubmitRun.name == "Farm.SubmitRun")
        #expect(Proto.Agents.Work.streamsRequest && Proto.Agents.Work.streamsResponse)
        #expect(!Proto.Objects.Get.streamsRequest && Proto.Objects.Get.streamsResponse)
    }

    static let root = folder.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    static let generator = root.appending(path: ".build/debug/protoc-gen-sheaf")
    static let canGenerate =
        FileManager.default.fileExists(atPath: generator.path)
        && FileManager.default.fileExists(atPath: "/usr/bin/protoc")

    /// What is committed is what the generator writes.
    @Test(
        .enabled(if: canGenerate),
        arguments: [
            ("proto", "sheaf", "Sources/Wire/Generated/sheaf.pb.swift", ""),
            ("Tests/WireTests/Golden", "golden", "Tests/WireTests/Golden/golden.pb.swift", "import=Wire"),
        ])
    func `is generated from the proto files`(folder: String, name: String, committed: String, option: String) throws {
        let out = FileManager.default.temporaryDirectory.appending(path: "sheaf-proto-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: out, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: out) }
        let protoc = Process()
        protoc.executableURL = URL(filePath: "/usr/bin/protoc")
        protoc.arguments = [
            "--plugin=protoc-gen-sheaf=\(Self.generator.path)",
            "--proto_path=\(Self.root.appending(path: folder).path)",
            "--sheaf_opt=\(option)", "--sheaf_out=\(out.path)", "\(name).proto",
        ]
        try protoc.run()
        protoc.waitUntilExit()
        #expect(protoc.terminationStatus == 0)
        let made = try String(contentsOf: out.appending(path: "\(name).pb.swift"), encoding: .utf8)
        let kept = try String(contentsOf: Self.root.appending(path: committed), encoding: .utf8)
        #expect(made == kept, "run make proto")
    }
}
