/* How many float32 multiply-adds a second the given number of threads do when nothing has to be fetched: the roof for any product. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifdef __AVX512F__
#define BYTES 64
#define CHAINS 24 /* of 32 registers: enough to hide the latency of two multiply-adds a cycle */
#else
#define BYTES 32
#define CHAINS 12 /* of 16 registers */
#endif
#define ROUNDS 40000000L
typedef float vec __attribute__((vector_size(BYTES)));

static void *work(void *out) {
  vec a[CHAINS], x = {0}, y = {0};
  for (int i = 0; i < CHAINS; i++) a[i] = (vec){0} + (float)i;
  x += 0.999999f;
  y += 1e-6f;
  for (long r = 0; r < ROUNDS; r++) {
    __asm__ volatile("" : "+v"(x), "+v"(y));
#pragma GCC unroll 24
    for (int i = 0; i < CHAINS; i++) a[i] = a[i] * x + y;
  }
  vec s = a[0];
  for (int i = 1; i < CHAINS; i++) s += a[i];
  *(float *)out = s[0];
  return NULL;
}

int main(int argc, char **argv) {
  int threads = argc > 1 ? atoi(argv[1]) : 1;
  pthread_t ids[256];
  float sums[256];
  struct timespec from, to;
  if (threads < 1 || threads > 256) return 2;
  clock_gettime(CLOCK_MONOTONIC, &from);
  for (int i = 0; i < threads; i++) pthread_create(&ids[i], NULL, work, &sums[i]);
  for (int i = 0; i < threads; i++) pthread_join(ids[i], NULL);
  clock_gettime(CLOCK_MONOTONIC, &to);
  double seconds = (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
  printf("%.1f %g\n", 2.0 * CHAINS * (BYTES / 4) * ROUNDS * threads / seconds * 1e-9, sums[0]);
  return 0;
}
