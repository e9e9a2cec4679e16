/// Writes the Swift of one `.proto` file.
struct SwiftSource {
    private let file: FileDescriptor
    private var text = ""
    private var indent = 0

    static func text(of file: FileDescriptor, importing: String?) throws(GeneratorError) -> String {
        var source = SwiftSource(file: file)
        source.line("// swift-format-ignore-file")
        source.line("// Written by protoc-gen-sheaf from \(file.name): run `make proto`, do not edit.")
        if let importing { source.line("package import \(importing)") }
        for declaration in file.enums { source.inProto { $0.write(declaration) } }
        for message in file.messages { try source.message(message) }
        for service in file.services { source.inProto { $0.write(service) } }
        return source.text
    }

    private init(file: FileDescriptor) { self.file = file }

    private mutating func message(_ message: MessageDescriptor) throws(GeneratorError) {
        line("")
        line("extension Proto {")
        indent += 1
        try write(message, scope: ".\(file.package)")
        indent -= 1
        line("}")
    }

    private mutating func inProto(_ body: (inout Self) -> Void) {
        line("")
        line("extension Proto {")
        indent += 1
        body(&self)
        indent -= 1
        line("}")
    }

    // MARK: messages

    private mutating func write(_ message: MessageDescriptor, scope: String) throws(GeneratorError) {
        let name = "\(scope).\(message.name)"
        let fields = try message.fields.map { field throws(GeneratorError) in
            try Field(field, of: message, scope: name, package: file.package)
        }
        comment(message.comment)
        line("package struct \(message.name): ProtoMessage {")
        indent += 1
        line("package static let protoName = \"\(name.dropFirst())\"")
        for (index, oneof) in message.oneofs.enumerated() {
            let members = fields.filter { $0.descriptor.oneof == index }
            guard !members.isEmpty else { continue }
            line("")
            line("package enum \(SwiftNames.type(oneof)): Sendable, Equatable {")
            indent += 1
            for member in members {
                comment(member.descriptor.comment)
                line("case \(member.name)(\(member.type))")
            }
            indent -= 1
            line("}")
        }
        for declaration in message.enums { write(declaration) }
        for nested in message.messages where !nested.isMapEntry { try write(nested, scope: name) }
        line("")
        properties(fields, of: message)
        line("package var unknown = UnknownFields()")
        line("")
        line("package init() {}")
        decoder(fields, of: message)
        encoder(fields, of: message)
        indent -= 1
        line("}")
    }

    private mutating func properties(_ fields: [Field], of message: MessageDescriptor) {
        var written: Set<Int> = []
        for field in fields {
            if let oneof = field.descriptor.oneof {
                guard written.insert(oneof).inserted else { continue }
                line(
                    "package var \(SwiftNames.member(message.oneofs[oneof])): \(SwiftNames.type(message.oneofs[oneof]))?"
                )
            } else {
                comment(field.descriptor.comment)
                line("package var \(field.name): \(field.declaration)")
            }
        }
    }

    private mutating func decoder(_ fields: [Field], of message: MessageDescriptor) {
        line("")
        line("package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {")
        indent += 1
        line("while let tag = try reader.nextTag() {")
        indent += 1
        line("switch tag {")
        for field in fields {
            for arm in field.decoding(oneofs: message.oneofs) { line("case \(arm.tag): \(arm.statement)") }
        }
        line("default: try reader.keep(tag, in: &unknown)")
        line("}")
        indent -= 1
        line("}")
        indent -= 1
        line("}")
    }

    private mutating func encoder(_ fields: [Field], of message: MessageDescriptor) {
        line("")
        line("package func encode(to writer: inout ProtoWriter) {")
        indent += 1
        for field in fields.sorted(by: { $0.descriptor.number < $1.descriptor.number }) {
            line(field.encoding(oneofs: message.oneofs))
        }
        line("writer.unknown(unknown)")
        indent -= 1
        line("}")
    }

    // MARK: enumerations and services

    private mutating func write(_ declaration: EnumDescriptor) {
        comment(declaration.comment)
        line("package struct \(declaration.name): ProtoEnum {")
        indent += 1
        line("package let number: Int32")
        line("package init(number: Int32) { self.number = number }")
        for value in declaration.values {
            comment(value.comment)
            let name = SwiftNames.value(value.name, of: declaration.name)
            line("package static let \(name) = Self(number: \(value.number))")
        }
        indent -= 1
        line("}")
    }

    private mutating func write(_ service: ServiceDescriptor) {
        comment(service.comment)
        line("package enum \(service.name) {")
        indent += 1
        for method in service.methods {
            comment(method.comment)
            line("package enum \(method.name): ProtoMethod {")
            indent += 1
            line("package typealias Request = \(SwiftNames.qualified(method.request, package: file.package))")
            line("package typealias Response = \(SwiftNames.qualified(method.response, package: file.package))")
            line("package static let name = \"\(service.name).\(method.name)\"")
            line("package static let streamsRequest = \(method.streamsRequest)")
            line("package static let streamsResponse = \(method.streamsResponse)")
            indent -= 1
            line("}")
        }
        indent -= 1
        line("}")
    }

    // MARK: lines

    private mutating func line(_ content: String) {
        text += content.isEmpty ? "\n" : String(repeating: "    ", count: indent) + content + "\n"
    }

    private mutating func comment(_ comment: String) {
        let lines = comment.split(separator: "\n").filter { !$0.hasPrefix(" -----") }
        for content in lines { line("///\(content.hasPrefix(" ") ? "" : " ")\(content)") }
    }
}

struct GeneratorError: Error {
    var problem: String
}
