import Expressions
import Model

extension Workflow {
    static let titleCharactersMax = 250

    /// What a run is about: `run-name`; where that is missing or comes to nothing, what the event says, as GitHub has it:
    /// the message of the commit that was pushed, the title of the pull request, the issue, the discussion. One line.
    func title(
        of request: PlanRequest, _ contexts: [Value.Member], _ mistakes: inout [Diagnostic]
    ) -> String {
        let context = EvaluationContext(values: contexts)
        let named = NodeExpressions.value(runName, in: context, Scopes.runName, &mistakes).map {
            Conversion.text(of: $0)
        }
        if let named, case let line = Self.oneLine(named), !line.isEmpty { return line }
        let event = contexts.first { $0.key == "github" }?.value["event"]
        let said: Value? =
            switch eventName(of: request) {
            case "push": event?["head_commit"]?["message"]
            case "issues", "issue_comment": event?["issue"]?["title"]
            case "discussion", "discussion_comment": event?["discussion"]?["title"]
            case "release": event?["release"]?["name"]
            case let name where name.hasPrefix("pull_request"): event?["pull_request"]?["title"]
            default: nil
            }
        return Self.oneLine(said?.string?.split(whereSeparator: \.isNewline).first.map(String.init) ?? "")
    }

    /// Without line breaks, and not too long for one.
    private static func oneLine(_ text: String) -> String {
        let line = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return line.count > titleCharactersMax ? line.prefix(titleCharactersMax - 1) + "…" : line
    }
}
