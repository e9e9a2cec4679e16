import JSON
import Model

/// What an engine says about a container.
enum ContainerFacts {
    /// A list of texts in JSON; none where it is anything else.
    static func variables(_ json: String) -> [String] {
        guard let value = try? JSONParser.value(json), let items = value.array else { return [] }
        return items.compactMap(\.string)
    }
}
