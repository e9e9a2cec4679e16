#define _GNU_SOURCE
#include "files.h"
#include <errno.h>
#include <fcntl.h>

int clinux_start_writeback(int descriptor) {
    return sync_file_range(descriptor, 0, 0, SYNC_FILE_RANGE_WRITE) == 0 ? 0 : -errno;
}
