#pragma once
#include <sqlite3.h>

// A macro with a cast, which Swift cannot see.
static inline sqlite3_destructor_type sheaf_sqlite_transient(void) { return SQLITE_TRANSIENT; }
