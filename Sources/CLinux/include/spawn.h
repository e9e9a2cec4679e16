// Starting processes, and what surrounds them: cgroups, users, mount namespaces, pidfds.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// A limit of setrlimit: the soft and the hard limit become `value`.
typedef struct {
    int resource;
    uint64_t value;
} clinux_limit;

enum {
    // The same files at another place; with `source` = NULL, what stood at the target before all of this.
    CLINUX_MOUNT_BIND = 1,
    // An empty folder in memory; `data` are its mount options.
    CLINUX_MOUNT_TMPFS = 2,
    // Makes a folder within what was mounted before. One that is there must be a folder of ours.
    CLINUX_MOUNT_FOLDER = 3,
    // The processes of the namespace.
    CLINUX_MOUNT_PROC = 4,
};

typedef struct {
    int kind;
    const char *source;
    const char *target;
    const char *data;
} clinux_mount;

// What to start. Strings and arrays need to live only during the call.
typedef struct {
    // Absolute.
    const char *path;
    // Both end with NULL.
    char *const *arguments;
    char *const *environment;
    // NULL keeps the caller's.
    const char *directory;
    // Become descriptors 0, 1 and 2. All others are closed in the child.
    int input, output, error;
    // When not 0: user, group and groups are set, and cannot be taken back.
    int changes_user;
    uint32_t user, group;
    const uint32_t *groups;
    size_t group_count;
    // When not 0, keys that the user has kept in the kernel go: an earlier holder of its number left them. With another user a
    // program has a session keyring of its own in any case.
    int forgets_keys;
    uint32_t file_mask;
    // Descriptors of `cgroup.procs` files that the child joins.
    const int *cgroups;
    size_t cgroup_count;
    const clinux_limit *limits;
    size_t limit_count;
    // Namespaces to live in: descriptors of their files in /proc/<pid>/ns, or 0 for the caller's own.
    int mount_namespace, process_namespace, segment_namespace;
    // When not 0, the process lives in new ones instead and is the first of them: the others end when it does. In the
    // new view of the file system these were mounted, in order. Sources of binds are opened before anything is covered.
    int founds_namespaces;
    const clinux_mount *mounts;
    size_t mount_count;
    // When not 0, its ended children need nobody who collects them.
    int ignores_children;
} clinux_spawn_request;

typedef struct {
    pid_t pid;
    // Closed on exec; readable once the process has ended.
    int pidfd;
    // What failed, as a static text; NULL when the program runs.
    const char *failed;
    // Which of the mounts failed; their count when none did.
    size_t failed_mount;
} clinux_spawned;

// Starts a process in a session of its own, with default signal handling and an empty signal mask. The calling thread
// waits until the program runs, so every failure before that is known here. 0, or a negative errno with `failed` set.
int clinux_spawn(const clinux_spawn_request *request, clinux_spawned *spawned);

// How a process ended.
typedef struct {
    // The exit code, or the signal's number.
    int code;
    int was_signalled;
    // Of the process and the children that it waited for.
    uint64_t cpu_ns;
} clinux_exit;

// Collects an ended child. 0, -ECHILD when it was collected before, -EAGAIN when it still runs.
int clinux_collect(pid_t pid, int pidfd, clinux_exit *ended);

int clinux_pidfd_open(pid_t pid);
int clinux_pidfd_signal(int pidfd, int signal);

// Orphaned descendants become children of this process instead of init's.
int clinux_become_subreaper(void);

// A pipe whose ends are closed on exec; `bytes` is the wanted capacity, granted as far as the kernel does.
int clinux_pipe(int ends[2], int bytes);

// Writes what an open file is marked with: as chattr sets it, its project and its hints for where it lies, and its extended
// attributes with their values (access lists are some). The same bytes while these stay the same. How many bytes, or a
// negative errno: -E2BIG when there are more than `most`.
ssize_t clinux_marks(int descriptor, void *marks, size_t most);

// Removes the immutable and append-only marks of an open file. 0, or a negative errno.
int clinux_clear_marks(int descriptor);
