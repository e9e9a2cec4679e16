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

    @Test func `asks for an agent that holds what its registry wants`() throws {
        let one = "{image: ghcr.io/a/b, credentials: {username: ada, password: '${{ secrets.pull_key }}'}}"
        let job = try Self.job("container: \(one)")
        let credentials = JobContainer.Credentials(username: "ada", password: "${{ secrets.pull_key }}")
        #expect(job.work.container?.credentials == credentials)
        #expect(job.cells?.map(\.labels) == [["x", "containers", "secret:pull_key"]])
        let served = try Self.job("services: {db: \(one)}")
        #expect(served.work.services.map(\.container.credentials) == [credentials])
        #expect(served.cells?.first?.labels.contains("secret:pull_key") == true)
        let (_, diagnostics) = Self.read("container: {image: a, credentials: {username: u}}")
        #expect(
            diagnostics.contains { $0.problem == "'credentials' without a 'password' are refused when the job starts" })
    }

    @Test func `has one for those cells alone whose image is something`() throws {
        let matrix = "\n    strategy: {matrix: {image: ['', 'alpine:3']}}"
        let job = try Self.job("container: ${{ matrix.image }}", matrix: matrix)
        #expect(job.work.container?.image == "${{ matrix.image }}")
        #expect(job.cells?.map(\.labels) == [["x"], ["x", "containers"]])
    }

    @Test(arguments: [
        (
            "container: {image: a, credentials: '${{ fromJSON(vars.c) }}'}", "w.yml:6:40",
            "'credentials' that are one expression"
        ),
        ("container: {image: a, options: --privileged}", "w.yml:6:36", "'--privileged' is not allowed here"),
        ("container: {image: a, options: --network host}", "w.yml:6:36", "'--network' is not allowed here"),
        ("container: {image: a, volumes: ['/:/host']}", "w.yml:6:37", "outside of the workspace"),
        ("container: {image: a, volumes: [db:/var/db]}", "w.yml:6:37", "outlives the job"),
        ("container: {image: a, volumes: '${{ fromJSON(vars.v) }}'}", "w.yml:6:36", "one expression"),
        (
            "container: {image: a, options: --privileged --pid host -v /:/host --cap-add=ALL --init=maybe}",
            "w.yml:6:36",
            "options '--privileged', '--pid', '-v', '--cap-add', '--init=maybe' are not allowed here"
        ),
        ("services: {db: {image: a, options: --privileged}}", "w.yml:6:40", "'--privileged' is not allowed here"),
        ("services: {db: {image: a, volumes: [db:/var/db]}}", "w.yml:6:41", "outlives the job"),
        ("services: {db: {image: a, ports: ['10.0.0.1:80:80']}}", "w.yml:6:39", "would open a port"),
        ("services: {db: {image: a, ports: [3000-3010]}}", "w.yml:6:39", "is no port of a service"),
        ("services: ${{ fromJSON(vars.s) }}", "w.yml:6:15", "'services' that are one expression"),
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

    @Test func `has services in its plan, and needs an agent that can start them`() throws {
        let job = try Self.job(
            "services: {db: {image: 'postgres:16', env: {A: '${{ github.sha }}'}, ports: [5432, '16379:6379/tcp'], volumes: [/x], options: --health-cmd true, entrypoint: /bin/sh, command: \"-c 'x y'\"}, r: redis}"
        )
        #expect(job.cells?.map(\.labels) == [["x", "containers", "services"]])
        #expect(
            job.work.services == [
                JobService(
                    name: "db",
                    container: JobContainer(
                        image: "postgres:16", environment: [Template("A", "${{ github.sha }}")], volumes: ["/x"],
                        ports: ["5432", "16379:6379/tcp"], options: "--health-cmd true", entrypoint: "/bin/sh",
                        command: "-c 'x y'")), JobService(name: "r", container: JobContainer(image: "redis")),
            ])
    }

    @Test func `has services for those cells alone where one has an image`() throws {
        let matrix = "\n    strategy: {matrix: {db: ['', 'postgres:16']}}"
        let job = try Self.job("services: {db: {image: '${{ matrix.db }}'}, r: '${{ matrix.db }}'}", matrix: matrix)
        #expect(job.cells?.map(\.labels) == [["x"], ["x", "containers", "services"]])
    }

    @Test func `has services whose names can be names in a network`() {
        for name in ["'a b'", "-a", "é", "a.b"] {
            let (_, diagnostics) = Self.read("services: {\(name): {image: a}}")
            #expect(diagnostics.contains { $0.problem.contains("cannot be the name of a service") }, "\(name)")
        }
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
