/// Every command of the binary, in the order that help lists them.
enum Commands {
    static let groups: [CommandGroup] = [
        CommandGroup(title: "Write a workflow", commands: [plan, lint, expr]),
        CommandGroup(title: "Read the answer", commands: [judge]),
        CommandGroup(title: "Run the farm", commands: [coordinator]),
    ]
}
