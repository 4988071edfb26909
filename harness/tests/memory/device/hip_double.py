"""A library that answers for HIP's virtual memory on the CPU, compiled from C with HIP 6's own layout.

Its structures and functions are declared as ROCm's public headers document them, so that what ctypes passes
is read as the real library would read it. Addresses that are reserved are real and unmapped, and can be
backed. It writes each call into the file that HIP_DOUBLE_LOG names, and refuses the one that
HIP_DOUBLE_REFUSES names.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

SOURCE = r"""
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef struct { int type; int id; } location_t;
typedef struct {
  int type; int requested; location_t location; void *win32;
  struct { unsigned char compression; unsigned char rdma; unsigned short usage; } flags;
} properties_t;
typedef struct { location_t location; int flags; } access_t;
typedef struct { size_t size; } *handle_t;

static int told(const char *name, const char *rest) {
  FILE *log = fopen(getenv("HIP_DOUBLE_LOG"), "a");
  fprintf(log, "%s %s\n", name, rest);
  fclose(log);
  const char *refused = getenv("HIP_DOUBLE_REFUSES");
  return refused && !strcmp(refused, name) ? 2 : 0;  /* hipErrorOutOfMemory */
}
#define TELL(name, ...) char text[256]; snprintf(text, sizeof text, __VA_ARGS__); \
  int code = told(name, text); if (code) return code

int hipInit(unsigned int flags) { TELL("Init", "%u", flags); return 0; }

int hipRuntimeGetVersion(int *version) {
  *version = VERSION;
  return 0;
}

int hipMemGetAllocationGranularity(size_t *size, const properties_t *p, int option) {
  TELL("MemGetAllocationGranularity", "type=%d location=%d:%d win32=%d usage=%d option=%d",
       p->type, p->location.type, p->location.id, p->win32 != NULL, p->flags.usage, option);
  *size = 1 << 16;
  return 0;
}

int hipMemAddressReserve(void **address, size_t size, size_t alignment, void *wanted,
                         unsigned long long flags) {
  TELL("MemAddressReserve", "size=%zu alignment=%zu wanted=%d flags=%llu", size, alignment, wanted != NULL,
       flags);
  *address = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return *address == MAP_FAILED ? 2 : 0;
}

int hipMemCreate(handle_t *handle, size_t size, const properties_t *p, unsigned long long flags) {
  TELL("MemCreate", "size=%zu type=%d location=%d:%d flags=%llu", size, p->type, p->location.type,
       p->location.id, flags);
  *handle = malloc(sizeof **handle);
  (*handle)->size = size;
  return 0;
}

int hipMemMap(void *address, size_t size, size_t offset, handle_t handle, unsigned long long flags) {
  TELL("MemMap", "size=%zu offset=%zu handle=%zu flags=%llu", size, offset, handle->size, flags);
  return address ? 0 : 1;
}

int hipMemSetAccess(void *address, size_t size, const access_t *access, size_t count) {
  TELL("MemSetAccess", "size=%zu location=%d:%d flags=%d count=%zu", size, access->location.type,
       access->location.id, access->flags, count);
  return mprotect(address, size, PROT_READ | PROT_WRITE) ? 1 : 0;
}

int hipMemUnmap(void *address, size_t size) {
  TELL("MemUnmap", "size=%zu", size);
  return mprotect(address, size, PROT_NONE) ? 1 : 0;
}

int hipMemRelease(handle_t handle) {
  TELL("MemRelease", "handle=%zu", handle->size);
  free(handle);
  return 0;
}

int hipMemAddressFree(void *address, size_t size) {
  TELL("MemAddressFree", "size=%zu", size);
  return munmap(address, size) ? 1 : 0;
}

int hipThreadExchangeStreamCaptureMode(int *mode) {
  static int now;
  TELL("ThreadExchangeStreamCaptureMode", "%d", *mode);
  int before = now;
  now = *mode;
  *mode = before;
  return 0;
}
"""


def compiled(folder: Path, version: int = 70_051_831) -> Path:
    """The library, made in a folder; `version` is what it says of itself."""
    source, library = folder / "double.c", folder / f"libamdhip64.so.{version}"
    source.write_text(SOURCE, encoding="utf-8")
    options = ["-shared", "-fPIC", "-Wall", "-Werror", f"-DVERSION={version}"]
    subprocess.run(["cc", *options, "-o", str(library), str(source)], check=True)
    return library
