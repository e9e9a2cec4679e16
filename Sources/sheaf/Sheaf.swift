import Glibc
import Model

@main
enum Sheaf {
    static func main() async {
        // A peer or a pipe that goes away is an error of that write, not the end of the program.
        signal(SIGPIPE, SIG_IGN)
        // What serves says what it does in passing; it goes on, and ends well, although a line of that was lost.
        let serves = ["coordinator", "agent"].contains(CommandLine.arguments.dropFirst().first ?? "")
        if serves { Terminal.serve() }
        let code = await run(Array(CommandLine.arguments.dropFirst()))
        await LocalState.stop()
        Terminal.end((serves ? code : Terminal.outcome(of: code)).rawValue)
    }

    private static func run(_ words: [String]) async -> ExitCode {
        do {
            return try await dispatch(words)
        } catch let error as CommandFailure {
            Terminal.complain("\(error)")
            return error.exitCode
        } catch let error as UsageError {
            Terminal.complain("\(error)")
            return .usage
        } catch {
            Terminal.complain("error: \(error)")
            return .farm
        }
    }

    private static func dispatch(_ words: [String]) async throws -> ExitCode {
        let groups = Commands.groups
        guard let first = words.first else {
            Terminal.print(Help.overview(groups))
            return .usage
        }
        switch first {
        case "help", "--help", "-h": return try help(Array(words.dropFirst()), groups)
        case "--version", "version":
            Terminal.print(Help.version)
            return .passed
        default: break
        }
        if words.count == 2, ["--help", "-h"].contains(words[1]), Self.isFamily(first, groups) {
            return try help([first], groups)
        }
        let (command, rest) = try find(words, in: groups)
        if rest.contains("--help") || rest.contains("-h") {
            Terminal.print(Help.page(command))
            return .passed
        }
        return try await command.run(Arguments(rest, for: command))
    }

    private static func help(_ words: [String], _ groups: [CommandGroup]) throws -> ExitCode {
        guard let word = words.first, word != "help" else {
            Terminal.print(Help.overview(groups))
            return .passed
        }
        let isFamily = words.count == 1 && Self.isFamily(word, groups)
        let family = groups.flatMap(\.commands).filter { $0.name.hasPrefix(word + " ") }
        Terminal.print(
            isFamily ? Help.list(family) : Help.page(try find(words, in: groups).command))
        return .passed
    }

    /// Whether a word begins commands of two words, and is none itself.
    private static func isFamily(_ word: String, _ groups: [CommandGroup]) -> Bool {
        let names = groups.flatMap(\.commands).map(\.name)
        return names.contains { $0.hasPrefix(word + " ") } && !names.contains(word)
    }

    /// The command that the first word, or the first two, name.
    private static func find(_ words: [String], in groups: [CommandGroup]) throws -> (command: Command, rest: [String])
    {
        let commands = groups.flatMap(\.commands)
        for count in [2, 1] where words.count >= count {
            let name = words[..<count].joined(separator: " ")
            if let command = commands.first(where: { $0.name == name }) { return (command, Array(words[count...])) }
        }
        let family = commands.filter { $0.name.hasPrefix(words[0] + " ") }
        guard family.isEmpty else {
            throw UsageError(
                "sheaf \(words[0]) needs one more word",
                help: "give one of " + family.map { "sheaf \($0.name)" }.joined(separator: ", "))
        }
        let firsts = commands.map { String($0.name.prefix { $0 != " " }) }
        let near = Spelling.nearest(to: words[0], among: firsts)
        throw UsageError(
            "sheaf has no command '\(words[0])'", help: near.map { "did you mean '\($0)'?" } ?? "see sheaf help")
    }
}
