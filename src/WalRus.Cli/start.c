/* Runs before the .NET runtime makes its first thread, which no managed code can: what glibc reserves for a thread counts
   against ulimit -v and vm.overcommit_memory=2 whether it is used or not. Linked into the executable by WalRus.Cli.csproj. */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>

enum { STACK_BYTES = 512 * 1024, MAPPED_FROM_BYTES = 128 * 1024 };

__attribute__((constructor)) static void bound_memory(void) {
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
