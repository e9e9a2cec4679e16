#define _GNU_SOURCE
#include "epoll.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

static int answer(int result) { return result < 0 ? -errno : result; }

int clinux_epoll_create(void) { return answer(epoll_create1(EPOLL_CLOEXEC)); }

static int control(int epoll, int operation, int descriptor, uint32_t interest, uint64_t token) {
    struct epoll_event event = {.events = EPOLLRDHUP, .data.u64 = token};
    if (interest & CLINUX_READABLE) event.events |= EPOLLIN;
    if (interest & CLINUX_WRITABLE) event.events |= EPOLLOUT;
    // A descriptor that nobody reads is not told again and again that its peer has left.
    if (!(interest & CLINUX_READABLE)) event.events &= ~(uint32_t)EPOLLRDHUP;
    return answer(epoll_ctl(epoll, operation, descriptor, &event));
}

int clinux_epoll_add(int epoll, int descriptor, uint32_t interest, uint64_t token) {
    return control(epoll, EPOLL_CTL_ADD, descriptor, interest, token);
}

int clinux_epoll_change(int epoll, int descriptor, uint32_t interest, uint64_t token) {
    return control(epoll, EPOLL_CTL_MOD, descriptor, interest, token);
}

int clinux_epoll_remove(int epoll, int descriptor) {
    return answer(epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, NULL));
}

int clinux_epoll_wait(int epoll, clinux_event *events, int most, int timeout_ms) {
    struct epoll_event raw[256];
    if (most > 256) most = 256;
    int count = epoll_wait(epoll, raw, most, timeout_ms);
    if (count < 0) return errno == EINTR ? 0 : -errno;
    for (int index = 0; index < count; index++) {
        uint32_t ready = 0;
        if (raw[index].events & EPOLLIN) ready |= CLINUX_READABLE;
        if (raw[index].events & EPOLLOUT) ready |= CLINUX_WRITABLE;
        if (raw[index].events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) ready |= CLINUX_HUNG_UP;
        events[index] = (clinux_event){.token = raw[index].data.u64, .ready = ready};
    }
    return count;
}

int clinux_eventfd(void) { return answer(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)); }

int clinux_eventfd_signal(int descriptor) {
    uint64_t one = 1;
    ssize_t count;
    do count = write(descriptor, &one, sizeof one); while (count < 0 && errno == EINTR);
    // EAGAIN: the counter is full, so the waiter is awake already.
    return count < 0 && errno != EAGAIN ? -errno : 0;
}

int clinux_eventfd_drain(int descriptor) {
    uint64_t value;
    ssize_t count;
    do count = read(descriptor, &value, sizeof value); while (count < 0 && errno == EINTR);
    return count < 0 && errno != EAGAIN ? -errno : 0;
}

static int without_delay(int descriptor) {
    int on = 1;
    // A failure costs latency and nothing else.
    if (descriptor >= 0) (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return descriptor;
}

int clinux_tcp_socket(int family) {
    return without_delay(answer(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP)));
}

int clinux_accept(int listener) {
    return without_delay(answer(accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)));
}

void clinux_become_device_thread(const char *name) {
    sigset_t all;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, NULL);
    (void)pthread_setname_np(pthread_self(), name);
}
