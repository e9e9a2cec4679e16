import Foundation
import Testing

/// What teams have in their repositories, with the tools that they use: fetched from PyPI, which takes minutes.
@Suite(.serialized, .enabled(if: ProcessInfo.processInfo.environment["SHEAF_DEEP"] != nil))
struct `Real tools on real code` {
    private static let workflow = """
        sheaf: 1
        name: ml
        on:
          push: {branches: [main]}
          pull_request: {branches: [main]}
        jobs:
          lint:
            runs-on: ubuntu-latest
            timeout-minutes: 10
            steps:
              - uses: actions/checkout@v4
              - uses: actions/setup-python@v5
                with: {python-version: "3.11", cache: pip}
              - run: pip install ruff && ruff check src tests
          test:
            runs-on: ubuntu-latest
            timeout-minutes: 10
            setup: &setup
              - uses: actions/setup-python@v5
                with: {python-version: "3.11"}
              - run: pip install -r requirements.txt
            steps:
              - uses: actions/checkout@v4
              - run: python -m pytest -q --junitxml=junit.xml
            metrics: [{path: junit.xml, format: junit}]
          train:
            needs: [lint, test]
            runs-on: ubuntu-latest
            timeout-minutes: 10
            setup: *setup
            steps:
              - uses: actions/checkout@v4
              - run: python -m src.train model.pkl
              - uses: actions/upload-artifact@v4
                with: {name: model, path: model.pkl, if-no-files-found: error}
          evaluate:
            needs: train
            runs-on: ubuntu-latest
            timeout-minutes: 10
            setup: *setup
            steps:
              - uses: actions/checkout@v4
              - uses: actions/download-artifact@v4
                with: {name: model}
              - run: python -m src.evaluate model.pkl
            metrics: metrics.json
          register:
            needs: evaluate
            if: github.event_name == 'push'
            needs-gates: [accuracy]
            runs-on: ubuntu-latest
            timeout-minutes: 10
            steps: [{run: echo registered}]
        gates:
          tests: {job: test, metric: failures, at-most: 0}
          accuracy: {job: evaluate, metric: accuracy, at-least: 0.95}
        """

    private static let train = """
        \"""Trains a classifier of tumours and keeps it.\"""
        import pickle
        import sys

        from sklearn.datasets import load_breast_cancer
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import train_test_split
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler


        def halves():
            data = load_breast_cancer()
            return train_test_split(data.data, data.target, test_size=0.5, random_state=0, stratify=data.target)


        def train(iterations=500):
            features, _, labels, _ = halves()
            return make_pipeline(StandardScaler(), LogisticRegression(max_iter=iterations)).fit(features, labels)


        if __name__ == "__main__":
            with open(sys.argv[1], "wb") as file:
                pickle.dump(train(), file)

        """

    private static let files = [
        ".github/workflows/ml.yml": workflow,
        "requirements.txt": "scikit-learn==1.7.2\npytest==8.4.2\n",
        ".gitignore": "__pycache__\n",
        "src/__init__.py": "",
        "src/train.py": train,
        "src/evaluate.py": """
        \"""Writes how often a kept classifier is right on the half that it has not seen.\"""
        import json
        import pickle
        import sys

        from src.train import halves

        with open(sys.argv[1], "rb") as file:
            model = pickle.load(file)
        _, features, _, labels = halves()
        with open("metrics.json", "w") as file:
            json.dump({"accuracy": float((model.predict(features) == labels).mean())}, file)

        """,
        "tests/test_train.py": """
        from src.train import train


        def test_learns():
            assert list(train().classes_) == [0, 1]

        """,
    ]

    private struct Repository {
        let machine: OwnMachine
        var code: String { machine.folder + "/code" }

        func git(_ arguments: String...) async throws {
            let done = try await Finished.run(
                "/usr/bin/git", ["-C", code, "-c", "user.name=a", "-c", "user.email=a@b"] + arguments)
            #expect(done.status == 0, "git \(arguments): \(done.error)")
        }

        func change(_ file: String, _ before: String, _ after: String) async throws {
            let url = URL(filePath: "\(code)/\(file)")
            let text = try String(contentsOf: url, encoding: .utf8)
            #expect(text.contains(before))
            try Data(text.replacingOccurrences(of: before, with: after).utf8).write(to: url)
            try await git("commit", "-qam", "change \(file)")
        }

        /// How each job ended, and each gate; then the exit code.
        func run(
            _ run: String, by event: String
        ) async throws -> (endings: [String: String], status: Int32, text: String) {
            let done = try await machine.sheaf("run", "\(code)/.github/workflows/ml.yml", "--event", event)
            #expect(done.status != 2, "\(done.error)")
            let report = try await machine.sheaf("report", run, "--format", "json")
            let value = try JSONSerialization.jsonObject(with: Data(report.output.utf8)) as? [String: Any] ?? [:]
            var endings: [String: String] = [:]
            for job in value["jobs"] as? [[String: Any]] ?? [] {
                let cells = job["cells"] as? [[String: Any]] ?? []
                let verdicts = Set(cells.compactMap { $0["verdict"] as? String })
                endings[job["job"] as? String ?? "?"] =
                    (job["ending"] as? String ?? "?") + verdicts.sorted().map { " \($0)" }.joined()
            }
            for gate in value["gates"] as? [[String: Any]] ?? [] {
                endings["gate " + (gate["gate"] as? String ?? "?")] = gate["verdict"] as? String
            }
            return (endings, done.status, done.output + done.error)
        }
    }

    @Test func `lint, test, train and evaluate what is pushed, and what asks to be merged`() async throws {
        let machine = try OwnMachine(Self.files)
        defer { machine.end() }
        let repository = Repository(machine: machine)
        try await repository.git("init", "-q", "-b", "main")
        try await repository.git("add", "-A")
        try await repository.git("commit", "-qm", "first")
        let first = try await repository.run("r1", by: "push")
        #expect(first.status == 0, "\(first.text)")
        #expect(
            first.endings == [
                "lint": "ran", "test": "ran", "train": "ran", "evaluate": "ran", "register": "ran",
                "gate jobs": "pass", "gate tests": "pass", "gate accuracy": "pass",
            ])

        try await repository.git("checkout", "-qb", "topic")
        try await repository.change("src/train.py", "iterations=500", "iterations=1")
        let worse = try await repository.run("r2", by: "pull_request")
        #expect(worse.status == 1, "\(worse.text)")
        #expect(
            worse.endings == [
                "lint": "ran", "test": "ran", "train": "ran", "evaluate": "ran", "register": "not_applicable",
                "gate jobs": "pass", "gate tests": "pass", "gate accuracy": "fail",
            ])

        try await repository.change("src/train.py", "import pickle\n", "import os\nimport pickle\n")
        let untidy = try await repository.run("r3", by: "pull_request")
        #expect(untidy.status == 1, "\(untidy.text)")
        #expect(
            untidy.endings == [
                "lint": "ran", "test": "ran", "train": "not_reached", "evaluate": "not_reached",
                "register": "not_reached",
                "gate jobs": "fail", "gate tests": "pass", "gate accuracy": "incomplete",
            ])
        #expect(untidy.text.contains("ruff check src tests' ended with exit code 1"), "\(untidy.text)")
    }

    private static let itertools = """
        sheaf: 1
        name: more-itertools
        on: push
        jobs:
          tests:
            runs-on: self-hosted
            timeout-minutes: 10
            strategy:
              fail-fast: false
              matrix: {python: [PYTHONS]}
            setup:
              - uses: actions/setup-python@v5
                with: {python-version: "${{ matrix.python }}"}
              - run: pip install pytest==8.4.2
            shards: {count: 3, items: {collect: pytest}}
            steps:
              - uses: actions/checkout@v4
              - run: xargs -d '\\n' python -m pytest -q --junitxml=junit.xml <"$SHEAF_ITEMS"
            metrics: [{path: junit.xml, format: junit}]
        gates:
          tests: {job: tests, metric: failures, at-most: 0}
          errors: {job: tests, metric: errors, at-most: 0}
        """

    /// A library's own suite, out of its source package, test by test.
    @Test func `run a library's own tests as items, over the interpreters that are here`() async throws {
        let found = try await Finished.run(RealFarm.sheaf, ["doctor", "--format", "json"])
        let here = ["3.13", "3.12", "3.11", "3.10"].filter {
            found.output.contains(" \($0).") || found.output.contains("python \($0)")
        }
        let pythons = (here.isEmpty ? ["3.11"] : Array(here.prefix(3))).map { "\"\($0)\"" }.joined(separator: ", ")
        let machine = try OwnMachine([
            ".github/workflows/tests.yml": Self.itertools.replacingOccurrences(of: "PYTHONS", with: pythons)
        ])
        defer { machine.end() }
        let repository = Repository(machine: machine)
        let script = """
            set -e
            cd "$1"
            python3 -m venv tools
            tools/bin/pip install -q pytest==8.4.2
            tools/bin/pip download -q --no-deps --no-binary more-itertools more-itertools==10.8.0
            tar xzf more_itertools-10.8.0.tar.gz --strip-components=1 -C code
            cd code
            ../tools/bin/python -m pytest -q --collect-only -p no:cacheprovider | grep ::
            """
        let fetched = try await Finished.run("/bin/bash", ["-c", script, "bash", machine.folder])
        #expect(fetched.status == 0, "\(fetched.error)")
        let tests = fetched.output.split(separator: "\n").map(String.init)
        #expect(tests.count > 500)
        try await repository.git("init", "-q", "-b", "main")
        try await repository.git("add", "-A")
        try await repository.git("commit", "-qm", "as published")

        let run = try await machine.sheaf("run", repository.code + "/.github/workflows/tests.yml", "--event", "push")
        #expect(run.status == 0, "\(run.output)\(run.error)")
        var items: [String: [String]] = [:]
        for line in try await machine.sheaf("export", "r1").output.split(separator: "\n") {
            let record = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            guard let cell = record?["cell_id"] as? String, let own = record?["items"] as? [[String: Any]] else {
                continue
            }
            items[cell, default: []] += own.compactMap { $0["id"] as? String }
        }
        #expect(items.count == max(1, min(3, here.count)))
        for (cell, items) in items { #expect(items.sorted() == tests.sorted(), "\(cell)") }
    }
}
