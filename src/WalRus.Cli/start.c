/* Runs before the .NET runtime, and what no managed code can do in time: bounds what glibc reserves for a thread, which counts
   against ulimit -v and vm.overcommit_memory=2 whether it is used or not; and how much of a file one touched page makes
   resident. Linked into the executable by WalRus.Cli.csproj. */
#define _GNU_SOURCE
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STACK_BYTES = 512 * 1024, MAPPED_FROM_BYTES = 128 * 1024 };

/* Pages of the tables and of the code that may become resident together; 0 for as many as the system likes. */
struct windows {
  uintptr_t tables, code;
};

static void bound_threads(void) {
  pthread_attr_t attributes;

  /* One arena: each further one reserves 64 MB, and 128 MB for a moment. */
  mallopt(M_ARENA_MAX, 1);
  /* Buffers and codec contexts are mappings of their own and go back when freed. Left to itself glibc raises this size with
     each large block that is freed, and keeps the next ones in a heap that only shrinks at its end. */
  mallopt(M_MMAP_THRESHOLD, MAPPED_FROM_BYTES);

  /* Eight megabytes a thread by default. */
  if (pthread_attr_init(&attributes) == 0) {
    if (pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0) pthread_setattr_default_np(&attributes);
    pthread_attr_destroy(&attributes);
  }
}

/* The system maps sixteen pages of a file around each one touched: with a few bytes used in each, all 5 MB of .NET's type tables
   were resident. It stops at the ends of a mapping, so advice to every other window, which changes little but makes it a
   mapping of its own, keeps it within one window. */
static int narrow(struct dl_phdr_info *file, size_t size, void *context) {
  const struct windows *pages = context;
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  int is_library = file->dlpi_name && file->dlpi_name[0];

  (void)size;
  for (int i = 0; i < file->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = &file->dlpi_phdr[i];
    int is_written = (part->p_flags & PF_W) != 0;
    uintptr_t window = (is_written ? pages->tables : pages->code) * page;
    uintptr_t start = (file->dlpi_addr + part->p_vaddr + page - 1) & -page;
    uintptr_t end = (file->dlpi_addr + part->p_vaddr + part->p_filesz) & -page;

    if (part->p_type != PT_LOAD || window == 0 || (is_written && is_library) || start >= end) continue;
    for (uintptr_t at = start; at < end; at += 2 * window)
      madvise((void *)at, at + window < end ? window : end - at, MADV_SEQUENTIAL);
    /* What the loader touched; nothing here was ever written. */
    if (!is_written) madvise((void *)start, end - start, MADV_DONTNEED);
  }
  return 0;
}

__attribute__((constructor)) static void start(int count, char **arguments) {
  static const char *const lasting[] = {"daemon", "backup-push", "backup-fetch", "wal-receive"};
  /* A mapping costs some microseconds: a process for one segment, of 36 ms, spends 1 of them; one that lasts, 10. */
  struct windows pages = {4, 0};

  bound_threads();
  for (int i = 1; i < count; i++) {
    if (strcmp(arguments[i], "daemon-client") == 0) return;
    for (size_t k = 0; k < sizeof lasting / sizeof *lasting; k++)
      if (strcmp(arguments[i], lasting[k]) == 0) pages = (struct windows){1, 4};
  }
  dl_iterate_phdr(narrow, &pages);
}
