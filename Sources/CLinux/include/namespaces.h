// What lives and lies in namespaces that others have used.
#pragma once

// How many processes there are, by a folder of `proc` that was mounted for them: by the numbers in it. Or a negative errno.
int clinux_count_processes(int proc);

// How many names an open folder has. Or a negative errno.
int clinux_count_files(int folder);

// Where a namespace lists its memory segments, semaphore sets and message queues of either kind; -1 for what this kernel does
// not have. They keep showing that namespace, and keep it alive, until they are closed.
typedef struct {
    int segments, semaphores, queues, posix_queues;
} clinux_ipc;

// Opens the lists of a namespace, given by a descriptor of its file in /proc/<pid>/ns. Needs the right to enter it, and a
// /proc. 0 or a negative errno: nothing is open then.
int clinux_open_ipc(int namespace, clinux_ipc *lists);

// How many there are in all. Or a negative errno.
int clinux_count_ipc(const clinux_ipc *lists);

void clinux_close_ipc(const clinux_ipc *lists);
