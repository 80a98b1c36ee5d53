// Loaded into QEMU (LD_PRELOAD): it opens a snapshot's memory, which it maps privately, for reading and writing, though it
// never writes to it. Here that file is opened for reading alone, so that whoever takes QEMU over cannot change what other
// machines start from. The file is named by TVM_READ_ONLY.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_file(const char *path, int flags, mode_t mode) {
  const char *read_only = getenv("TVM_READ_ONLY");
  if (read_only && strcmp(path, read_only) == 0) flags = (flags & ~(O_ACCMODE | O_CREAT | O_TRUNC)) | O_RDONLY;
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_file(path, flags, mode);
}

int __open64_2(const char *path, int flags) { return open_file(path, flags, 0); }
