/// An action of the code tree or of another repository, as its `action.yml` says: read when the run is planned.
package struct LocalAction: Equatable, Sendable {
    package struct Input: Equatable, Sendable {
        package var name: String
        /// A template.
        package var fallback: String?
        package var isRequired: Bool

        package init(name: String, fallback: String? = nil, isRequired: Bool = false) {
            self.name = name
            self.fallback = fallback
            self.isRequired = isRequired
        }
    }

    package enum Body: Equatable, Sendable {
        case steps([Step], outputs: [Template])
        case node(NodeProgram)
    }

    /// A program for Node.js; paths below the action's folder.
    package struct NodeProgram: Equatable, Sendable {
        package var main: String
        /// Runs after the job's steps.
        package var post: String?
        /// The text of `post-if`; `nil` is `always()`.
        package var postCondition: String?

        package init(main: String, post: String? = nil, postCondition: String? = nil) {
            self.main = main
            self.post = post
            self.postCondition = postCondition
        }
    }

    /// Its folder in the tree, without `./`; empty for the top.
    package var path: String
    package var inputs: [Input]
    package var body: Body
    /// The repository that it comes from; `nil` for one of the code tree.
    package var source: ActionSource?

    package init(path: String, inputs: [Input] = [], body: Body, source: ActionSource? = nil) {
        self.path = path
        self.inputs = inputs
        self.body = body
        self.source = source
    }

    /// As `uses` names it.
    package var reference: String {
        guard let source else { return "./" + path }
        return source.repository + (path.isEmpty ? "" : "/" + path) + "@" + source.commit
    }
}
