#define _GNU_SOURCE
#include "namespaces.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
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

// POSIX message queues are the files of a file system of the namespace's own, seen by whoever is in it.
static int count_queues(void) {
    enum { CREATE = 6 };
    int context = (int)syscall(SYS_fsopen, "mqueue", 1u);
    // A kernel without them has none.
    if (context < 0) return errno == ENODEV ? 0 : -errno;
    int answer = -1;
    if (syscall(SYS_fsconfig, context, CREATE, NULL, NULL, 0) == 0) {
        int mounted = (int)syscall(SYS_fsmount, context, 1u, 0u);
        if (mounted >= 0) {
            int folder = openat(mounted, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            answer = folder < 0 ? -errno : count_names(folder, is_file);
            if (folder >= 0) close(folder);
            close(mounted);
        } else {
            answer = -errno;
        }
    } else {
        answer = -errno;
    }
    close(context);
    return answer;
}

int clinux_count_segments(int namespace) {
    int own = open("/proc/thread-self/ns/ipc", O_RDONLY | O_CLOEXEC);
    if (own < 0) return -errno;
    if (setns(namespace, CLONE_NEWIPC) != 0) {
        int error = errno;
        close(own);
        return -error;
    }
    struct shm_info segments;
    struct seminfo sets;
    struct msginfo queues;
    int answer = 0;
    if (shmctl(0, SHM_INFO, (struct shmid_ds *)&segments) < 0 || semctl(0, 0, SEM_INFO, &sets) < 0
        || msgctl(0, MSG_INFO, (struct msqid_ds *)&queues) < 0) {
        answer = -errno;
    } else {
        int files = count_queues();
        answer = files < 0 ? files : segments.used_ids + sets.semusz + queues.msgpool + files;
    }
    // Else whatever this thread does next would be done in somebody else's world.
    if (setns(own, CLONE_NEWIPC) != 0) abort();
    close(own);
    return answer;
}
