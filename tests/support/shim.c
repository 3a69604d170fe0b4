/* Stands between a process and its kernel (LD_PRELOAD): above all between it and its disk.
 *
 * SHIM_DIR     the directory it looks after.
 * SHIM_SHADOW  where to keep, by inode, what every file there held when it was last synced: all that
 *              a loss of power would leave for sure. Syncs go no further than to there.
 * SHIM_FAULT   while this file exists, what it names (ENOSPC, EROFS, EIO) is what writing there gives;
 *              or no sync ends (HOLD).
 * SHIM_BOOT    a file that is read in place of the kernel's boot id.
 * SHIM_CLOCK   how many seconds the clock is ahead, or a file that says so at each look at the clock.
 * SHIM_SYSCALL the number of a system call that is forbidden, as in a container.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))real(#name))
#define FILES 65536

struct range {
    off_t from, to;
    struct range *next;
};

/* What was written to a file since its last sync. */
struct file {
    ino_t inode;
    struct range *written;
    off_t cut_to; /* the shortest it has been, or -1 */
};

static struct file files[FILES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static int is_below(const char *path) {
    const char *dir = getenv("SHIM_DIR");
    size_t length = dir ? strlen(dir) : 0;
    return length && path && !strncmp(path, dir, length) && path[length] == '/';
}

static struct file *find(ino_t inode, int add) {
    for (size_t i = 0; i < FILES; i++) {
        struct file *file = &files[(inode + i) % FILES];
        if (file->inode == inode) return file;
        if (file->inode) continue;
        if (!add) return NULL;
        file->inode = inode;
        file->cut_to = -1;
        return file;
    }
    abort();
}

/* The file behind a descriptor, locked; NULL, and not locked, for what is not looked after. */
static struct file *begin(int fd) {
    struct stat stat;
    if (!getenv("SHIM_DIR")) return NULL;
    int before = errno;
    if (fstat(fd, &stat) || !S_ISREG(stat.st_mode)) {
        errno = before;
        return NULL;
    }
    pthread_mutex_lock(&lock);
    struct file *file = find(stat.st_ino, 0);
    if (!file) pthread_mutex_unlock(&lock);
    errno = before;
    return file;
}

static void end(void) { pthread_mutex_unlock(&lock); }

static void shadow_of(ino_t inode, char path[PATH_MAX]) {
    snprintf(path, PATH_MAX, "%s/%lu", getenv("SHIM_SHADOW"), (unsigned long)inode);
}

static void forget(struct file *file) {
    for (struct range *range = file->written, *next; range; range = next) {
        next = range->next;
        free(range);
    }
    file->written = NULL;
    file->cut_to = -1;
}

/* What the file says that makes faults; empty for none. */
static void read_fault(char text[16]) {
    const char *path = getenv("SHIM_FAULT");
    int before = errno, fd = path ? REAL(open)(path, O_RDONLY | O_CLOEXEC) : -1;
    memset(text, 0, 16);
    if (fd >= 0) {
        (void)!read(fd, text, 15);
        close(fd);
    }
    errno = before;
}

/* Whether to refuse; errno says why. */
static int refuses(void) {
    char text[16];
    read_fault(text);
    if (!text[0] || !strncmp(text, "HOLD", 4)) return 0;
    errno = !strncmp(text, "EROFS", 5) ? EROFS : !strncmp(text, "EIO", 3) ? EIO : ENOSPC;
    return 1;
}

static void hold(void) {
    char text[16];
    while (read_fault(text), !strncmp(text, "HOLD", 4)) usleep(1000);
}

static int refuses_fd(int fd) {
    struct file *file = begin(fd);
    if (file) end();
    return file && refuses();
}

static void wrote(int fd, off_t from, ssize_t count) {
    if (count <= 0) return;
    struct file *file = begin(fd);
    if (!file) return;
    off_t to = from + count;
    if (file->written && file->written->to == from) {
        file->written->to = to;
    } else {
        struct range *range = malloc(sizeof *range);
        *range = (struct range){from, to, file->written};
        file->written = range;
    }
    end();
}

static void copy(int from, int to, off_t at, off_t end) {
    char buffer[1 << 16];
    while (at < end) {
        size_t most = end - at < (off_t)sizeof buffer ? (size_t)(end - at) : sizeof buffer;
        ssize_t got = pread(from, buffer, most, at);
        if (got <= 0 || REAL(pwrite)(to, buffer, (size_t)got, at) != got) return;
        at += got;
    }
}

/* Everything that was written so far is safe. 0 for what is not looked after. */
static int keep(int fd) {
    struct stat stat;
    char path[PATH_MAX];
    struct file *file = getenv("SHIM_SHADOW") ? begin(fd) : NULL;
    if (!file) return 0;
    shadow_of(file->inode, path);
    int to = REAL(open)(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    char self[64];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    int from = REAL(open)(self, O_RDONLY | O_CLOEXEC);
    if (to < 0 || from < 0 || fstat(from, &stat)) abort();
    if (file->cut_to >= 0) (void)!REAL(ftruncate)(to, file->cut_to);
    (void)!REAL(ftruncate)(to, stat.st_size);
    for (struct range *range = file->written; range; range = range->next)
        copy(from, to, range->from, range->to < stat.st_size ? range->to : stat.st_size);
    forget(file);
    close(from);
    close(to);
    end();
    return 1;
}

static int opened(int fd, const char *path, int flags, int is_new) {
    struct stat stat;
    if (fd < 0 || !is_below(path) || fstat(fd, &stat) || !S_ISREG(stat.st_mode)) return fd;
    pthread_mutex_lock(&lock);
    struct file *file = find(stat.st_ino, 1);
    if (is_new) {
        /* The inode may have been another file's. */
        char shadow[PATH_MAX];
        forget(file);
        if (getenv("SHIM_SHADOW")) {
            shadow_of(stat.st_ino, shadow);
            REAL(unlink)(shadow);
        }
    }
    if (flags & O_TRUNC) file->cut_to = 0;
    pthread_mutex_unlock(&lock);
    return fd;
}

static int open_any(const char *name, int dir, const char *path, int flags, mode_t mode) {
    const char *boot = getenv("SHIM_BOOT");
    if (boot && path && !strcmp(path, "/proc/sys/kernel/random/boot_id")) path = boot;
    int is_new = is_below(path) && access(path, F_OK);
    int changes = (flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT;
    if (is_below(path) && changes && refuses()) return -1;
    int fd = dir == AT_FDCWD
                 ? ((int (*)(const char *, int, ...))real(name))(path, flags, mode)
                 : ((int (*)(int, const char *, int, ...))real(name))(dir, path, flags, mode);
    return opened(fd, path, flags, is_new);
}

#define MODE(flags) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
        va_list args; \
        va_start(args, flags); \
        mode = va_arg(args, mode_t); \
        va_end(args); \
    }

int open(const char *path, int flags, ...) {
    MODE(flags)
    return open_any("open", AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(flags)
    return open_any("open64", AT_FDCWD, path, flags, mode);
}

static int open_at(int dir, const char *path, int flags, mode_t mode) {
    if (path && path[0] == '/') return open_any("open64", AT_FDCWD, path, flags, mode);
    return ((int (*)(int, const char *, int, ...))real("openat64"))(dir, path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...) {
    MODE(flags)
    return open_at(dir, path, flags, mode);
}

int openat64(int dir, const char *path, int flags, ...) {
    MODE(flags)
    return open_at(dir, path, flags, mode);
}

ssize_t write(int fd, const void *bytes, size_t count) {
    if (refuses_fd(fd)) return -1;
    ssize_t done = REAL(write)(fd, bytes, count);
    wrote(fd, done > 0 ? lseek(fd, 0, SEEK_CUR) - done : 0, done);
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (refuses_fd(fd)) return -1;
    ssize_t done = REAL(writev)(fd, parts, count);
    wrote(fd, done > 0 ? lseek(fd, 0, SEEK_CUR) - done : 0, done);
    return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    if (refuses_fd(fd)) return -1;
    ssize_t done = REAL(pwrite64)(fd, bytes, count, at);
    wrote(fd, at, done);
    return done;
}

static int cut(int fd, off_t length) {
    if (refuses_fd(fd)) return -1;
    int done = REAL(ftruncate64)(fd, length);
    struct file *file = done ? NULL : begin(fd);
    if (!file) return done;
    if (file->cut_to < 0 || length < file->cut_to) file->cut_to = length;
    end();
    return done;
}

int ftruncate(int fd, off_t length) { return cut(fd, length); }
int ftruncate64(int fd, off64_t length) { return cut(fd, length); }

int fsync(int fd) {
    hold();
    if (refuses_fd(fd)) return -1;
    return keep(fd) || getenv("SHIM_SHADOW") ? 0 : REAL(fsync)(fd);
}

int fdatasync(int fd) {
    hold();
    if (refuses_fd(fd)) return -1;
    return keep(fd) || getenv("SHIM_SHADOW") ? 0 : REAL(fdatasync)(fd);
}

int rename(const char *from, const char *to) {
    if (is_below(to) && refuses()) return -1;
    return REAL(rename)(from, to);
}

int mkdir(const char *path, mode_t mode) {
    if (is_below(path) && refuses()) return -1;
    return REAL(mkdir)(path, mode);
}

static long seconds_ahead(void) {
    const char *ahead = getenv("SHIM_CLOCK");
    if (!ahead) return 0;
    if (*ahead != '/') return atol(ahead);
    char text[32] = {0};
    int before = errno, fd = REAL(open)(ahead, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (read(fd, text, sizeof text - 1) < 0) text[0] = 0;
        close(fd);
    }
    errno = before;
    return atol(text);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int done = REAL(clock_gettime)(clock, time);
    if (!done && clock == CLOCK_REALTIME) time->tv_sec += seconds_ahead();
    return done;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    int done = REAL(gettimeofday)(time, zone);
    if (!done) time->tv_sec += seconds_ahead();
    return done;
}

long syscall(long number, ...) {
    static long (*next)(long, ...);
    const char *forbidden = getenv("SHIM_SYSCALL");
    if (forbidden && number == atol(forbidden)) {
        errno = EPERM;
        return -1;
    }
    if (!next) next = (long (*)(long, ...))real("syscall");
    va_list list;
    long given[6];
    va_start(list, number);
    for (int i = 0; i < 6; i++) given[i] = va_arg(list, long);
    va_end(list);
    return next(number, given[0], given[1], given[2], given[3], given[4], given[5]);
}
