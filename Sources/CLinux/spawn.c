#define _GNU_SOURCE
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

// The child of a vfork-like clone borrows our memory: it may call nothing that locks or allocates, and glibc's
// setuid family would speak to our other threads, hence the plain system calls.
enum { STACK_BYTES = 128 << 10 };

typedef struct {
    const clinux_spawn_request *request;
    // Of the mounts' sources, opened in the child; -1 where there is none.
    int *sources;
    const char *failed;
    int error;
    size_t failed_mount;
} birth;

static int fail(birth *birth, const char *what) {
    birth->error = errno;
    birth->failed = what;
    _exit(127);
}

static int above_standard(int descriptor) {
    return descriptor < 3 ? fcntl(descriptor, F_DUPFD, 3) : descriptor;
}

// "/proc/self/fd/" and a number.
static void write_descriptor_path(char *text, int descriptor) {
    char digits[12];
    int count = 0;
    do digits[count++] = (char)('0' + descriptor % 10);
    while ((descriptor /= 10) > 0);
    strcpy(text, "/proc/self/fd/");
    char *end = text + strlen(text);
    while (count > 0) *end++ = digits[--count];
    *end = 0;
}

static int mount_one(const clinux_mount *m, int source) {
    char path[40];
    struct stat facts;
    switch (m->kind) {
    case CLINUX_MOUNT_BIND:
        write_descriptor_path(path, source);
        return mount(path, m->target, NULL, MS_BIND | MS_REC, NULL);
    case CLINUX_MOUNT_TMPFS: return mount("tmpfs", m->target, "tmpfs", MS_NOSUID | MS_NODEV, m->data);
    case CLINUX_MOUNT_FOLDER:
        if (mkdir(m->target, 0755) == 0) return 0;
        if (errno != EEXIST) return -1;
        // Through somebody else's link the next mount would land anywhere.
        if (lstat(m->target, &facts) == 0 && S_ISDIR(facts.st_mode) && facts.st_uid == geteuid()) return 0;
        errno = EPERM;
        return -1;
    case CLINUX_MOUNT_PROC: return mount("proc", m->target, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    default: errno = EINVAL; return -1;
    }
}

// In a new mount namespace. What the machine mounts later still shows here, and nothing from here shows there.
static int mount_all(birth *birth) {
    const clinux_spawn_request *r = birth->request;
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0) return -1;
    for (size_t i = 0; i < r->mount_count; i++) {
        if (r->mounts[i].kind != CLINUX_MOUNT_BIND) continue;
        birth->failed_mount = i;
        const char *source = r->mounts[i].source ? r->mounts[i].source : r->mounts[i].target;
        if ((birth->sources[i] = open(source, O_PATH | O_CLOEXEC)) < 0) return -1;
    }
    for (size_t i = 0; i < r->mount_count; i++) {
        birth->failed_mount = i;
        if (mount_one(&r->mounts[i], birth->sources[i]) != 0) return -1;
    }
    birth->failed_mount = r->mount_count;
    return 0;
}

// A user's own keys outlive its processes. A kernel without keys forgets nothing and has nothing to forget.
static void forget_keys(void) {
    const int rings[] = {KEY_SPEC_USER_KEYRING, KEY_SPEC_USER_SESSION_KEYRING};
    for (size_t i = 0; i < sizeof rings / sizeof *rings; i++) (void)syscall(SYS_keyctl, KEYCTL_CLEAR, rings[i]);
    long persistent = syscall(SYS_keyctl, KEYCTL_GET_PERSISTENT, -1, KEY_SPEC_PROCESS_KEYRING);
    if (persistent > 0) (void)syscall(SYS_keyctl, KEYCTL_CLEAR, persistent);
}

static int be_born(void *argument) {
    birth *birth = argument;
    const clinux_spawn_request *r = birth->request;

    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    for (int number = 1; number < _NSIG; number++) sigaction(number, &action, NULL);
    if (r->ignores_children) {
        action.sa_handler = SIG_IGN;
        sigaction(SIGCHLD, &action, NULL);
    }

    if (setsid() < 0) return fail(birth, "begin a session");
    for (size_t i = 0; i < r->cgroup_count; i++)
        if (write(r->cgroups[i], "0", 1) != 1) return fail(birth, "join the cgroup");
    if (r->segment_namespace > 0 && setns(r->segment_namespace, CLONE_NEWIPC) != 0)
        return fail(birth, "enter the namespace of memory segments");
    if (r->mount_namespace > 0 && setns(r->mount_namespace, CLONE_NEWNS) != 0)
        return fail(birth, "enter the mount namespace");
    if (r->founds_namespaces && mount_all(birth) != 0) return fail(birth, "mount");
    for (size_t i = 0; i < r->limit_count; i++) {
        struct rlimit limit = {.rlim_cur = r->limits[i].value, .rlim_max = r->limits[i].value};
        if (setrlimit(r->limits[i].resource, &limit) != 0) return fail(birth, "set a limit");
    }
    umask(r->file_mask);

    int input = above_standard(r->input), output = above_standard(r->output), error = above_standard(r->error);
    if (input < 0 || output < 0 || error < 0 || dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(error, 2) < 0)
        return fail(birth, "connect input and output");
    if (syscall(SYS_close_range, 3u, ~0u, 0u) != 0) {
        struct rlimit limit;
        if (errno != ENOSYS || getrlimit(RLIMIT_NOFILE, &limit) != 0) return fail(birth, "close descriptors");
        for (rlim_t i = 3; i < limit.rlim_cur; i++) close((int)i);
    }

    if (r->changes_user) {
        // Whoever has the caller's session keyring could leave keys there for all others who do. Where the kernel has no
        // keys, or gives none to us, it gives none to the program either.
        if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS && errno != EPERM)
            return fail(birth, "leave the agent's keyring");
        if (syscall(SYS_setgroups, r->group_count, r->groups) != 0) return fail(birth, "set the groups");
        if (syscall(SYS_setresgid, r->group, r->group, r->group) != 0) return fail(birth, "set the group");
        if (syscall(SYS_setresuid, r->user, r->user, r->user) != 0) return fail(birth, "set the user");
        if (r->forgets_keys) forget_keys();
    }
    if (r->directory != NULL && chdir(r->directory) != 0) return fail(birth, "enter the working directory");

    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(r->path, r->arguments, r->environment);
    return fail(birth, "execute the program");
}

#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define OWN_MEMORY 1
#endif
#endif

// Runs `body` in a child that shares our memory, while this thread waits until it has ended or executes a program.
// `argument` has `bytes` bytes; what the child writes there is all that it answers.
static pid_t borrow(int (*body)(void *), void *argument, size_t bytes, int flags, int *pidfd) {
    char *stack = mmap(
        NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED) return -1;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
#ifdef OWN_MEMORY
    // Thread Sanitizer takes every clone for a fork, and would begin anew in memory that is still in use: under it the
    // child has a copy, and the argument lies in a page that both see.
    void *seen = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = -1;
    int error = errno;
    if (seen != MAP_FAILED) {
        memcpy(seen, argument, bytes);
        pid = clone(body, stack + STACK_BYTES, CLONE_VFORK | flags | SIGCHLD, seen, pidfd, NULL, NULL);
        error = errno;
        memcpy(argument, seen, bytes);
        munmap(seen, bytes);
    }
#else
    (void)bytes;
    pid_t pid = clone(
        body, stack + STACK_BYTES, CLONE_VM | CLONE_VFORK | flags | SIGCHLD, argument, pidfd, NULL, NULL);
    int error = errno;
#endif
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(stack, STACK_BYTES);
    errno = error;
    return pid;
}

// The calling thread's next children are born into the namespace of processes.
static int enter_process_namespace(int namespace, int *before) {
    *before = -1;
    if (namespace <= 0) return 0;
    if ((*before = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC)) < 0) return -1;
    if (setns(namespace, CLONE_NEWPID) == 0) return 0;
    int error = errno;
    close(*before);
    errno = error;
    return -1;
}

int clinux_spawn(const clinux_spawn_request *request, clinux_spawned *spawned) {
    birth birth = {.request = request, .failed_mount = request->mount_count};
    spawned->failed_mount = request->mount_count;
    birth.sources = malloc((request->mount_count + 1) * sizeof *birth.sources);
    if (birth.sources == NULL) {
        spawned->failed = "make a process";
        return -ENOMEM;
    }
    for (size_t i = 0; i < request->mount_count; i++) birth.sources[i] = -1;
    int flags = CLONE_PIDFD, pidfd = -1, before = -1;
    if (request->founds_namespaces) flags |= CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC;
    if (enter_process_namespace(request->process_namespace, &before) != 0) {
        int error = errno;
        free(birth.sources);
        spawned->failed = "enter the process namespace";
        return -error;
    }
    pid_t pid = borrow(be_born, &birth, sizeof birth, flags, &pidfd);
    int error = errno;
    if (before >= 0) {
        // Else whatever this thread starts next would be somebody else's child.
        if (setns(before, CLONE_NEWPID) != 0) abort();
        close(before);
    }
    free(birth.sources);
    if (pid < 0) {
        spawned->failed = request->founds_namespaces ? "make namespaces" : "make a process";
        return -error;
    }
    if (birth.failed != NULL) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
        close(pidfd);
        spawned->failed = birth.failed;
        spawned->failed_mount = birth.failed_mount;
        return -birth.error;
    }
    spawned->pid = pid;
    spawned->pidfd = pidfd;
    spawned->failed = NULL;
    return 0;
}

int clinux_collect(pid_t pid, int pidfd, clinux_exit *ended) {
    (void)pidfd;
    int status = 0;
    struct rusage usage;
    memset(&usage, 0, sizeof usage);
    pid_t found;
    while ((found = wait4(pid, &status, WNOHANG, &usage)) < 0 && errno == EINTR) {}
    if (found < 0) return -errno;
    if (found == 0) return -EAGAIN;
    ended->was_signalled = WIFSIGNALED(status);
    ended->code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    ended->cpu_ns = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000u
        + (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000u;
    return 0;
}

int clinux_pidfd_open(pid_t pid) {
    int descriptor = (int)syscall(SYS_pidfd_open, pid, 0);
    return descriptor < 0 ? -errno : descriptor;
}

int clinux_pidfd_signal(int pidfd, int signal) {
    return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

int clinux_become_subreaper(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ? -errno : 0; }

int clinux_pipe(int ends[2], int bytes) {
    if (pipe2(ends, O_CLOEXEC) != 0) return -errno;
    // Only a wish: an unprivileged user's pipes have a common limit.
    fcntl(ends[0], F_SETPIPE_SZ, bytes);
    return 0;
}

typedef struct {
    char *bytes;
    size_t count, most;
    int error;
} marks;

static void add(marks *all, const void *bytes, size_t count) {
    if (all->count + count > all->most) all->error = E2BIG;
    if (all->error != 0) return;
    memcpy(all->bytes + all->count, bytes, count);
    all->count += count;
}

static void add_attributes(marks *all, int descriptor) {
    char names[4 << 10], value[4 << 10];
    ssize_t bytes = flistxattr(descriptor, names, sizeof names);
    // A file system without them answers the same each time.
    if (bytes < 0 && errno != ENOTSUP) all->error = errno == ERANGE ? E2BIG : errno;
    for (ssize_t at = 0; at < bytes && all->error == 0; at += (ssize_t)strlen(names + at) + 1) {
        ssize_t length = fgetxattr(descriptor, names + at, value, sizeof value);
        if (length < 0) {
            all->error = errno == ERANGE ? E2BIG : errno;
            return;
        }
        add(all, names + at, strlen(names + at) + 1);
        add(all, &length, sizeof length);
        add(all, value, (size_t)length);
    }
}

ssize_t clinux_marks(int descriptor, void *bytes, size_t most) {
    marks all = {.bytes = bytes, .most = most};
    int flags = 0;
    if (ioctl(descriptor, FS_IOC_GETFLAGS, &flags) != 0) flags = -errno;
    add(&all, &flags, sizeof flags);
    struct fsxattr more;
    memset(&more, 0, sizeof more);
    if (ioctl(descriptor, FS_IOC_FSGETXATTR, &more) != 0) more.fsx_xflags = (uint32_t)-errno;
    // How many pieces it lies in is nobody's mark.
    more.fsx_nextents = 0;
    add(&all, &more, sizeof more);
    add_attributes(&all, descriptor);
    return all.error != 0 ? -all.error : (ssize_t)all.count;
}

int clinux_clear_marks(int descriptor) {
    int marks = 0;
    if (ioctl(descriptor, FS_IOC_GETFLAGS, &marks) != 0) return -errno;
    marks &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
    return ioctl(descriptor, FS_IOC_SETFLAGS, &marks) != 0 ? -errno : 0;
}
