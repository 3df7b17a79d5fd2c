// The palloc family: allocation in a context, with the server's errors when it cannot be done.
//
// Every function here may be called from module code at any time, and from a signal handler that will not
// return; see memutils_aset.cc for why that is safe.
extern "C" {
#include "postgres.h"
#include "common/int.h"
#include "utils/memutils.h"
}

extern "C" {

[[noreturn]] static pg_noinline void out_of_memory(MemoryContext context, Size size) {
  MemoryContextStats(TopMemoryContext);
  ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
                  errdetail("Failed on request of size %zu in memory context \"%s\".", size, context->name)));
  pg_unreachable();
}

[[noreturn]] static pg_noinline void invalid_request(Size size) {
  elog(ERROR, "invalid memory alloc request size %zu", size);
  pg_unreachable();
}

// The one way to memory: `limit` is the largest size allowed.
static inline void* allocate(MemoryContext context, Size size, Size limit, bool may_fail) {
  if (unlikely(size > limit)) invalid_request(size);
  context->isReset = false;
  void* pointer = context->methods->alloc(context, size);
  if (unlikely(pointer == nullptr) && !may_fail) out_of_memory(context, size);
  return pointer;
}

// The context of a chunk that is about to be freed or resized.
static inline MemoryContext owner_of(void* pointer, const char* function) {
  MemoryContext context = static_cast<MemoryContext*>(pointer)[-1];
  if (unlikely(context == nullptr))
    elog(ERROR, "%s called with memory that is already free: %p", function, pointer);
  return context;
}

void* MemoryContextAlloc(MemoryContext context, Size size) {
  return allocate(context, size, MaxAllocSize, false);
}

void* MemoryContextAllocZero(MemoryContext context, Size size) {
  return memset(allocate(context, size, MaxAllocSize, false), 0, size);
}

void* MemoryContextAllocZeroAligned(MemoryContext context, Size size) {
  return memset(allocate(context, size, MaxAllocSize, false), 0, size);
}

void* MemoryContextAllocHuge(MemoryContext context, Size size) {
  return allocate(context, size, MaxAllocHugeSize, false);
}

void* MemoryContextAllocExtended(MemoryContext context, Size size, int flags) {
  Size limit = (flags & MCXT_ALLOC_HUGE) ? MaxAllocHugeSize : MaxAllocSize;
  void* pointer = allocate(context, size, limit, (flags & MCXT_ALLOC_NO_OOM) != 0);
  if (pointer && (flags & MCXT_ALLOC_ZERO)) memset(pointer, 0, size);
  return pointer;
}

void* palloc(Size size) {
  return allocate(CurrentMemoryContext, size, MaxAllocSize, false);
}
void* palloc0(Size size) {
  return memset(allocate(CurrentMemoryContext, size, MaxAllocSize, false), 0, size);
}
void* palloc_extended(Size size, int flags) {
  return MemoryContextAllocExtended(CurrentMemoryContext, size, flags);
}

void pfree(void* pointer) {
  MemoryContext context = owner_of(pointer, "pfree");
  context->methods->free_p(context, pointer);
}

static inline void* reallocate(void* pointer, Size size, Size limit, bool may_fail) {
  if (unlikely(size > limit)) invalid_request(size);
  MemoryContext context = owner_of(pointer, "repalloc");
  void* resized = context->methods->realloc(context, pointer, size);
  if (unlikely(resized == nullptr) && !may_fail) out_of_memory(context, size);
  return resized;
}

void* repalloc(void* pointer, Size size) {
  return reallocate(pointer, size, MaxAllocSize, false);
}
void* repalloc_huge(void* pointer, Size size) {
  return reallocate(pointer, size, MaxAllocHugeSize, false);
}
void* repalloc_extended(void* pointer, Size size, int flags) {
  Size limit = (flags & MCXT_ALLOC_HUGE) ? MaxAllocHugeSize : MaxAllocSize;
  return reallocate(pointer, size, limit, (flags & MCXT_ALLOC_NO_OOM) != 0);
}

Size add_size(Size s1, Size s2) {
  Size sum;
  if (unlikely(__builtin_add_overflow(s1, s2, &sum)))
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("invalid memory allocation request size %zu + %zu", s1, s2)));
  return sum;
}

Size mul_size(Size s1, Size s2) {
  Size product;
  if (unlikely(__builtin_mul_overflow(s1, s2, &product)))
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("invalid memory allocation request size %zu * %zu", s1, s2)));
  return product;
}

void* palloc_mul(Size s1, Size s2) {
  return palloc(mul_size(s1, s2));
}
void* palloc0_mul(Size s1, Size s2) {
  return palloc0(mul_size(s1, s2));
}
void* palloc_mul_extended(Size s1, Size s2, int flags) {
  return palloc_extended(mul_size(s1, s2), flags);
}
void* repalloc_mul(void* p, Size s1, Size s2) {
  return repalloc(p, mul_size(s1, s2));
}
void* repalloc_mul_extended(void* p, Size s1, Size s2, int flags) {
  return repalloc_extended(p, mul_size(s1, s2), flags);
}

static char* copy_bytes(MemoryContext context, const char* from, Size length) {
  char* copy = static_cast<char*>(MemoryContextAlloc(context, length + 1));
  memcpy(copy, from, length);
  copy[length] = '\0';
  return copy;
}

char* MemoryContextStrdup(MemoryContext context, const char* string) {
  return copy_bytes(context, string, strlen(string));
}
char* pstrdup(const char* in) {
  return copy_bytes(CurrentMemoryContext, in, strlen(in));
}
char* pnstrdup(const char* in, Size len) {
  return copy_bytes(CurrentMemoryContext, in, strnlen(in, len));
}

// A copy without the newlines at its end.
char* pchomp(const char* in) {
  Size length = strlen(in);
  while (length > 0 && in[length - 1] == '\n') length--;
  return copy_bytes(CurrentMemoryContext, in, length);
}

}  // extern "C"
