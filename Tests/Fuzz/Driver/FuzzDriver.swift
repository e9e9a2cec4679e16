import Glibc

/// `sheaf-fuzz TARGET [libFuzzer's arguments]`: built by `make fuzz` alone.
@main
enum FuzzDriver {
    /// Set before the fuzzer starts, and never again: its threads are its own.
    nonisolated(unsafe) private static var target = FuzzTarget.json

    static func main() {
        let words = CommandLine.arguments
        guard words.count > 1, let chosen = FuzzTarget(rawValue: words[1]) else {
            print(FuzzTarget.allCases.map(\.rawValue).joined(separator: " "))
            return
        }
        target = chosen
        // libFuzzer sees its own name and what comes after ours.
        var count = CommandLine.argc - 1
        let arguments = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: Int(count) + 1)
        arguments[0] = CommandLine.unsafeArgv[0]
        for index in 1...Int(count) { arguments[index] = CommandLine.unsafeArgv[index + 1] }
        var start = arguments
        let status = runDriver(&count, &start) { bytes, size in
            do {
                try FuzzDriver.target.run(Array(UnsafeBufferPointer(start: bytes, count: size)))
            } catch {
                fatalError("\(error)")
            }
            return 0
        }
        exit(status)
    }
}

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt
