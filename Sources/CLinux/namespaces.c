#define _GNU_SOURCE
#include "namespaces.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct {
    uint64_t inode;
    int64_t next;
    uint16_t bytes;
    uint8_t kind;
    char name[];
} entry;

// Names in an open folder, from its start, that `counts` says yes to.
static int count_names(int folder, int (*counts)(const char *name)) {
    _Alignas(entry) char buffer[16 << 10];
    int found = 0;
    if (lseek(folder, 0, SEEK_SET) < 0) return -errno;
    for (;;) {
        long bytes = syscall(SYS_getdents64, folder, buffer, sizeof buffer);
        if (bytes < 0) return -errno;
        if (bytes == 0) return found;
        for (long at = 0; at < bytes;) {
            const entry *next = (const entry *)(buffer + at);
            found += counts(next->name);
            at += next->bytes;
        }
    }
}

static int is_number(const char *name) { return name[0] >= '0' && name[0] <= '9'; }

static int is_file(const char *name) { return strcmp(name, ".") != 0 && strcmp(name, "..") != 0; }

int clinux_count_processes(int proc) { return count_names(proc, is_number); }

int clinux_count_files(int folder) { return count_names(folder, is_file); }

// POSIX message queues are the files of a file system of the namespace's own, seen by whoever is in it. To mount it takes
// the kernel a moment in which all of the machine's processors have a say, so it is done once.
static int open_queues(int *folder) {
    enum { CREATE = 6 };
    *folder = -1;
    int context = (int)syscall(SYS_fsopen, "mqueue", 1u);
    // A kernel without them has none.
    if (context < 0) return errno == ENODEV ? 0 : -errno;
    int answer = 0;
    int mounted = syscall(SYS_fsconfig, context, CREATE, NULL, NULL, 0) == 0
                      ? (int)syscall(SYS_fsmount, context, 1u, 0u)
                      : -1;
    if (mounted < 0) {
        answer = -errno;
    } else {
        *folder = openat(mounted, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (*folder < 0) answer = -errno;
        close(mounted);
    }
    close(context);
    return answer;
}

// The lists belong to the namespace of whoever opens them.
static int open_list(const char *path, int *list) {
    *list = open(path, O_RDONLY | O_CLOEXEC);
    return *list < 0 && errno != ENOENT ? -errno : 0;
}

static void close_list(int list) {
    if (list >= 0) close(list);
}

void clinux_close_ipc(const clinux_ipc *lists) {
    close_list(lists->segments);
    close_list(lists->semaphores);
    close_list(lists->queues);
    close_list(lists->posix_queues);
}

int clinux_open_ipc(int namespace, clinux_ipc *lists) {
    *lists = (clinux_ipc){-1, -1, -1, -1};
    int own = open("/proc/thread-self/ns/ipc", O_RDONLY | O_CLOEXEC);
    if (own < 0) return -errno;
    if (setns(namespace, CLONE_NEWIPC) != 0) {
        int error = errno;
        close(own);
        return -error;
    }
    int answer = open_list("/proc/sysvipc/shm", &lists->segments);
    if (answer == 0) answer = open_list("/proc/sysvipc/sem", &lists->semaphores);
    if (answer == 0) answer = open_list("/proc/sysvipc/msg", &lists->queues);
    if (answer == 0) answer = open_queues(&lists->posix_queues);
    // Else whatever this thread does next would be done in somebody else's world.
    if (setns(own, CLONE_NEWIPC) != 0) abort();
    close(own);
    if (answer != 0) clinux_close_ipc(lists);
    return answer;
}

// Lines after the first, which names the columns.
static int count_lines(int list) {
    char buffer[4 << 10];
    int lines = 0;
    if (list < 0) return 0;
    for (off_t at = 0;;) {
        ssize_t bytes = pread(list, buffer, sizeof buffer, at);
        if (bytes < 0) return -errno;
        if (bytes == 0) break;
        for (ssize_t index = 0; index < bytes; index++) lines += buffer[index] == '\n';
        at += bytes;
    }
    return lines > 0 ? lines - 1 : -EINVAL;
}

int clinux_count_ipc(const clinux_ipc *lists) {
    int counts[] = {
        count_lines(lists->segments),
        count_lines(lists->semaphores),
        count_lines(lists->queues),
        lists->posix_queues < 0 ? 0 : count_names(lists->posix_queues, is_file),
    };
    int all = 0;
    for (size_t index = 0; index < sizeof counts / sizeof *counts; index++) {
        if (counts[index] < 0) return counts[index];
        all += counts[index];
    }
    return all;
}
