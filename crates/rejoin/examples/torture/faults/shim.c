/* Stands between a program and the C library (LD_PRELOAD) and lets calls fail that concern files of one
 * folder. What fails and how often stands in a control file that is mapped into memory, so it can be
 * changed while the program runs; what was made to fail is counted there. Whether a call fails depends on
 * the seed and on how many calls came before. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* As in shim.rs. */
enum {
    SHORT_WRITE = 1 << 0,
    WRITE = 1 << 1,
    NO_SPACE = 1 << 2,
    FLUSH = 1 << 3,
    NAME = 1 << 4,
    READ = 1 << 5,
    OPEN = 1 << 6,
    LOOK = 1 << 7,
    READ_ONLY = 1 << 8,
};

struct control {
    uint64_t kinds; /* 0: nothing fails */
    uint64_t per_mille;
    uint64_t seed;
    uint64_t drawn;
    uint64_t injected;
};

static struct control *control;
static const char *folder;
static size_t folder_length;

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("TORTURE_CONTROL");
    folder = getenv("TORTURE_FOLDER");
    if (!file || !folder)
        return;
    folder_length = strlen(folder);
    int fd = open(file, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        abort();
    void *map = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        abort();
    close(fd);
    __atomic_store_n(&control, (struct control *)map, __ATOMIC_RELEASE);
}

static int is_ours(const char *path) {
    return path && strncmp(path, folder, folder_length) == 0;
}

static int is_our_fd(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return is_ours(path);
}

static int asked_for(uint64_t kinds) {
    return control && (__atomic_load_n(&control->kinds, __ATOMIC_RELAXED) & kinds) != 0;
}

/* The lot, and the count if it falls. Returns a number drawn, never 0, or 0 if nothing is to fail. */
static uint64_t strikes(void) {
    uint64_t n = __atomic_add_fetch(&control->drawn, 1, __ATOMIC_RELAXED);
    uint64_t z = control->seed + n * 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z ^= z >> 31;
    if (z % 1000 >= control->per_mille)
        return 0;
    __atomic_add_fetch(&control->injected, 1, __ATOMIC_RELAXED);
    return z | 1;
}

static uint64_t path_fails(uint64_t kinds, const char *path) {
    return asked_for(kinds) && is_ours(path) ? strikes() : 0;
}

static uint64_t fd_fails(uint64_t kinds, int fd) {
    return asked_for(kinds) && is_our_fd(fd) ? strikes() : 0;
}

/* The real function of this name. */
#define REAL(name)                                                                                  \
    static __typeof__(&name) real;                                                                  \
    if (!__atomic_load_n(&real, __ATOMIC_ACQUIRE))                                                  \
        __atomic_store_n(&real, (__typeof__(&name))dlsym(RTLD_NEXT, #name), __ATOMIC_RELEASE);

#define FAIL(error)                                                                                 \
    do {                                                                                            \
        errno = (error);                                                                            \
        return -1;                                                                                  \
    } while (0)

/* Which of the kinds asked for a write falls to; 0 if it is to succeed. */
static uint64_t write_fails(int fd, size_t count, size_t *allowed) {
    uint64_t lot = fd_fails(SHORT_WRITE | WRITE | NO_SPACE, fd);
    *allowed = count;
    if (!lot)
        return 0;
    uint64_t kinds = __atomic_load_n(&control->kinds, __ATOMIC_RELAXED);
    uint64_t choice[3], n = 0;
    if (kinds & SHORT_WRITE && count > 1)
        choice[n++] = SHORT_WRITE;
    if (kinds & WRITE)
        choice[n++] = WRITE;
    if (kinds & NO_SPACE)
        choice[n++] = NO_SPACE;
    if (n == 0) { /* one byte cannot be cut short */
        __atomic_sub_fetch(&control->injected, 1, __ATOMIC_RELAXED);
        return 0;
    }
    uint64_t kind = choice[(lot >> 20) % n];
    if (kind == SHORT_WRITE)
        *allowed = 1 + (lot >> 8) % (count - 1);
    return kind;
}

#define WRITE_OR_FAIL(fd, count)                                                                    \
    size_t allowed;                                                                                 \
    switch (write_fails(fd, count, &allowed)) {                                                     \
    case WRITE:                                                                                     \
        FAIL(EIO);                                                                                  \
    case NO_SPACE:                                                                                  \
        FAIL(ENOSPC);                                                                               \
    default:                                                                                        \
        break;                                                                                      \
    }

ssize_t write(int fd, const void *bytes, size_t count) {
    REAL(write)
    WRITE_OR_FAIL(fd, count)
    return real(fd, bytes, allowed);
}

#define PWRITE(name, offset)                                                                        \
    ssize_t name(int fd, const void *bytes, size_t count, offset at) {                              \
        REAL(name)                                                                                  \
        WRITE_OR_FAIL(fd, count)                                                                    \
        return real(fd, bytes, allowed, at);                                                        \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev)
    if (fd_fails(WRITE | NO_SPACE, fd))
        FAIL(asked_for(WRITE) ? EIO : ENOSPC);
    return real(fd, parts, count);
}

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t count, unsigned flags) {
    REAL(copy_file_range)
    if (fd_fails(WRITE | NO_SPACE, out))
        FAIL(asked_for(WRITE) ? EIO : ENOSPC);
    if (fd_fails(READ, in))
        FAIL(EIO);
    return real(in, from, out, to, count, flags);
}

#define TRUNCATE(name, offset)                                                                      \
    int name(int fd, offset length) {                                                               \
        REAL(name)                                                                                  \
        if (fd_fails(WRITE, fd))                                                                    \
            FAIL(EIO);                                                                              \
        return real(fd, length);                                                                    \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

ssize_t read(int fd, void *bytes, size_t count) {
    REAL(read)
    if (fd_fails(READ, fd))
        FAIL(EIO);
    return real(fd, bytes, count);
}

#define PREAD(name, offset)                                                                         \
    ssize_t name(int fd, void *bytes, size_t count, offset at) {                                    \
        REAL(name)                                                                                  \
        if (fd_fails(READ, fd))                                                                     \
            FAIL(EIO);                                                                              \
        return real(fd, bytes, count, at);                                                          \
    }
PREAD(pread, off_t)
PREAD(pread64, off64_t)

#define SYNC(name)                                                                                  \
    int name(int fd) {                                                                              \
        REAL(name)                                                                                  \
        if (fd_fails(FLUSH, fd))                                                                    \
            FAIL(EIO);                                                                              \
        return real(fd);                                                                            \
    }
SYNC(fsync)
SYNC(fdatasync)

/* A change of names: the error it is to fail with, or 0. */
static int name_fails(const char *path) {
    if (path_fails(READ_ONLY, path))
        return EROFS;
    uint64_t lot = path_fails(NAME, path);
    return lot ? ((lot >> 20) % 2 ? EIO : EACCES) : 0;
}

#define NAME_OR_FAIL(path)                                                                          \
    int error = name_fails(path);                                                                   \
    if (error)                                                                                      \
        FAIL(error);

int rename(const char *from, const char *to) {
    REAL(rename)
    NAME_OR_FAIL(to)
    return real(from, to);
}

int renameat(int from_at, const char *from, int to_at, const char *to) {
    REAL(renameat)
    NAME_OR_FAIL(to)
    return real(from_at, from, to_at, to);
}

int link(const char *from, const char *to) {
    REAL(link)
    NAME_OR_FAIL(to)
    return real(from, to);
}

int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
    REAL(linkat)
    NAME_OR_FAIL(to)
    return real(from_at, from, to_at, to, flags);
}

int unlink(const char *path) {
    REAL(unlink)
    NAME_OR_FAIL(path)
    return real(path);
}

/* Opening: the error it is to fail with, or 0. */
static int open_fails(const char *path, int flags) {
    int writes = (flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT;
    if (writes && path_fails(READ_ONLY, path))
        return EROFS;
    if (flags & O_CREAT && path_fails(NO_SPACE, path))
        return ENOSPC;
    uint64_t lot = path_fails(OPEN, path);
    if (!lot)
        return 0;
    static const int errors[] = {EACCES, EMFILE, ENFILE, EIO};
    return errors[(lot >> 20) % 4];
}

#define OPEN_OR_FAIL(path, flags)                                                                   \
    mode_t mode = 0;                                                                                \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                            \
        va_list rest;                                                                               \
        va_start(rest, flags);                                                                      \
        mode = va_arg(rest, mode_t);                                                                \
        va_end(rest);                                                                               \
    }                                                                                               \
    int error = open_fails(path, flags);                                                            \
    if (error)                                                                                      \
        FAIL(error);

int open(const char *path, int flags, ...) {
    REAL(open)
    OPEN_OR_FAIL(path, flags)
    return real(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    REAL(open64)
    OPEN_OR_FAIL(path, flags)
    return real(path, flags, mode);
}

int openat(int at, const char *path, int flags, ...) {
    REAL(openat)
    OPEN_OR_FAIL(path, flags)
    return real(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...) {
    REAL(openat64)
    OPEN_OR_FAIL(path, flags)
    return real(at, path, flags, mode);
}

/* What is there cannot be told just now. */
#define LOOK_OR_FAIL(path)                                                                          \
    uint64_t lot = path_fails(LOOK, path);                                                          \
    if (lot)                                                                                        \
        FAIL((lot >> 20) % 2 ? EIO : EACCES);

#define STAT(name, kind)                                                                            \
    int name(const char *path, struct kind *found) {                                                \
        REAL(name)                                                                                  \
        LOOK_OR_FAIL(path)                                                                          \
        return real(path, found);                                                                   \
    }
STAT(stat, stat)
STAT(stat64, stat64)
STAT(lstat, stat)
STAT(lstat64, stat64)

int access(const char *path, int mode) {
    REAL(access)
    LOOK_OR_FAIL(path)
    return real(path, mode);
}

#define FSTAT(name, kind)                                                                           \
    int name(int fd, struct kind *found) {                                                          \
        REAL(name)                                                                                  \
        if (fd_fails(LOOK, fd))                                                                     \
            FAIL(EIO);                                                                              \
        return real(fd, found);                                                                     \
    }
FSTAT(fstat, stat)
FSTAT(fstat64, stat64)

int statx(int at, const char *path, int flags, unsigned mask, struct statx *found) {
    REAL(statx)
    /* Rust asks with a null path whether there is a statx; the header tells the compiler nobody does. */
    const char *volatile given = path;
    const char *where = given;
    if (where && where[0]) {
        LOOK_OR_FAIL(where)
    } else if (where && fd_fails(LOOK, at)) {
        FAIL(EIO);
    }
    return real(at, path, flags, mask, found);
}
