import Model

/// The files through which one step speaks to later ones.
struct CommandFiles {
    enum Kind: String, CaseIterable {
        case env = "GITHUB_ENV", output = "GITHUB_OUTPUT", path = "GITHUB_PATH", state = "GITHUB_STATE", summary =
            "GITHUB_STEP_SUMMARY"
    }

    static let summaryBytesMax = 1 << 20

    struct Broken: Error {
        var problem: String
    }

    private let prefix: String

    init(in folder: AttemptFolder, number: Int) throws(AgentError) {
        prefix = folder.files + "/step-\(number)-"
        for kind in Kind.allCases { try folder.write([], to: path(kind)) }
    }

    private func path(_ kind: Kind) -> String { prefix + kind.rawValue.lowercased() }

    var variables: [CommandFile.Entry] { Kind.allCases.map { CommandFile.Entry(name: $0.rawValue, value: path($0)) } }

    func entries(_ kind: Kind) throws -> [CommandFile.Entry] {
        let bytes = try read(kind, bytesMax: Limits.commandFileBytesMax)
        do throws(CommandFile.Mistake) { return try CommandFile.entries(bytes) } catch {
            throw Broken(problem: "\(kind.rawValue), line \(error.line): \(error.problem)")
        }
    }

    func paths() throws -> [String] { CommandFile.paths(try read(.path, bytesMax: Limits.commandFileBytesMax)) }

    func summary() throws -> [UInt8] { try read(.summary, bytesMax: 16 << 20) }

    private func read(_ kind: Kind, bytesMax: Int) throws -> [UInt8] {
        // The step may have removed it, or put something else there: links are not followed.
        guard Files.exists(path(kind)) else { return [] }
        do throws(AgentError) { return try Files.read(path(kind), bytesMax: bytesMax, followingLinks: false) } catch {
            throw Broken(problem: "\(kind.rawValue) cannot be read: \(error)")
        }
    }
}
