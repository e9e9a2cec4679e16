import Artifacts
import Delivery
import Glibc
import HTTP
import JSON
import Model
import Transport

extension Commands {
    static let deliver = Command(
        name: "deliver", summary: "tell GitHub or GitLab what a run came to",
        discussion: """
            A commit status, at GitHub a check run, and one comment that is kept up to date. What cannot be delivered is said,
            with what it needs; the run's verdict stays what it is. A run of uncommitted changes is no commit's result, and is
            refused. Exit code 0 when all of it was delivered, else 3.

              sheaf deliver r17 --to github --repository owner/name --request 12 --token-file token
              sheaf deliver r17 --to gitlab --repository group/name --request 12 --token-file token
            """,
        operands: [.init(name: "RUN", help: "r17")],
        options: [
            .value("to", "HOST", "github or gitlab"), .value("repository", "NAME", "owner/name"),
            .value("request", "NUMBER", "the pull or merge request that gets the comment"),
            .value("token-file", "FILE", "the token, alone in a file that only you can read"),
            .value("api", "URL", "another server than github.com or gitlab.com"),
            .value("link", "URL", "where more can be seen"),
            .value("authorities", "FILE", "certificates in PEM that the server's ends in, beside the system's"),
        ] + Farming.options,
        run: { arguments in
            let host = try arguments.choice("to", of: DeliveryTarget.Host.allCases.map(\.rawValue))
            guard let host = DeliveryTarget.Host(rawValue: host) else { return .usage }
            let api = arguments.value("api").map { $0.hasSuffix("/") ? String($0.dropLast()) : $0 }
            if let api, !DeliveryTarget.isSafe(api: api) {
                throw UsageError("--api \(api) would send the token in the clear", help: "https://…")
            }
            let target = DeliveryTarget(
                host, api: api, repository: try arguments.required("repository"),
                request: try arguments.number("request", in: 1...Int(Int32.max)))
            let token = try token(try arguments.required("token-file"))
            let report = try await deliveredReport(arguments)
            var client = HTTPClient()
            client.authorities = arguments.value("authorities")
            let outcome = await perform(Delivery(report, to: target, token: token), by: client)
            for problem in outcome.problems { Terminal.complain("warning: \(problem)") }
            if !outcome.delivered.isEmpty {
                Terminal.print("delivered: \(outcome.delivered.map(\.rawValue).joined(separator: ", "))")
            }
            return outcome.problems.isEmpty ? .passed : .farm
        })

    /// A token, alone in its file. A file that others can read holds no secret.
    private static func token(_ path: String) throws -> String {
        var facts = stat()
        guard stat(path, &facts) == 0 else {
            throw CommandFailure("\(path): \(String(cString: strerror(errno)))", exitCode: .usage)
        }
        guard facts.st_mode & 0o077 == 0 else {
            throw CommandFailure("\(path) can be read by others", help: "chmod 600 \(path)", exitCode: .usage)
        }
        let text = String(decoding: try Files.read(path, bytesMax: 64 << 10), as: UTF8.self)
        let words = text.split { $0 == "\n" || $0 == "\r" || $0 == " " || $0 == "\t" }
        guard words.count == 1, let token = words.first, token.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw CommandFailure("\(path) holds no token, or more than one word", exitCode: .usage)
        }
        return String(token)
    }

    private static func deliveredReport(_ arguments: Arguments) async throws -> DeliveredReport {
        var (markdown, json): ([UInt8], [UInt8]) = ([], [])
        try await rendered(arguments, "markdown") { markdown += $0 }
        try await rendered(arguments, "json") { json += $0 }
        let value: Value
        do throws(JSONError) { value = try JSONParser.value(json) } catch {
            throw CommandFailure("the report cannot be read: \(error)", exitCode: .farm)
        }
        let text = { (name: String) in value[name]?.string ?? "" }
        guard let run = RunID(text("run")) else {
            throw CommandFailure("the report names no run", exitCode: .farm)
        }
        guard value["provenance"]?["dirty"]?.boolean != true else {
            throw CommandFailure(DeliveredReport.refusal(ofDirty: text("commit")), exitCode: .usage)
        }
        var delivered = DeliveredReport(
            run: run, farm: try Farming.farm(arguments), workflow: text("workflow"), commit: text("commit"),
            verdict: Verdict(rawValue: text("verdict")), summary: text("summary"),
            markdown: String(decoding: markdown, as: UTF8.self), link: arguments.value("link") ?? "")
        delivered.isCancelled = value["cancelled"]?.boolean ?? false
        return delivered
    }

    /// Does what a delivery says, until nothing is left.
    static func perform(_ delivery: Delivery, by client: HTTPClient) async -> Delivery {
        var delivery = delivery
        while true {
            switch delivery.next(at: .wallClock()) {
            case .finished: return delivery
            case .wait(let until):
                // A stop ends the program.
                try? await Task.sleep(for: max(.milliseconds(1), Instant.wallClock().duration(to: until)))
            case .send(let request):
                let answer = await DiskThreads.shared.run { client.send(request) }
                delivery.take(answer, at: .wallClock())
            }
        }
    }
}
