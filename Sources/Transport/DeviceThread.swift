import CLinux
import Glibc

/// Starts a thread that no signal reaches, for what would hold up the shared pool. Nobody joins it: `body` says itself
/// when it is done.
package func startDeviceThread(named name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
    let start = unsafe Unmanaged.passRetained(ThreadStart(name: name, body: body))
    var attributes = pthread_attr_t()
    unsafe pthread_attr_init(&attributes)
    defer { unsafe pthread_attr_destroy(&attributes) }
    unsafe pthread_attr_setdetachstate(&attributes, CInt(PTHREAD_CREATE_DETACHED))
    var thread = pthread_t()
    let answer = unsafe pthread_create(
        &thread, &attributes,
        { raw in
            guard let raw = unsafe raw else { return nil }
            let start = unsafe Unmanaged<ThreadStart>.fromOpaque(raw).takeRetainedValue()
            unsafe clinux_become_device_thread(start.name)
            start.body()
            return nil
        }, start.toOpaque())
    guard answer != 0 else { return }
    unsafe start.release()
    throw SystemError(answer, during: "start the thread \(name)")
}

private final class ThreadStart: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}
