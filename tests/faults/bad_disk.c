// A disk that fails on command, preloaded into a process: writes and syncs of database files.
//
// The file named by BAD_DISK_CONTROL holds four 32-bit numbers that both sides map: operations that still succeed
// (-1: all of them), the error number that later ones get, whether only one fails (1) or all until further notice (0),
// and how many have failed. Only files whose path contains BAD_DISK_PATH are touched.
// With BAD_DISK_SHADOW every sync also copies the whole file there: what is in that folder is what a disk holds for sure.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

struct control {
  int left, error, once, failed;
};

static struct control *control;
static const char *wanted, *shadow;
static ssize_t (*next_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*next_write)(int, const void *, size_t);
static int (*next_fsync)(int), (*next_fdatasync)(int), (*next_ftruncate)(int, off_t);

__attribute__((constructor)) static void begin(void) {
  next_pwrite = dlsym(RTLD_NEXT, "pwrite64");
  next_write = dlsym(RTLD_NEXT, "write");
  next_fsync = dlsym(RTLD_NEXT, "fsync");
  next_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  next_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
  wanted = getenv("BAD_DISK_PATH");
  shadow = getenv("BAD_DISK_SHADOW");
  const char *path = getenv("BAD_DISK_CONTROL");
  int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
  if (fd >= 0) {
    void *mapped = mmap(0, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    control = mapped == MAP_FAILED ? 0 : mapped;
    close(fd);
  }
}

static const char *name_of(int fd) {
  static __thread char path[4096];
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, path, sizeof path - 1);
  if (size < 0) return 0;
  path[size] = 0;
  return path;
}

static int is_wanted(int fd) {
  const char *name = wanted ? name_of(fd) : 0;
  return name && strstr(name, wanted) && !strstr(name, "-shm");
}

static int fails(int fd) {
  if (!control || __atomic_load_n(&control->left, __ATOMIC_SEQ_CST) < 0 || !is_wanted(fd)) return 0;
  if (__atomic_load_n(&control->left, __ATOMIC_SEQ_CST) > 0) {
    __atomic_sub_fetch(&control->left, 1, __ATOMIC_SEQ_CST);
    return 0;
  }
  __atomic_add_fetch(&control->failed, 1, __ATOMIC_SEQ_CST);
  if (control->once) __atomic_store_n(&control->left, -1, __ATOMIC_SEQ_CST);
  errno = control->error;
  return 1;
}

static void keep(int fd) {
  const char *name = shadow && is_wanted(fd) ? name_of(fd) : 0;
  if (!name) return;
  char target[4096 + 16], fresh[4096 + 32];
  snprintf(target, sizeof target, "%s/%s", shadow, strrchr(name, '/') + 1);
  snprintf(fresh, sizeof fresh, "%s.%d", target, gettid());
  struct stat status;
  int from = open(name, O_RDONLY | O_CLOEXEC), to = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  static __thread char buffer[1 << 16];
  ssize_t size = -1;
  while (from >= 0 && to >= 0 && (size = read(from, buffer, sizeof buffer)) > 0)
    if (next_write(to, buffer, size) != size) abort();
  if (size == 0 && fstat(to, &status) == 0) rename(fresh, target);
  if (from >= 0) close(from);
  if (to >= 0) close(to);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t at) {
  return fails(fd) ? -1 : next_pwrite(fd, data, size, at);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return pwrite64(fd, data, size, at); }

ssize_t write(int fd, const void *data, size_t size) { return fails(fd) ? -1 : next_write(fd, data, size); }

int ftruncate64(int fd, off_t size) { return fails(fd) ? -1 : next_ftruncate(fd, size); }

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int fsync(int fd) {
  if (fails(fd)) return -1;
  int result = next_fsync(fd);
  if (!result) keep(fd);
  return result;
}

int fdatasync(int fd) {
  if (fails(fd)) return -1;
  int result = next_fdatasync(fd);
  if (!result) keep(fd);
  return result;
}
