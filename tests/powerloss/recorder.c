/* Preloaded into a process (ld.so(8)): writes down, in their true order, all system calls that change files below a
 * folder, and can make some fail or be the last. What SQLite maps (its -shm) is no part of a ledger and left out.
 *
 *   RECORDER_ROOT      paths that begin so are recorded
 *   RECORDER_LOG       where to: records of a header and `length` bytes, appended (see recording.py)
 *   RECORDER_SWITCHES  a file of three numbers, shared while the process runs (see `switches` below); may be absent
 *
 * Programs that the process starts are not recorded. For 64-bit Linux.
 *   gcc -shared -fPIC -O2 -Wall -Werror -o recorder.so recorder.c
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum what { CREATE = 1, WRITE, RESIZE, SYNC, SYNC_FAILED, SYNC_FOLDER, RENAME, UNLINK };

struct header { uint64_t what, file, offset, length; };

static struct switches {
  int64_t sync_to_fail;  /* 1: the next sync fails with EIO, 2: the one after it … */
  int64_t syncs_failing; /* how many fail in a row then */
  int64_t last_effect;   /* 1: the process is killed after its next effect, 2: after the one after it … */
} none, *switches = &none;

enum { FILES = 4096 };
static uint64_t inode_of[FILES];       /* of watched descriptors, else 0 */
static char *folder_of[FILES];         /* path of watched descriptors that are folders, else NULL */
static const char *root;
static int records = -1, watched;      /* watched: whether this process ever opened a recorded file */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
  const char *log = getenv("RECORDER_LOG"), *shared = getenv("RECORDER_SWITCHES");
  root = getenv("RECORDER_ROOT");
  unsetenv("LD_PRELOAD");
  if (log)
    records = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (shared) {
    int file = syscall(SYS_openat, AT_FDCWD, shared, O_RDWR | O_CLOEXEC);
    void *map = mmap(NULL, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (map == MAP_FAILED)
      abort();
    switches = map;
    syscall(SYS_close, file);
  }
}

static int is_recorded(const char *path) {
  size_t length = strlen(path);
  return root && strncmp(path, root, strlen(root)) == 0 && !(length > 4 && strcmp(path + length - 4, "-shm") == 0);
}

static void record(enum what what, uint64_t file, uint64_t offset, const void *data, uint64_t length) {
  struct header header = {what, file, offset, length};
  struct iovec parts[2] = {{&header, sizeof header}, {(void *)data, length}};
  if (records >= 0 && syscall(SYS_writev, records, parts, 2) != (long)(sizeof header + length))
    abort();
}

static void effect(void) {
  if (switches->last_effect > 0 && --switches->last_effect == 0)
    kill(getpid(), SIGKILL);
}

static uint64_t inode(int fd) { return fd >= 0 && fd < FILES ? inode_of[fd] : 0; }

/* Each call is made and written down in one turn, so that the records stand in the order in which things happened. */
#define IN_TURN(type, call, watch, told)                                                                               \
  do {                                                                                                                 \
    pthread_mutex_lock(&turn);                                                                                         \
    type result = call;                                                                                                \
    int error = errno;                                                                                                 \
    if ((watch) && result >= 0) {                                                                                      \
      told;                                                                                                            \
      effect();                                                                                                        \
    }                                                                                                                  \
    pthread_mutex_unlock(&turn);                                                                                       \
    errno = error;                                                                                                     \
    return result;                                                                                                     \
  } while (0)

static int opened(const char *path, int flags, int mode) {
  if (!is_recorded(path))
    return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
  pthread_mutex_lock(&turn);
  int existed = syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0;
  int fd = syscall(SYS_openat, AT_FDCWD, path, flags, mode), error = errno;
  struct stat status;
  if (fd >= 0 && fd < FILES && fstat(fd, &status) == 0) {
    watched = 1;
    inode_of[fd] = status.st_ino;
    if (S_ISDIR(status.st_mode))
      folder_of[fd] = strdup(path);
    if (!existed) {
      record(CREATE, status.st_ino, 0, path, strlen(path));
      effect();
    } else if (flags & O_TRUNC)
      record(RESIZE, status.st_ino, 0, NULL, 0);
  }
  pthread_mutex_unlock(&turn);
  errno = error;
  return fd;
}

#define OPEN(name)                                                                                                     \
  int name(const char *path, int flags, ...) {                                                                         \
    va_list rest;                                                                                                      \
    va_start(rest, flags);                                                                                             \
    int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0;                                                  \
    va_end(rest);                                                                                                      \
    return opened(path, flags, mode);                                                                                  \
  }
OPEN(open)
OPEN(open64)

int close(int fd) {
  if (inode(fd)) {
    pthread_mutex_lock(&turn);
    inode_of[fd] = 0;
    free(folder_of[fd]);
    folder_of[fd] = NULL;
    pthread_mutex_unlock(&turn);
  }
  return syscall(SYS_close, fd);
}

ssize_t write(int fd, const void *data, size_t size) {
  if (!inode(fd))
    return syscall(SYS_write, fd, data, size);
  IN_TURN(ssize_t, syscall(SYS_write, fd, data, size), 1,
          record(WRITE, inode(fd), syscall(SYS_lseek, fd, 0, SEEK_CUR) - result, data, result));
}

#define PWRITE(name)                                                                                                   \
  ssize_t name(int fd, const void *data, size_t size, off_t offset) {                                                  \
    IN_TURN(ssize_t, syscall(SYS_pwrite64, fd, data, size, offset), inode(fd),                                         \
            record(WRITE, inode(fd), offset, data, result));                                                           \
  }
PWRITE(pwrite)
PWRITE(pwrite64)

#define FTRUNCATE(name)                                                                                                \
  int name(int fd, off_t size) {                                                                                       \
    IN_TURN(int, syscall(SYS_ftruncate, fd, size), inode(fd), record(RESIZE, inode(fd), size, NULL, 0));               \
  }
FTRUNCATE(ftruncate)
FTRUNCATE(ftruncate64)

static int allocated(int fd, off_t offset, off_t size) {
  struct stat status;
  IN_TURN(int, syscall(SYS_fallocate, fd, 0, offset, size), inode(fd) && fstat(fd, &status) == 0,
          record(RESIZE, inode(fd), status.st_size, NULL, 0));
}
int posix_fallocate(int fd, off_t offset, off_t size) { return allocated(fd, offset, size) ? errno : 0; }
int posix_fallocate64(int fd, off_t offset, off_t size) { return allocated(fd, offset, size) ? errno : 0; }

static int fails_now(void) {
  if (switches->sync_to_fail > 0 && --switches->sync_to_fail == 0 && switches->syncs_failing > 0) {
    switches->sync_to_fail = --switches->syncs_failing > 0;
    return 1;
  }
  return 0;
}

static int synced(long number, int fd) {
  if (!inode(fd))
    return syscall(number, fd);
  pthread_mutex_lock(&turn);
  int result = fails_now() ? (errno = EIO, -1) : syscall(number, fd), error = errno;
  const char *folder = folder_of[fd];
  if (result != 0)
    record(SYNC_FAILED, inode(fd), 0, NULL, 0);
  else if (folder)
    record(SYNC_FOLDER, inode(fd), 0, folder, strlen(folder));
  else
    record(SYNC, inode(fd), 0, NULL, 0);
  effect();
  pthread_mutex_unlock(&turn);
  errno = error;
  return result;
}
int fsync(int fd) { return synced(SYS_fsync, fd); }
int fdatasync(int fd) { return synced(SYS_fdatasync, fd); }

int unlink(const char *path) {
  IN_TURN(int, syscall(SYS_unlinkat, AT_FDCWD, path, 0), is_recorded(path), record(UNLINK, 0, 0, path, strlen(path)));
}

int rename(const char *from, const char *to) {
  char both[8192];
  int length = snprintf(both, sizeof both, "%s%c%s", from, 0, to);
  IN_TURN(int, syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0), is_recorded(to),
          record(RENAME, 0, 0, both, length));
}

/* Not recorded, but an effect: what a till tells its register. */
ssize_t send(int fd, const void *data, size_t size, int flags) {
  IN_TURN(ssize_t, syscall(SYS_sendto, fd, data, size, flags, NULL, 0), watched, (void)0);
}
