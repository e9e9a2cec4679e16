/// Every command of the binary, in the order that help lists them.
enum Commands {
    static let groups: [CommandGroup] = []
}
