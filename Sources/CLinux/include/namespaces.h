// What lives and lies in namespaces that others have used.
#pragma once

// How many processes there are, by a folder of `proc` that was mounted for them: by the numbers in it. Or a negative errno.
int clinux_count_processes(int proc);

// How many names an open folder has. Or a negative errno.
int clinux_count_files(int folder);

// How many memory segments, semaphore sets and message queues there are in a namespace of them, by a descriptor of its file
// in /proc/<pid>/ns. Needs the right to enter it. Or a negative errno.
int clinux_count_segments(int namespace);
