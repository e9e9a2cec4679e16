// What a machine has.
#pragma once
#include <stddef.h>
#include <stdint.h>

// How many cores the calling thread may run on.
int clinux_affinity_count(void);

// The bytes that this process has on the heap, the allocator's own bookkeeping aside.
uint64_t clinux_heap_bytes(void);

typedef struct {
    char uuid[96];
    char model[96];
    uint64_t memory;
    // Where it sits, a divided one's parts too; `has_place` is 0 where the driver does not say.
    uint32_t domain, bus, device;
    int has_place;
    // What the driver says of it at this moment; -1 where it does not. A divided device's errors and rows are those of the whole.
    int64_t memory_used;
    // Programs that compute on it, and the number of one of them.
    int64_t processes;
    uint32_t process;
    // Errors that its memory could not correct, since the driver was loaded.
    int64_t uncorrected;
    // Rows of its memory wait for a reset to be replaced, or could not be replaced.
    int rows_pending, rows_failed;
} clinux_gpu;

// NVIDIA's devices, by the driver's library, which is loaded only for this call. A GPU divided by MIG counts as its
// instances. The number of devices, -ENOENT without the library, or -1000 minus NVML's error.
int clinux_nvml_devices(const char *library, clinux_gpu *devices, size_t most);
