#define _GNU_SOURCE
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
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
#include <unistd.h>

// The child of a vfork-like clone borrows our memory: it may call nothing that locks or allocates, and glibc's
// setuid family would speak to our other threads, hence the plain system calls.
enum { STACK_BYTES = 128 << 10 };

typedef struct {
    const clinux_spawn_request *request;
    const char *failed;
    int error;
} birth;

static int fail(birth *birth, const char *what) {
    birth->error = errno;
    birth->failed = what;
    _exit(127);
}

static int above_standard(int descriptor) {
    return descriptor < 3 ? fcntl(descriptor, F_DUPFD, 3) : descriptor;
}

static int be_born(void *argument) {
    birth *birth = argument;
    const clinux_spawn_request *r = birth->request;

    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    for (int number = 1; number < _NSIG; number++) sigaction(number, &action, NULL);

    if (setsid() < 0) return fail(birth, "begin a session");
    for (size_t i = 0; i < r->cgroup_count; i++)
        if (write(r->cgroups[i], "0", 1) != 1) return fail(birth, "join the cgroup");
    if (r->mounts >= 0 && setns(r->mounts, CLONE_NEWNS) != 0) return fail(birth, "enter the mount namespace");
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
        if (syscall(SYS_setgroups, r->group_count, r->groups) != 0) return fail(birth, "set the groups");
        if (syscall(SYS_setresgid, r->group, r->group, r->group) != 0) return fail(birth, "set the group");
        if (syscall(SYS_setresuid, r->user, r->user, r->user) != 0) return fail(birth, "set the user");
    }
    if (r->directory != NULL && chdir(r->directory) != 0) return fail(birth, "enter the working directory");

    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(r->path, r->arguments, r->environment);
    return fail(birth, "execute the program");
}

// Runs `body` in a child that shares our memory, while this thread waits until it has ended or executes a program.
static pid_t borrow(int (*body)(void *), void *argument, int flags, int *pidfd) {
    char *stack = mmap(
        NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED) return -1;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    pid_t pid = clone(
        body, stack + STACK_BYTES, CLONE_VM | CLONE_VFORK | flags | SIGCHLD, argument, pidfd, NULL, NULL);
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(stack, STACK_BYTES);
    errno = error;
    return pid;
}

int clinux_spawn(const clinux_spawn_request *request, clinux_spawned *spawned) {
    birth birth = {.request = request, .failed = NULL, .error = 0};
    int pidfd = -1;
    pid_t pid = borrow(be_born, &birth, CLONE_PIDFD, &pidfd);
    if (pid < 0) {
        spawned->failed = "make a process";
        return -errno;
    }
    if (birth.failed != NULL) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
        close(pidfd);
        spawned->failed = birth.failed;
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

pid_t clinux_peek_ended_child(void) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) return 0;
    return info.si_pid;
}

int clinux_pipe(int ends[2], int bytes) {
    if (pipe2(ends, O_CLOEXEC) != 0) return -errno;
    // Only a wish: an unprivileged user's pipes have a common limit.
    fcntl(ends[0], F_SETPIPE_SZ, bytes);
    return 0;
}

typedef struct {
    const clinux_mount *mounts;
    size_t count;
    int *sources;
    int descriptor;
    int error;
    size_t failed;
} surroundings;

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
    switch (m->kind) {
    case CLINUX_MOUNT_BIND:
        write_descriptor_path(path, source);
        return mount(path, m->target, NULL, MS_BIND | MS_REC, NULL);
    case CLINUX_MOUNT_TMPFS: return mount("tmpfs", m->target, "tmpfs", MS_NOSUID | MS_NODEV, m->data);
    case CLINUX_MOUNT_OVERLAY: return mount("overlay", m->target, "overlay", MS_NOSUID | MS_NODEV, m->data);
    case CLINUX_MOUNT_FOLDER: return mkdir(m->target, 0755) == 0 || errno == EEXIST ? 0 : -1;
    case CLINUX_MOUNT_READ_ONLY:
        return mount(NULL, m->target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL);
    default: errno = EINVAL; return -1;
    }
}

static int surround(void *argument) {
    surroundings *s = argument;
    s->failed = s->count;
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        s->error = errno;
        _exit(1);
    }
    for (size_t i = 0; i < s->count; i++) {
        if (s->mounts[i].kind != CLINUX_MOUNT_BIND) continue;
        const char *source = s->mounts[i].source ? s->mounts[i].source : s->mounts[i].target;
        if ((s->sources[i] = open(source, O_PATH | O_CLOEXEC)) < 0) {
            s->error = errno;
            s->failed = i;
            _exit(1);
        }
    }
    for (size_t i = 0; i < s->count; i++) {
        if (mount_one(&s->mounts[i], s->sources[i]) != 0) {
            s->error = errno;
            s->failed = i;
            _exit(1);
        }
    }
    s->descriptor = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (s->descriptor < 0) s->error = errno;
    _exit(s->descriptor < 0);
}

int clinux_mount_namespace(const clinux_mount *mounts, size_t count, size_t *failed) {
    surroundings s = {.mounts = mounts, .count = count, .descriptor = -1, .error = 0, .failed = count};
    s.sources = malloc((count + 1) * sizeof *s.sources);
    if (s.sources == NULL) return -ENOMEM;
    for (size_t i = 0; i < count; i++) s.sources[i] = -1;
    // The table of descriptors is shared, so what the child opens is ours. Mounts below the sources' descriptors: the
    // namespace was unshared first, so they name places in the new one.
    pid_t pid = borrow(surround, &s, CLONE_FILES, NULL);
    int error = pid < 0 ? errno : s.error;
    if (pid > 0) while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    for (size_t i = 0; i < count; i++)
        if (s.sources[i] >= 0) close(s.sources[i]);
    free(s.sources);
    *failed = s.failed;
    if (error != 0) {
        if (s.descriptor >= 0) close(s.descriptor);
        return -error;
    }
    return s.descriptor;
}

int clinux_clear_marks(int descriptor) {
    int marks = 0;
    if (ioctl(descriptor, FS_IOC_GETFLAGS, &marks) != 0) return -errno;
    marks &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
    return ioctl(descriptor, FS_IOC_SETFLAGS, &marks) != 0 ? -errno : 0;
}
