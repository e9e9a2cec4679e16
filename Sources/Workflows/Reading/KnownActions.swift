import Expressions
import Model

/// The actions that agents have, with what they take and what they give.
struct KnownAction {
    var inputs: [WorkflowReader.Key]
    var outputs: [String]
    /// The oldest major version that means what agents do.
    var oldest = 4

    private typealias Key = WorkflowReader.Key

    static let all: [String: KnownAction] = [
        "actions/checkout": KnownAction(
            inputs: [
                Key("path"), Key("clean"), Key("fetch-depth"), Key("persist-credentials"), Key("ref"),
                Key("repository"),
                Key("submodules"), Key("lfs"), fetching("token"), fetching("ssh-key"), fetching("ssh-known-hosts"),
                fetching("ssh-strict"), fetching("ssh-user"), fetching("filter"), Key("sparse-checkout", .unsupported),
                Key("sparse-checkout-cone-mode", .unsupported),
                Key("fetch-tags"), Key("show-progress"), Key("set-safe-directory"), fetching("github-server-url"),
            ], outputs: ["ref", "commit"]),
        "actions/setup-python": KnownAction(
            inputs: [
                Key("python-version"), Key("architecture", .idle, help: "an agent has Pythons of its own architecture"),
                Key("update-environment", .idle, help: "the Python is first on PATH in every case"),
                Key("check-latest", .idle, help: "the newest that the agent has is used; nothing is fetched"),
                Key("cache"), Key("cache-dependency-path"),
                Key("python-version-file", .unsupported), Key("token", .idle, help: "nothing is fetched"),
                Key("allow-prereleases", .idle, help: "what the agent has counts; 3.14-dev names prereleases"),
                Key("freethreaded", .unsupported), Key("pip-version", .unsupported), Key("pip-install", .unsupported),
            ], outputs: ["python-version", "cache-hit", "python-path"], oldest: 5),
        "actions/upload-artifact": KnownAction(
            inputs: [
                Key("name"), Key("path"), Key("if-no-files-found"),
                Key("retention-days"),
                Key("compression-level", .idle, help: "artifacts are compressed by zstd"),
                Key("overwrite"), Key("include-hidden-files"), Key("archive", .unsupported),
            ], outputs: ["artifact-id", "artifact-digest"]),
        "actions/download-artifact": KnownAction(
            inputs: [
                Key("name"), Key("path"), Key("pattern"), Key("merge-multiple"), Key("artifact-ids", .unsupported),
                Key("github-token", .idle, help: "artifacts come from this run"), Key("repository", .unsupported),
                Key("run-id", .unsupported),
                Key("skip-decompress", .unsupported),
                Key("digest-mismatch", .idle, help: "what is not what its digest says is never unpacked"),
            ], outputs: ["download-path"]),
        "actions/cache": KnownAction(
            inputs: [
                Key("path"), Key("key"), Key("restore-keys"), Key("upload-chunk-size", .idle),
                Key("enableCrossOsArchive", .idle),
                Key("fail-on-cache-miss"), Key("lookup-only"), Key("save-always", .unsupported),
            ], outputs: ["cache-hit"]),
        "actions/cache/restore": KnownAction(
            inputs: [
                Key("path"), Key("key"), Key("restore-keys"), Key("enableCrossOsArchive", .idle),
                Key("fail-on-cache-miss"),
                Key("lookup-only"),
            ], outputs: ["cache-hit", "cache-primary-key", "cache-matched-key"]),
        "actions/cache/save": KnownAction(
            inputs: [Key("path"), Key("key"), Key("upload-chunk-size", .idle), Key("enableCrossOsArchive", .idle)],
            outputs: []),
    ]

    /// Says how GitHub's agents fetch what here was packed where the run was submitted.
    private static func fetching(_ name: String) -> Key {
        Key(name, .idle, help: "the code comes from where the run is submitted: nobody signs in for it here")
    }

    static var honoured: [String] { all.keys.sorted() }

    /// The one that somebody meant who wrote this name: owner and repository are both near, for setup-node is no slip of
    /// setup-python.
    static func meant(by name: String) -> String? {
        guard let near = Spelling.nearest(to: name, among: honoured),
            let written = name.split(separator: "/").last, let meant = near.split(separator: "/").last,
            Spelling.nearest(to: String(written), among: [String(meant)]) != nil
        else { return nil }
        return near
    }
}
