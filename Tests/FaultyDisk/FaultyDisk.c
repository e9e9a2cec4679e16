#include "FaultyDisk.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A write or a truncation that was not synced yet.
struct change {
    struct change *next;
    int64_t offset;
    int64_t count; // -1: the file was cut to `offset` bytes
    uint8_t bytes[];
};

// A file as the disk has it for sure, and what was done to it since.
struct image {
    struct image *next;
    char *path;
    uint8_t *bytes;
    int64_t count;
    struct change *first;
    struct change **last;
};

struct faulty_disk {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    char name[40];
    pthread_mutex_t mutex;
    struct image *images;
    int64_t syncs;
    int64_t operations;
    int64_t fail_from;
    void (*before)(void *);
    void *context;
};

struct file {
    sqlite3_file base;
    faulty_disk *disk;
    struct image *image; // NULL: not looked at
    sqlite3_file *real;
};

static sqlite3_file *real(sqlite3_file *file) { return ((struct file *)file)->real; }

// Counts an operation. Returns whether it is to fail.
static int count(faulty_disk *disk, int is_sync) {
    pthread_mutex_lock(&disk->mutex);
    void (*before)(void *) = disk->before;
    void *context = disk->context;
    int fails = disk->fail_from >= 0 && disk->operations >= disk->fail_from;
    pthread_mutex_unlock(&disk->mutex);
    if (before != NULL) before(context);
    pthread_mutex_lock(&disk->mutex);
    disk->operations += 1;
    disk->syncs += is_sync && !fails;
    pthread_mutex_unlock(&disk->mutex);
    return fails;
}

static void append(struct image *image, int64_t offset, int64_t count, const void *bytes) {
    struct change *change = malloc(sizeof *change + (size_t)(count > 0 ? count : 0));
    if (change == NULL) abort();
    change->next = NULL;
    change->offset = offset;
    change->count = count;
    if (count > 0) memcpy(change->bytes, bytes, (size_t)count);
    *image->last = change;
    image->last = &change->next;
}

// Brings a copy of a file's bytes up to date by one change.
static void apply(uint8_t **bytes, int64_t *size, const struct change *change, int64_t most) {
    if (change->count < 0) {
        if (change->offset < *size) *size = change->offset;
        return;
    }
    int64_t count = change->count < most ? change->count : most;
    if (change->offset + count > *size) {
        uint8_t *larger = realloc(*bytes, (size_t)(change->offset + count));
        if (larger == NULL) abort();
        if (change->offset > *size) memset(larger + *size, 0, (size_t)(change->offset - *size));
        *bytes = larger;
        *size = change->offset + count;
    }
    memcpy(*bytes + change->offset, change->bytes, (size_t)count);
}

static void forget(struct image *image) {
    while (image->first != NULL) {
        struct change *next = image->first->next;
        free(image->first);
        image->first = next;
    }
    image->last = &image->first;
}

// Files

static int close_file(sqlite3_file *file) {
    struct file *mine = (struct file *)file;
    int code = mine->real->pMethods ? mine->real->pMethods->xClose(mine->real) : SQLITE_OK;
    return code;
}

static int read_file(sqlite3_file *file, void *to, int count, sqlite3_int64 offset) {
    return real(file)->pMethods->xRead(real(file), to, count, offset);
}

static int write_file(sqlite3_file *file, const void *from, int size, sqlite3_int64 offset) {
    struct file *mine = (struct file *)file;
    if (count(mine->disk, 0)) return SQLITE_IOERR_WRITE;
    int code = real(file)->pMethods->xWrite(real(file), from, size, offset);
    pthread_mutex_lock(&mine->disk->mutex);
    if (code == SQLITE_OK && mine->image != NULL) append(mine->image, offset, size, from);
    pthread_mutex_unlock(&mine->disk->mutex);
    return code;
}

static int truncate_file(sqlite3_file *file, sqlite3_int64 size) {
    struct file *mine = (struct file *)file;
    if (count(mine->disk, 0)) return SQLITE_IOERR_TRUNCATE;
    int code = real(file)->pMethods->xTruncate(real(file), size);
    pthread_mutex_lock(&mine->disk->mutex);
    if (code == SQLITE_OK && mine->image != NULL) append(mine->image, size, -1, NULL);
    pthread_mutex_unlock(&mine->disk->mutex);
    return code;
}

// The machine's own disk is not asked: what would be on it is known here.
static int sync_file(sqlite3_file *file, int flags) {
    (void)flags;
    struct file *mine = (struct file *)file;
    if (count(mine->disk, 1)) return SQLITE_IOERR_FSYNC;
    if (mine->image == NULL) return SQLITE_OK;
    pthread_mutex_lock(&mine->disk->mutex);
    for (struct change *change = mine->image->first; change != NULL; change = change->next)
        apply(&mine->image->bytes, &mine->image->count, change, INT64_MAX);
    forget(mine->image);
    pthread_mutex_unlock(&mine->disk->mutex);
    return SQLITE_OK;
}

static int size_of_file(sqlite3_file *file, sqlite3_int64 *size) {
    return real(file)->pMethods->xFileSize(real(file), size);
}
static int lock_file(sqlite3_file *file, int level) { return real(file)->pMethods->xLock(real(file), level); }
static int unlock_file(sqlite3_file *file, int level) { return real(file)->pMethods->xUnlock(real(file), level); }
static int check_lock(sqlite3_file *file, int *answer) {
    return real(file)->pMethods->xCheckReservedLock(real(file), answer);
}
static int control_file(sqlite3_file *file, int what, void *argument) {
    return real(file)->pMethods->xFileControl(real(file), what, argument);
}
static int sector_size(sqlite3_file *file) { return real(file)->pMethods->xSectorSize(real(file)); }
static int characteristics(sqlite3_file *file) { return real(file)->pMethods->xDeviceCharacteristics(real(file)); }
static int map_memory(sqlite3_file *file, int page, int size, int extend, void volatile **at) {
    return real(file)->pMethods->xShmMap(real(file), page, size, extend, at);
}
static int lock_memory(sqlite3_file *file, int offset, int n, int flags) {
    return real(file)->pMethods->xShmLock(real(file), offset, n, flags);
}
static void barrier(sqlite3_file *file) { real(file)->pMethods->xShmBarrier(real(file)); }
static int unmap_memory(sqlite3_file *file, int remove) {
    return real(file)->pMethods->xShmUnmap(real(file), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = close_file,
    .xRead = read_file,
    .xWrite = write_file,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = size_of_file,
    .xLock = lock_file,
    .xUnlock = unlock_file,
    .xCheckReservedLock = check_lock,
    .xFileControl = control_file,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = characteristics,
    .xShmMap = map_memory,
    .xShmLock = lock_memory,
    .xShmBarrier = barrier,
    .xShmUnmap = unmap_memory,
};

// The disk

static struct image *image_of(faulty_disk *disk, const char *path, sqlite3_file *file) {
    pthread_mutex_lock(&disk->mutex);
    struct image *image = disk->images;
    while (image != NULL && strcmp(image->path, path) != 0) image = image->next;
    if (image == NULL) {
        image = calloc(1, sizeof *image);
        if (image == NULL) abort();
        image->path = strdup(path);
        image->last = &image->first;
        sqlite3_int64 size = 0;
        // What is there already counts as synced.
        if (file->pMethods->xFileSize(file, &size) == SQLITE_OK && size > 0) {
            image->bytes = malloc((size_t)size);
            if (image->bytes == NULL || file->pMethods->xRead(file, image->bytes, (int)size, 0) != SQLITE_OK) abort();
            image->count = size;
        }
        image->next = disk->images;
        disk->images = image;
    }
    pthread_mutex_unlock(&disk->mutex);
    return image;
}

static int open_file(sqlite3_vfs *vfs, sqlite3_filename path, sqlite3_file *file, int flags, int *given) {
    faulty_disk *disk = vfs->pAppData;
    struct file *mine = (struct file *)file;
    memset(mine, 0, sizeof *mine);
    mine->disk = disk;
    mine->real = (sqlite3_file *)(mine + 1);
    int code = disk->real->xOpen(disk->real, path, mine->real, flags, given);
    if (mine->real->pMethods != NULL) file->pMethods = &methods;
    if (code != SQLITE_OK) return code;
    if (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL))
        mine->image = image_of(disk, path, mine->real);
    return SQLITE_OK;
}

static int delete_file(sqlite3_vfs *vfs, const char *path, int sync) {
    faulty_disk *disk = vfs->pAppData;
    if (count(disk, 0)) return SQLITE_IOERR_DELETE;
    int code = disk->real->xDelete(disk->real, path, sync);
    pthread_mutex_lock(&disk->mutex);
    // Taken as durable at once: a file that comes back is the journal's own concern, and tested by SQLite itself.
    for (struct image **at = &disk->images; *at != NULL; at = &(*at)->next) {
        if (strcmp((*at)->path, path) != 0) continue;
        struct image *gone = *at;
        *at = gone->next;
        forget(gone);
        free(gone->bytes);
        free(gone->path);
        free(gone);
        break;
    }
    pthread_mutex_unlock(&disk->mutex);
    return code;
}

faulty_disk *faulty_disk_make(void) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static int number = 0;
    sqlite3_initialize();
    faulty_disk *disk = calloc(1, sizeof *disk);
    if (disk == NULL) abort();
    disk->real = sqlite3_vfs_find(NULL);
    disk->vfs = *disk->real;
    disk->fail_from = -1;
    pthread_mutex_init(&disk->mutex, NULL);
    pthread_mutex_lock(&mutex);
    snprintf(disk->name, sizeof disk->name, "faulty-%d", ++number);
    pthread_mutex_unlock(&mutex);
    disk->vfs.pNext = NULL;
    disk->vfs.zName = disk->name;
    disk->vfs.pAppData = disk;
    disk->vfs.szOsFile = (int)sizeof(struct file) + disk->real->szOsFile;
    disk->vfs.xOpen = open_file;
    disk->vfs.xDelete = delete_file;
    sqlite3_vfs_register(&disk->vfs, 0);
    return disk;
}

void faulty_disk_free(faulty_disk *disk) {
    sqlite3_vfs_unregister(&disk->vfs);
    while (disk->images != NULL) {
        struct image *next = disk->images->next;
        forget(disk->images);
        free(disk->images->bytes);
        free(disk->images->path);
        free(disk->images);
        disk->images = next;
    }
    pthread_mutex_destroy(&disk->mutex);
    free(disk);
}

const char *faulty_disk_name(const faulty_disk *disk) { return disk->name; }

int64_t faulty_disk_syncs(faulty_disk *disk) {
    pthread_mutex_lock(&disk->mutex);
    int64_t syncs = disk->syncs;
    pthread_mutex_unlock(&disk->mutex);
    return syncs;
}

int64_t faulty_disk_operations(faulty_disk *disk) {
    pthread_mutex_lock(&disk->mutex);
    int64_t operations = disk->operations;
    pthread_mutex_unlock(&disk->mutex);
    return operations;
}

void faulty_disk_fail_from(faulty_disk *disk, int64_t operation) {
    pthread_mutex_lock(&disk->mutex);
    disk->fail_from = operation;
    pthread_mutex_unlock(&disk->mutex);
}

void faulty_disk_watch(faulty_disk *disk, void (*before)(void *), void *context) {
    pthread_mutex_lock(&disk->mutex);
    disk->before = before;
    disk->context = context;
    pthread_mutex_unlock(&disk->mutex);
}

static uint64_t mix(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

static int leave(const struct image *image, uint64_t *state, uint64_t seed, const char *folder) {
    int64_t size = image->count;
    uint8_t *bytes = malloc(size > 0 ? (size_t)size : 1);
    if (bytes == NULL) abort();
    if (size > 0) memcpy(bytes, image->bytes, (size_t)size);
    for (const struct change *change = image->first; change != NULL; change = change->next) {
        if (seed == 0) continue;
        int is_kept = seed == 1 || mix(state) % 2;
        int64_t most = INT64_MAX;
        if (seed > 1 && change->next == NULL && change->count > 1) most = (int64_t)(mix(state) % (uint64_t)change->count);
        if (is_kept) apply(&bytes, &size, change, most);
    }
    const char *name = strrchr(image->path, '/');
    char path[4096];
    snprintf(path, sizeof path, "%s%s", folder, name != NULL ? name : image->path);
    FILE *out = fopen(path, "wb");
    if (out == NULL) {
        free(bytes);
        return errno;
    }
    size_t written = fwrite(bytes, 1, (size_t)size, out);
    free(bytes);
    if (fclose(out) != 0 || written != (size_t)size) return EIO;
    return 0;
}

int faulty_disk_lose_power(faulty_disk *disk, uint64_t seed, const char *folder) {
    uint64_t state = seed;
    int code = 0;
    pthread_mutex_lock(&disk->mutex);
    for (const struct image *image = disk->images; image != NULL && code == 0; image = image->next)
        code = leave(image, &state, seed, folder);
    pthread_mutex_unlock(&disk->mutex);
    return code;
}
