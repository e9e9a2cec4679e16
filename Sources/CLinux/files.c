#define _GNU_SOURCE
#include "files.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

int clinux_start_writeback(int descriptor) {
    return sync_file_range(descriptor, 0, 0, SYNC_FILE_RANGE_WRITE) == 0 ? 0 : -errno;
}

static int set_lock(int descriptor, short type) {
    struct flock whole = {.l_type = type, .l_whence = SEEK_SET};
    return fcntl(descriptor, F_OFD_SETLK, &whole) == 0 ? 0 : -errno;
}

int clinux_lock_file(int descriptor) { return set_lock(descriptor, F_WRLCK); }

int clinux_unlock_file(int descriptor) { return set_lock(descriptor, F_UNLCK); }
