#pragma once
#include <stdint.h>

// A disk for SQLite that counts what is asked of it, and knows at every moment what a loss of power would leave: what was
// synced, and of what was written since, some. It is a VFS over the machine's own, under a name of its own.

typedef struct faulty_disk faulty_disk;

faulty_disk *faulty_disk_make(void);
// Every store on it is closed by then.
void faulty_disk_free(faulty_disk *disk);
// For sqlite3_open_v2.
const char *faulty_disk_name(const faulty_disk *disk);

// Calls of xSync until now.
int64_t faulty_disk_syncs(faulty_disk *disk);
// Writes, truncations, deletions and syncs until now.
int64_t faulty_disk_operations(faulty_disk *disk);

// From the operation of that number on, each fails: writes with SQLITE_IOERR_WRITE, syncs with SQLITE_IOERR_FSYNC. -1: none.
void faulty_disk_fail_from(faulty_disk *disk, int64_t operation);

// Called before each operation, on the thread that asks for it; NULL: nobody.
void faulty_disk_watch(faulty_disk *disk, void (*before)(void *context), void *context);

// Writes to `folder` the files that a loss of power at this moment would leave, by their last names.
//
// - seed 0: nothing that was not synced; 1: all of it; else each write with a chance of its own, in any order, the last of
//   them torn somewhere.
// - Returns: 0, or errno.
int faulty_disk_lose_power(faulty_disk *disk, uint64_t seed, const char *folder);
