#pragma once
#include <stdint.h>

// Asks the kernel to begin writing a file's dirty pages, without waiting. 0, or a negative errno.
int clinux_start_writeback(int descriptor);

// Locks the whole file for whoever holds this opening of it, in this process or another, until it is closed everywhere.
// 0, or a negative errno: -EAGAIN or -EACCES when somebody else has it.
int clinux_lock_file(int descriptor);

// The same for the last byte alone that any file could have, where nothing lies: for files in which others lock parts.
int clinux_lock_last_byte(int descriptor);

// Lets go of either lock for all who share this opening: also where a child of this process still has a copy of it, between
// its fork and its exec. 0, or a negative errno.
int clinux_unlock_file(int descriptor);

typedef struct {
    uint64_t device, inode;
    int64_t bytes;
} clinux_unlinked;

// What a file takes of its disk that has no name any more, by a link to it in /proc; asks no file system's server anew, so that none
// can hold the caller up. 1, 0 where it has a name or is no file, or a negative errno.
int clinux_find_unlinked(const char *path, clinux_unlinked *found);
