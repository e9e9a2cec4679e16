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
                Key("submodules"), Key("lfs"), Key("token", .unsupported), Key("ssh-key", .unsupported),
                Key("ssh-known-hosts", .unsupported),
                Key("ssh-strict", .unsupported), Key("ssh-user", .unsupported), Key("filter", .unsupported),
                Key("sparse-checkout", .unsupported), Key("sparse-checkout-cone-mode", .unsupported),
                Key("fetch-tags"), Key("show-progress"), Key("set-safe-directory"),
                Key("github-server-url", .unsupported),
            ], outputs: ["ref", "commit"]),
        "actions/setup-python": KnownAction(
            inputs: [
                Key("python-version"), Key("architecture", .idle, help: "an agent has Pythons of its own architecture"),
                Key("update-environment", .idle, help: "the Python is first on PATH in every case"),
                Key("check-latest", .idle, help: "the newest that the agent has is used; nothing is fetched"),
                Key("cache"), Key("cache-dependency-path"),
                Key("python-version-file", .unsupported), Key("token", .unsupported),
                Key("allow-prereleases", .unsupported),
                Key("freethreaded", .unsupported), Key("pip-version", .unsupported), Key("pip-install", .unsupported),
            ], outputs: ["python-version", "cache-hit", "python-path"], oldest: 5),
        "actions/upload-artifact": KnownAction(
            inputs: [
                Key("name"), Key("path"), Key("if-no-files-found"),
                Key("retention-days"),
                Key("compression-level", .idle, help: "artifacts are compressed by zstd"),
                Key("overwrite", .unsupported), Key("include-hidden-files"), Key("archive", .unsupported),
            ], outputs: ["artifact-id", "artifact-url", "artifact-digest"]),
        "actions/download-artifact": KnownAction(
            inputs: [
                Key("name"), Key("path"), Key("pattern"), Key("merge-multiple"), Key("artifact-ids", .unsupported),
                Key("github-token", .unsupported), Key("repository", .unsupported), Key("run-id", .unsupported),
                Key("skip-decompress", .unsupported), Key("digest-mismatch", .unsupported),
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
