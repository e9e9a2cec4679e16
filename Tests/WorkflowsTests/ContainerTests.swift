import Model
import Testing

@testable import Workflows

@Suite struct `A job that runs in a container` {
    private static func read(
        _ job: String, matrix: String = "", steps: String = "[{run: x}]"
    ) -> (workflow: Workflow?, diagnostics: [Diagnostic]) {
        let text = """
            on: push
            jobs:
              a:
                runs-on: x
                timeout-minutes: 5\(matrix)
                \(job)
                steps: \(steps)
            """
        return Workflow.read(Array(text.utf8), file: "w.yml")
    }

    private static func job(_ job: String, matrix: String = "") throws -> PlannedJob {
        let (workflow, diagnostics) = read(job, matrix: matrix)
        #expect(diagnostics.isEmpty, "\(diagnostics)")
        return try #require(workflow).plan(PlanRequest()).jobs[0]
    }

    @Test func `has it in its plan, by name or whole, and needs an agent that starts some`() throws {
        let plain = try Self.job("container: python:3.12")
        #expect(plain.work.container == JobContainer(image: "python:3.12"))
        #expect(plain.cells?.map(\.labels) == [["x", "containers"]])
        let whole = try Self.job(
            "container: {image: 'a/b@sha256:12', env: {A: 1}, volumes: ['./d:/d:ro', '${{ github.workspace }}/e:/e'], options: --init -u 7}"
        )
        #expect(
            whole.work.container
                == JobContainer(
                    image: "a/b@sha256:12", environment: [Template("A", "1")],
                    volumes: ["./d:/d:ro", "${{ github.workspace }}/e:/e"], options: "--init -u 7"))
    }

    @Test func `has one for those cells alone whose image is something`() throws {
        let matrix = "\n    strategy: {matrix: {image: ['', 'alpine:3']}}"
        let job = try Self.job("container: ${{ matrix.image }}", matrix: matrix)
        #expect(job.work.container?.image == "${{ matrix.image }}")
        #expect(job.cells?.map(\.labels) == [["x"], ["x", "containers"]])
    }

    @Test(arguments: [
        (
            "container: {image: a, credentials: {username: u, password: p}}", "w.yml:6:27",
            "'credentials' in 'container'"
        ),
        ("container: {image: a, options: --privileged}", "w.yml:6:36", "'--privileged' is not allowed here"),
        ("container: {image: a, options: --network host}", "w.yml:6:36", "'--network' is not allowed here"),
        ("container: {image: a, volumes: ['/:/host']}", "w.yml:6:37", "outside of the workspace"),
        ("container: {image: a, volumes: [db:/var/db]}", "w.yml:6:37", "outlives the job"),
        ("container: {image: a, volumes: '${{ fromJSON(vars.v) }}'}", "w.yml:6:36", "one expression"),
        ("services: {db: {image: postgres}}", "w.yml:6:5", "'services'"),
    ])
    func `asks for nothing that reaches beyond it`(job: String, place: String, problem: String) {
        let (workflow, diagnostics) = Self.read(job)
        #expect(workflow != nil, "it is no mistake: elsewhere it runs")
        #expect(
            diagnostics.contains {
                $0.severity == .unsupported && "\($0.position)" == place && $0.problem.contains(problem)
            }, "\(diagnostics)")
    }

    @Test func `has the image's Python, and no environment of the agent's`() {
        let steps = "[{uses: actions/setup-python@v5, with: {python-version: '3.12'}}]"
        let (_, diagnostics) = Self.read("container: a", steps: steps)
        #expect(diagnostics.map(\.problem) == ["not supported yet: setup-python in a container"], "\(diagnostics)")
    }

    @Test func `is told what makes no difference`() {
        let (_, diagnostics) = Self.read("container: {image: a, ports: [80], options: --gpus all --cpus 2}")
        #expect(diagnostics.map(\.rule) == [.idle, .idle, .idle], "\(diagnostics)")
        #expect(diagnostics.contains { $0.suggestion?.contains("resources: {gpus: 1}") == true })
    }

    @Test func `needs no Node on the agent for actions that are programs for it`() throws {
        let text = """
            on: push
            jobs:
              a: {runs-on: x, timeout-minutes: 5, container: node:22, steps: [{uses: ./n}]}
            """
        let files = WorkflowFiles(isWhole: true) {
            $0 == "./n/action.yml" ? Array("runs: {using: node20, main: m.js}".utf8) : nil
        }
        let workflow = try #require(Workflow.read(Array(text.utf8), file: "w.yml", files: files).workflow)
        #expect(try workflow.plan(PlanRequest()).jobs[0].cells?.map(\.labels) == [["x", "containers"]])
    }
}
