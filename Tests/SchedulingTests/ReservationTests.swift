import Model
import Scheduling
import Testing

@Suite struct `Room for a large shard` {
    private func cell(_ id: String, cpus: Int, labels: [String] = [], timeout: Duration = .minutes(60)) -> PlannedCell {
        PlannedCell(
            id: id, name: id, labels: labels, resources: ResourceRequest(cpus: cpus), timeout: timeout)
    }

    @Test func `is kept: small ones fill the gap only as long as they end in time`() {
        var stage = Stage()
        stage.join("a", cpus: 4)
        stage.submit(1, .one(cells: [cell("running", cpus: 2, timeout: .minutes(30))]))
        stage.submit(2, .one(cells: [cell("large", cpus: 4)]))
        #expect(stage.submit(3, .one(cells: [cell("long", cpus: 1, timeout: .minutes(31))])).placed == [])
        #expect(stage.submit(4, .one(cells: [cell("short", cpus: 1, timeout: .minutes(29))])).placed == ["0@a"])
        stage.finish(shard(0, run: 4))
        #expect(stage.finish(shard(0, run: 1)).leases.map(\.attempt.run) == [RunID(2)])
        #expect(stage.finish(shard(0, run: 2)).leases.map(\.attempt.run) == [RunID(3)])
    }

    @Test func `a gap is filled by a shard of whatever kind whose record says that it ends in time`() {
        var stage = Stage()
        stage.join("a", cpus: 4)
        stage.submit(1, .one(cells: [cell("running", cpus: 2, timeout: .minutes(30))]))
        stage.submit(2, .one(cells: [cell("large", cpus: 4)]))
        var long = cell("long", cpus: 2)
        long.expected = .minutes(40)
        var short = cell("short", cpus: 1)
        short.expected = .minutes(5)
        #expect(stage.submit(3, .one(cells: [long])).placed == [])
        #expect(stage.submit(4, .one(cells: [short])).placed == ["0@a"])
    }

    @Test func `a gap is filled by the longest of a job that ends in time, past longer ones`() {
        var stage = Stage()
        stage.join("a", cpus: 4)
        stage.submit(1, .one(cells: [cell("running", cpus: 3, timeout: .minutes(30))]))
        stage.submit(2, .one(cells: [cell("large", cpus: 4)]))
        let cells = [50, 10, 20, 40].enumerated().map { index, minutes in
            var cell = cell("c\(index)", cpus: 1)
            cell.expected = .minutes(Int64(minutes))
            return cell
        }
        let leases = stage.submit(3, .one(cells: cells)).leases
        #expect(leases.map(\.attempt.shard.cell.cell) == [2])
        stage.pass(.seconds(1))
        #expect(stage.finish(shard(0, cell: 2, run: 3)).leases.map(\.attempt.shard.cell.cell) == [1])
    }

    @Test func `is given back when its run is cancelled`() {
        var stage = Stage()
        stage.join("a", cpus: 4)
        stage.submit(1, .one(cells: [cell("running", cpus: 2, timeout: .minutes(30))]))
        stage.submit(2, .one(cells: [cell("large", cpus: 4)]))
        stage.submit(3, .one(cells: [cell("long", cpus: 1)]))
        #expect(stage(.runCancelled(RunID(2), by: "ada", reason: "")).placed == ["0@a"])
    }

    @Test func `is not kept for what may not start: max-parallel was reached in the same call`() {
        var stage = Stage()
        stage.join("big", cpus: 4, labels: ["big"])
        stage.join("other", cpus: 1, labels: ["other"])
        stage.submit(1, .one(cells: [cell("running", cpus: 2, labels: ["big"], timeout: .minutes(30))]))
        let cells = [
            cell("first", cpus: 2, labels: ["big"]), cell("large", cpus: 4, labels: ["big"]),
            cell("elsewhere", cpus: 1, labels: ["other"]),
        ]
        stage.submit(2, .one(cells: cells, maxParallel: 1))
        #expect(stage.submit(3, .one(cells: [cell("long", cpus: 1, labels: ["big"])])).placed == [])
        // The large cell is first and finds no room; the next one of its job does, and is as many as may run.
        let leases = stage.finish(shard(0, run: 2)).leases
        #expect(leases.map(\.attempt.shard) == [shard(0, cell: 2, run: 2), shard(0, run: 3)])
    }
}
