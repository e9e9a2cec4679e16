import CZstd

/// Compression for transfer and rest: zstd at level 1, and only where it pays.
enum Zstd {
    /// zstd's fastest regular level: four times gzip's speed at gzip's ratio (docs/performance.md).
    static let level: CInt = 1
    /// The first bytes of an object, by which we guess the rest.
    static let probeBytes = 64 << 10
    /// Saving less than a sixteenth is not worth the time of decompressing.
    static func pays(_ compressed: Int, for raw: Int) -> Bool { compressed <= raw - raw / 16 && compressed < raw }
    /// A frame may ask for at most 8 MiB of window: 2^23.
    static let windowLogMax: CInt = 23

    /// One frame that states its size; `nil` where compression does not pay.
    static func compressed(_ raw: [UInt8]) -> [UInt8]? {
        if raw.count > 2 * probeBytes {
            guard let probe = frame(raw.prefix(probeBytes)), pays(probe.count, for: probeBytes) else { return nil }
        }
        guard let frame = frame(raw[...]), pays(frame.count, for: raw.count) else { return nil }
        return frame
    }

    private static func frame(_ raw: ArraySlice<UInt8>) -> [UInt8]? {
        let bound = ZSTD_compressBound(raw.count)
        var failed = false
        let frame = unsafe [UInt8](unsafeUninitializedCapacity: bound) { target, count in
            let size = unsafe raw.withUnsafeBytes { source in
                unsafe ZSTD_compress(target.baseAddress, bound, source.baseAddress, source.count, level)
            }
            failed = ZSTD_isError(size) != 0
            count = failed ? 0 : size
        }
        return failed ? nil : frame
    }

    /// What a frame says that it holds, where it says so; `nil` for streamed frames and what is no frame.
    static func statedSize(of bytes: [UInt8]) -> Int? {
        let stated = unsafe bytes.withUnsafeBytes { unsafe ZSTD_getFrameContentSize($0.baseAddress, $0.count) }
        return Int(exactly: stated)
    }

    /// - Parameter sizeBytes: how many bytes must come out; never more are made, whatever the frame says.
    /// - Returns: `nil` when the bytes are not exactly one frame of that size.
    static func decompressed(_ bytes: [UInt8], sizeBytes: Int) -> [UInt8]? {
        let (frameBytes, stated) = unsafe bytes.withUnsafeBytes { source in
            unsafe (
                ZSTD_findFrameCompressedSize(source.baseAddress, source.count),
                ZSTD_getFrameContentSize(source.baseAddress, source.count)
            )
        }
        // zstd's ZSTD_CONTENTSIZE_UNKNOWN is 2^64 - 1: a frame made by streaming; it is held to `sizeBytes` below.
        guard frameBytes == bytes.count, stated == UInt64(sizeBytes) || stated == .max else { return nil }
        var failed = false
        let raw = unsafe [UInt8](unsafeUninitializedCapacity: sizeBytes) { target, count in
            let size = unsafe bytes.withUnsafeBytes { source in
                unsafe ZSTD_decompress(target.baseAddress, sizeBytes, source.baseAddress, source.count)
            }
            failed = ZSTD_isError(size) != 0
            count = failed ? 0 : min(size, sizeBytes)
        }
        return failed || raw.count != sizeBytes ? nil : raw
    }
}

/// Decompresses one frame that comes in pieces.
@safe struct ZstdStream: ~Copyable {
    private let context: OpaquePointer
    private var ended = false

    init() {
        guard let fresh = unsafe ZSTD_createDCtx() else { preconditionFailure("zstd has no memory") }
        let answer = unsafe ZSTD_DCtx_setParameter(fresh, ZSTD_d_windowLogMax, Zstd.windowLogMax)
        precondition(ZSTD_isError(answer) == 0, "zstd knows no window limit")
        unsafe context = fresh
    }

    deinit { _ = unsafe ZSTD_freeDCtx(context) }

    /// True when the frame is complete.
    var isComplete: Bool { ended }

    /// - Parameter emit: gets at most 128 KiB at a time; it returns false to stop, when it has seen too much.
    /// - Returns: false when the bytes are no frame, ask for too large a window, or go on after the frame's end.
    mutating func advance(_ bytes: Span<UInt8>, emit: (Span<UInt8>) -> Bool) -> Bool {
        var scratch = [UInt8](repeating: 0, count: 128 << 10)
        var taken = 0
        while true {
            if ended { return taken == bytes.count }
            var made = 0
            let left = unsafe bytes.withUnsafeBytes { source in
                unsafe scratch.withUnsafeMutableBytes { target in
                    var input = unsafe ZSTD_inBuffer(src: source.baseAddress, size: source.count, pos: taken)
                    var output = unsafe ZSTD_outBuffer(dst: target.baseAddress, size: target.count, pos: 0)
                    let left = unsafe ZSTD_decompressStream(context, &output, &input)
                    taken = unsafe input.pos
                    made = unsafe output.pos
                    return left
                }
            }
            guard ZSTD_isError(left) == 0 else { return false }
            ended = left == 0
            if made > 0, !emit(scratch.span.extracting(first: made)) { return false }
            if taken == bytes.count && made < scratch.count { return true }
        }
    }
}

/// Makes one frame of bytes that come in pieces.
@safe struct ZstdPress: ~Copyable {
    private let context: OpaquePointer

    /// - Parameter sizeBytes: how many bytes will come; the frame says so.
    init(sizeBytes: Int) {
        guard let fresh = unsafe ZSTD_createCCtx() else { preconditionFailure("zstd has no memory") }
        let answers = unsafe [
            ZSTD_CCtx_setParameter(fresh, ZSTD_c_compressionLevel, Zstd.level),
            ZSTD_CCtx_setPledgedSrcSize(fresh, UInt64(sizeBytes)),
        ]
        precondition(answers.allSatisfy { ZSTD_isError($0) == 0 }, "zstd refuses its level")
        unsafe context = fresh
    }

    deinit { _ = unsafe ZSTD_freeCCtx(context) }

    /// - Parameter last: whether these are the last bytes.
    /// - Returns: what of the frame is ready; `nil` when there were more or fewer bytes than announced.
    mutating func advance(_ bytes: Span<UInt8>, last: Bool) -> [UInt8]? {
        var frame: [UInt8] = []
        var scratch = [UInt8](repeating: 0, count: 128 << 10)
        var taken = 0
        while true {
            var made = 0
            let left = unsafe bytes.withUnsafeBufferPointer { source in
                unsafe scratch.withUnsafeMutableBytes { target in
                    var input = unsafe ZSTD_inBuffer(src: source.baseAddress, size: source.count, pos: taken)
                    var output = unsafe ZSTD_outBuffer(dst: target.baseAddress, size: target.count, pos: 0)
                    let left = unsafe ZSTD_compressStream2(
                        context, &output, &input, last ? ZSTD_e_end : ZSTD_e_continue)
                    taken = unsafe input.pos
                    made = unsafe output.pos
                    return left
                }
            }
            guard ZSTD_isError(left) == 0 else { return nil }
            frame += scratch[..<made]
            if last ? left == 0 : taken == bytes.count { return frame }
        }
    }
}
