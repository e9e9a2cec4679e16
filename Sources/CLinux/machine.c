#define _GNU_SOURCE
#include "machine.h"

#include <dlfcn.h>
#include <malloc.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

int clinux_affinity_count(void) {
    // Larger machines than the fixed set's 1024 cores exist.
    for (int cores = 1024; cores <= 1 << 20; cores *= 4) {
        cpu_set_t *set = CPU_ALLOC((size_t)cores);
        if (set == NULL) return -ENOMEM;
        size_t size = CPU_ALLOC_SIZE((size_t)cores);
        int failed = sched_getaffinity(0, size, set) != 0;
        int count = failed ? 0 : CPU_COUNT_S(size, set);
        CPU_FREE(set);
        if (!failed) return count;
        if (errno != EINVAL) return -errno;
    }
    return -EINVAL;
}

// The part of NVML's interface that is used here; NVIDIA keeps it stable across drivers.
typedef void *device;
typedef struct {
    unsigned long long total, free, used;
} memory_info;

typedef struct {
    char legacy_name[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char name[32];
} pci_info;

typedef struct {
    int (*count)(unsigned *);
    int (*at)(unsigned, device *);
    int (*uuid)(device, char *, unsigned);
    int (*name)(device, char *, unsigned);
    int (*memory)(device, memory_info *);
    int (*place)(device, pci_info *);
    int (*processes)(device, unsigned *, void *);
    int (*errors)(device, int, int, unsigned long long *);
    int (*rows)(device, unsigned *, unsigned *, unsigned *, unsigned *);
    int (*mig_mode)(device, unsigned *, unsigned *);
    int (*mig_most)(device, unsigned *);
    int (*mig_at)(device, unsigned, device *);
} functions;

static int describe(const functions *f, device d, clinux_gpu *gpu) {
    memory_info memory;
    memset(&memory, 0, sizeof memory);
    int error = f->uuid(d, gpu->uuid, sizeof gpu->uuid);
    if (error == 0) error = f->name(d, gpu->model, sizeof gpu->model);
    if (error == 0) error = f->memory(d, &memory);
    gpu->memory = memory.total;
    gpu->memory_used = error == 0 ? (int64_t)memory.used : -1;
    return error;
}

// Of the second and the third version of the call, which are the same.
typedef struct {
    unsigned pid;
    unsigned long long memory;
    unsigned gpu_instance, compute_instance;
} process_info;

enum { success = 0, insufficient_size = 7, uncorrected_errors = 1, since_loaded = 0 };

// d: the device or a part of it; whole: the device.
static void examine(const functions *f, device d, device whole, clinux_gpu *gpu) {
    process_info found[64];
    unsigned count = sizeof found / sizeof *found;
    gpu->processes = -1;
    if (f->processes != NULL) {
        memset(found, 0, sizeof found);
        int error = f->processes(d, &count, found);
        if (error == success || error == insufficient_size) gpu->processes = count;
        if (error == success && count > 0) gpu->process = found[0].pid;
    }
    unsigned long long errors = 0;
    gpu->uncorrected = -1;
    if (f->errors != NULL && f->errors(whole, uncorrected_errors, since_loaded, &errors) == success)
        gpu->uncorrected = (int64_t)errors;
    unsigned corrected = 0, uncorrected = 0, pending = 0, failed = 0;
    if (f->rows != NULL && f->rows(whole, &corrected, &uncorrected, &pending, &failed) == success) {
        gpu->rows_pending = pending != 0;
        gpu->rows_failed = failed != 0;
    }
}

static void locate(const functions *f, device d, clinux_gpu *gpu) {
    pci_info info;
    memset(&info, 0, sizeof info);
    if (f->place == NULL || f->place(d, &info) != 0) return;
    gpu->domain = info.domain;
    gpu->bus = info.bus;
    gpu->device = info.device;
    gpu->has_place = 1;
}

static int list(const functions *f, clinux_gpu *devices, size_t most) {
    unsigned count = 0;
    int error = f->count(&count);
    if (error != 0) return -1000 - error;
    size_t found = 0;
    for (unsigned i = 0; i < count && found < most; i++) {
        device d;
        if ((error = f->at(i, &d)) != 0) return -1000 - error;
        unsigned now = 0, later = 0, slots = 0;
        int divided = f->mig_mode && f->mig_most && f->mig_at && f->mig_mode(d, &now, &later) == 0 && now == 1
            && f->mig_most(d, &slots) == 0;
        if (!divided) {
            if ((error = describe(f, d, &devices[found])) != 0) return -1000 - error;
            locate(f, d, &devices[found]);
            examine(f, d, d, &devices[found]);
            found++;
            continue;
        }
        for (unsigned j = 0; j < slots && found < most; j++) {
            device part;
            // Empty slots are not an error.
            if (f->mig_at(d, j, &part) != 0 || describe(f, part, &devices[found]) != 0) continue;
            locate(f, d, &devices[found]);
            examine(f, part, d, &devices[found]);
            found++;
        }
    }
    return (int)found;
}

uint64_t clinux_heap_bytes(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

int clinux_nvml_devices(const char *library, clinux_gpu *devices, size_t most) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) return -ENOENT;
    int (*start)(void) = (int (*)(void))dlsym(handle, "nvmlInit_v2");
    int (*stop)(void) = (int (*)(void))dlsym(handle, "nvmlShutdown");
    functions f = {
        .count = (int (*)(unsigned *))dlsym(handle, "nvmlDeviceGetCount_v2"),
        .at = (int (*)(unsigned, device *))dlsym(handle, "nvmlDeviceGetHandleByIndex_v2"),
        .uuid = (int (*)(device, char *, unsigned))dlsym(handle, "nvmlDeviceGetUUID"),
        .name = (int (*)(device, char *, unsigned))dlsym(handle, "nvmlDeviceGetName"),
        .memory = (int (*)(device, memory_info *))dlsym(handle, "nvmlDeviceGetMemoryInfo"),
        .place = (int (*)(device, pci_info *))dlsym(handle, "nvmlDeviceGetPciInfo_v3"),
        .processes = (int (*)(device, unsigned *, void *))dlsym(handle, "nvmlDeviceGetComputeRunningProcesses_v3"),
        .errors = (int (*)(device, int, int, unsigned long long *))dlsym(handle, "nvmlDeviceGetTotalEccErrors"),
        .rows = (int (*)(device, unsigned *, unsigned *, unsigned *, unsigned *))dlsym(
            handle, "nvmlDeviceGetRemappedRows"),
        .mig_mode = (int (*)(device, unsigned *, unsigned *))dlsym(handle, "nvmlDeviceGetMigMode"),
        .mig_most = (int (*)(device, unsigned *))dlsym(handle, "nvmlDeviceGetMaxMigDeviceCount"),
        .mig_at = (int (*)(device, unsigned, device *))dlsym(handle, "nvmlDeviceGetMigDeviceHandleByIndex"),
    };
    if (f.processes == NULL)
        f.processes =
            (int (*)(device, unsigned *, void *))dlsym(handle, "nvmlDeviceGetComputeRunningProcesses_v2");
    int answer = -ENOENT;
    if (start && stop && f.count && f.at && f.uuid && f.name && f.memory) {
        int error = start();
        answer = error != 0 ? -1000 - error : list(&f, devices, most);
        if (error == 0) stop();
    }
    dlclose(handle);
    return answer;
}
