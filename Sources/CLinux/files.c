#define _GNU_SOURCE
#include "files.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

int clinux_start_writeback(int descriptor) {
    return sync_file_range(descriptor, 0, 0, SYNC_FILE_RANGE_WRITE) == 0 ? 0 : -errno;
}

static int set_lock(int descriptor, short type, off_t start, off_t length) {
    struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return fcntl(descriptor, F_OFD_SETLK, &range) == 0 ? 0 : -errno;
}

int clinux_lock_file(int descriptor) { return set_lock(descriptor, F_WRLCK, 0, 0); }

int clinux_lock_last_byte(int descriptor) { return set_lock(descriptor, F_WRLCK, INT64_MAX - 1, 1); }

int clinux_unlock_file(int descriptor) { return set_lock(descriptor, F_UNLCK, 0, 0); }

int clinux_find_unlinked(const char *path, clinux_unlinked *found) {
    struct statx facts;
    unsigned wanted = STATX_TYPE | STATX_NLINK | STATX_INO | STATX_BLOCKS;
    if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, wanted, &facts) < 0) return -errno;
    if (!S_ISREG(facts.stx_mode) || facts.stx_nlink > 0) return 0;
    found->device = makedev(facts.stx_dev_major, facts.stx_dev_minor);
    found->inode = facts.stx_ino;
    found->bytes = facts.stx_blocks > INT64_MAX / 512 ? INT64_MAX : (int64_t)facts.stx_blocks * 512;
    return 1;
}
