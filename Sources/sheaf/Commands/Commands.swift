/// Every command of the binary, in the order that help lists them.
enum Commands {
    static let groups: [CommandGroup] = [
        CommandGroup(title: "Write a workflow", commands: [plan, lint, expr]),
        CommandGroup(title: "Run it", commands: [run, submit, watch, status, logs, cancel, rerun, explain]),
        CommandGroup(
            title: "Read the answer",
            commands: [
                report, compare, deliver, export, judge, waive, artifactsList, artifactsGet, artifactsVerify,
                baselineSet, baselineShow, baselineRun,
            ]),
        CommandGroup(
            title: "Look after the farm",
            commands: [
                enrol, agents, agentsDrain, agentsUndrain, agentsMove, agentsRemove, pools, poolsSet, tokenCreate,
                revoke, doctor,
                bench, backup, restore, coordinator, simulate, agent, completions,
            ]),
    ]
}
