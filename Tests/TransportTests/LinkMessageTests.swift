import Testing
import Wire

@testable import Transport

@Suite struct `Messages over a link` {
    private func serve(_ farm: TestFarm) async throws -> LinkServer {
        try await farm.serve { stream, method, _ in
            switch method {
            case Proto.Objects.Missing.name:
                await stream.answer(Proto.Objects.Missing.self) { request throws(LinkStatus) in
                    guard request.digests.count <= 2 else { throw LinkStatus(.invalid, "at most 2 digests") }
                    var response = Proto.MissingResponse()
                    response.digests = request.digests.reversed()
                    return response
                }
            case Proto.Objects.Get.name:
                // A question, then any number of answers.
                do throws(LinkError) {
                    guard let request = try await stream.receive(Proto.GetRequest.self) else { return }
                    for byte in request.digest {
                        var part = Proto.Bytes()
                        part.bytes = [byte]
                        try await stream.send(part)
                    }
                    await stream.finish()
                } catch {
                    await stream.finish(LinkStatus(.internal, "\(error)"))
                }
            default: await stream.finish(LinkStatus(.unimplemented, method))
            }
        }
    }

    @Test func `are asked and answered by method`() async throws {
        let farm = try TestFarm()
        let server = try await serve(farm)
        let link = try await farm.connect(to: server)
        var request = Proto.MissingRequest()
        request.digests = [[1], [2]]
        let response = try await link.call(Proto.Objects.Missing.self, request)
        #expect(response.digests == [[2], [1]])
        request.digests.append([3])
        await #expect(throws: LinkError.status(LinkStatus(.invalid, "at most 2 digests"))) {
            try await link.call(Proto.Objects.Missing.self, request)
        }
        await server.stop()
    }

    @Test func `are streamed`() async throws {
        let farm = try TestFarm()
        let server = try await serve(farm)
        let stream = try await farm.connect(to: server).open(Proto.Objects.Get.self, urgency: .bulk)
        var request = Proto.GetRequest()
        request.digest = [7, 8, 9]
        try await stream.send(request)
        await stream.finish()
        var got: [[UInt8]] = []
        while let part = try await stream.receive(Proto.Bytes.self) { got.append(part.bytes) }
        #expect(got == [[7], [8], [9]])
        await server.stop()
    }

    @Test func `that are none are refused, and the link goes on`() async throws {
        let farm = try TestFarm()
        let server = try await serve(farm)
        let link = try await farm.connect(to: server)
        await #expect {
            try await link.call(Proto.Objects.Missing.name, [0xff])
        } throws: { "\($0)".contains("this is no sheaf.v1.MissingRequest") }
        _ = try await link.call(Proto.Objects.Missing.self, Proto.MissingRequest())
        await server.stop()
    }
}
