#pragma once
#include <sqlite3.h>

// Whether an extended error is one of writing or extending a file (macros with shifts).
static inline int sheaf_sqlite_is_write(int code) {
    return code == SQLITE_IOERR_WRITE || code == SQLITE_IOERR_TRUNCATE || code == SQLITE_IOERR_SHMSIZE
        || code == SQLITE_IOERR_SHMMAP;
}

// A macro with a cast, which Swift cannot see.
static inline sqlite3_destructor_type sheaf_sqlite_transient(void) { return SQLITE_TRANSIENT; }
