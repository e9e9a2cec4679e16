// What an event loop needs: epoll, eventfd, and sockets that are born non-blocking and closed on exec.
#pragma once
#include <stdint.h>

enum {
    CLINUX_READABLE = 1,
    CLINUX_WRITABLE = 2,
    // The peer has closed its side, or the socket failed. Always reported.
    CLINUX_HUNG_UP = 4,
};

// One ready descriptor: the token it was registered under, and what it is ready for.
typedef struct {
    uint64_t token;
    uint32_t ready;
} clinux_event;

int clinux_epoll_create(void);
int clinux_epoll_add(int epoll, int descriptor, uint32_t interest, uint64_t token);
int clinux_epoll_change(int epoll, int descriptor, uint32_t interest, uint64_t token);
int clinux_epoll_remove(int epoll, int descriptor);

// Waits until something is ready, a signal came (0 events), or the time is over; -1 waits for ever.
int clinux_epoll_wait(int epoll, clinux_event *events, int most, int timeout_ms);

// A counter that wakes an epoll: write adds, drain sets it to 0.
int clinux_eventfd(void);
int clinux_eventfd_signal(int descriptor);
int clinux_eventfd_drain(int descriptor);

// A TCP socket of the address family, non-blocking, closed on exec.
int clinux_tcp_socket(int family);
int clinux_accept(int listener);

// Makes the calling thread deaf to all signals (a write to a closed socket then only fails), and names it.
void clinux_become_device_thread(const char *name);
