// The allocator behind every memory context.
//
// A context owns a chain of blocks from malloc. Chunks up to the context's limit are cut from the newest
// block and rounded up to a size class; a freed chunk goes to its class's free list and is never merged.
// Larger chunks have a block each, which pfree gives back at once. The first block lives as long as the
// context and is the context's own allocation, so a small context costs one malloc.
//
// Invariants:
//  1. The word before a chunk names its context (utils/memutils.h looks there); it is null once freed.
//  2. A chunk is bigger than the limit if and only if it has a block of its own.
//  3. Every chunk is aligned to 16 bytes: headers and classes are multiples of 16.
//  4. A signal handler that never returns (FATAL) may allocate from the same context at any instruction:
//     each change to a list is one store, after what it publishes is complete. Calls of malloc are counted
//     as critical, because the heap has no such property.
#include <cstdlib>
#include <atomic>
#include <bit>

#include "bridge/critical.hpp"

extern "C" {
#include "postgres.h"
#include "utils/memutils.h"
}

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#endif
#endif
#ifndef ASAN_POISON_MEMORY_REGION
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define BGW_KEEP_CONTEXTS 1
#else
#define BGW_KEEP_CONTEXTS 0  // a deleted context's memory must trap
#endif

namespace {

struct Context;

struct Chunk {
  Size size;  // bytes after the header
  MemoryContext context;
};
static_assert(sizeof(Chunk) == 16 && alignof(max_align_t) <= 16);

struct alignas(16) Block {
  Block* previous;   // towards the context's first block; large blocks: the next in their list
  Block* following;  // large blocks only
  char* free;        // the next chunk's header goes here
  char* end;
};
static_assert(sizeof(Block) == 32);

// Classes: every 16 bytes up to 128, then four to each doubling up to 8192.
constexpr int kClasses = 8 + 4 * 6;
constexpr Size kLargestClass = 8192;

constexpr int class_of(Size size) {
  if (size <= 128) return size == 0 ? 0 : static_cast<int>((size - 1) / 16);
  int doubling = std::bit_width(size - 1) - 8;  // 0 for 129..256
  return 8 + doubling * 4 + static_cast<int>(((size - 1) >> (doubling + 5)) & 3);
}
constexpr Size class_size(int index) {
  if (index < 8) return static_cast<Size>(index + 1) * 16;
  return static_cast<Size>(128 + ((index - 8) % 4 + 1) * 32) << ((index - 8) / 4);
}
static_assert([] {
  for (Size size = 0; size <= kLargestClass; ++size) {
    int index = class_of(size);
    if (index < 0 || index >= kClasses || class_size(index) < size) return false;
    if (index > 0 && class_size(index - 1) >= size && size > 0) return false;
  }
  return class_size(kClasses - 1) == kLargestClass;
}());

struct alignas(16) Context {
  MemoryContextData header;
  Block* newest;  // the block chunks are cut from; the chain ends at the first block
  Block* large;
  Size initial_size;
  Size maximal_size;
  Size next_size;
  Size limit;       // larger chunks have a block each
  Size chunk_size;  // a slab's only size, otherwise 0
  Context* next_kept;
  Chunk* freed[kClasses];
};

Block* first_block(Context* context) {
  return reinterpret_cast<Block*>(context + 1);
}
char* data(Chunk* chunk) {
  return reinterpret_cast<char*>(chunk + 1);
}
Chunk* chunk_of(void* pointer) {
  return static_cast<Chunk*>(pointer) - 1;
}
Block* large_block(Chunk* chunk) {
  return reinterpret_cast<Block*>(chunk) - 1;
}
// A free chunk's first word links it to the next one.
Chunk*& next_freed(Chunk* chunk) {
  return *reinterpret_cast<Chunk**>(chunk + 1);
}
void publish() {
  std::atomic_signal_fence(std::memory_order_release);
}

void* give(Chunk* chunk, Size wanted) {
  ASAN_UNPOISON_MEMORY_REGION(data(chunk), wanted);
  ASAN_POISON_MEMORY_REGION(data(chunk) + wanted, chunk->size - wanted);
  return data(chunk);
}

void set_aside(Context* context, Chunk* chunk) {
  int index = class_of(chunk->size);
  chunk->context = nullptr;
  next_freed(chunk) = context->freed[index];
  publish();
  context->freed[index] = chunk;
  ASAN_POISON_MEMORY_REGION(data(chunk), chunk->size);
}

// Cuts what is left of the newest block into free chunks, so that nothing is lost when a new one follows.
void use_up(Context* context) {
  Block* block = context->newest;
  while (block->end - block->free >= static_cast<ptrdiff_t>(sizeof(Chunk) + class_size(0))) {
    Size room = static_cast<Size>(block->end - block->free) - sizeof(Chunk);
    if (room > context->limit) room = context->limit;
    int index = class_of(room);
    if (class_size(index) > room) --index;
    Chunk* chunk = reinterpret_cast<Chunk*>(block->free);
    ASAN_UNPOISON_MEMORY_REGION(chunk, sizeof(Chunk) + sizeof(Chunk*));
    chunk->size = class_size(index);
    block->free += sizeof(Chunk) + chunk->size;
    set_aside(context, chunk);
  }
}

void* allocate_large(Context* context, Size size) {
  Size rounded = TYPEALIGN(16, size);
  Size bytes = sizeof(Block) + sizeof(Chunk) + rounded;
  bgw::enter_critical();
  Block* block = static_cast<Block*>(malloc(bytes));
  if (block) {
    block->end = block->free = reinterpret_cast<char*>(block) + bytes;
    Chunk* chunk = reinterpret_cast<Chunk*>(block + 1);
    chunk->size = rounded;
    chunk->context = &context->header;
    block->following = nullptr;
    block->previous = context->large;
    if (context->large) context->large->following = block;
    context->large = block;
    context->header.mem_allocated += bytes;
  }
  bgw::leave_critical();
  return block ? give(reinterpret_cast<Chunk*>(block + 1), size) : nullptr;
}

bool add_block(Context* context, Size needed) {
  Size bytes = context->next_size;
  while (bytes < needed + sizeof(Block)) bytes *= 2;
  use_up(context);
  bgw::enter_critical();
  Block* block = static_cast<Block*>(malloc(bytes));
  if (block) {
    context->next_size = Min(bytes * 2, Max(context->maximal_size, bytes));
    block->previous = context->newest;
    block->following = nullptr;
    block->free = reinterpret_cast<char*>(block + 1);
    block->end = reinterpret_cast<char*>(block) + bytes;
    ASAN_POISON_MEMORY_REGION(block->free, block->end - block->free);
    context->header.mem_allocated += bytes;
    publish();
    context->newest = block;
  }
  bgw::leave_critical();
  return block != nullptr;
}

void* allocate(MemoryContext header, Size size) {
  Context* context = reinterpret_cast<Context*>(header);
  if (unlikely(size > context->limit)) return allocate_large(context, size);
  int index = class_of(size);
  if (Chunk* chunk = context->freed[index]) {
    ASAN_UNPOISON_MEMORY_REGION(data(chunk), sizeof(Chunk*));
    context->freed[index] = next_freed(chunk);
    publish();
    chunk->context = header;
    return give(chunk, size);
  }
  Size needed = sizeof(Chunk) + class_size(index);
  if (unlikely(static_cast<Size>(context->newest->end - context->newest->free) < needed) &&
      !add_block(context, needed))
    return nullptr;
  Block* block = context->newest;
  Chunk* chunk = reinterpret_cast<Chunk*>(block->free);
  ASAN_UNPOISON_MEMORY_REGION(chunk, sizeof(Chunk));
  chunk->size = class_size(index);
  chunk->context = header;
  publish();
  block->free += needed;
  return give(chunk, size);
}

// A slab hands out chunks of one size; another size is its user's mistake.
void* allocate_slab(MemoryContext header, Size size) {
  Context* context = reinterpret_cast<Context*>(header);
  if (size != context->chunk_size)
    elog(ERROR, "unexpected alloc chunk size %zu (expected %zu)", size, context->chunk_size);
  return allocate(header, size);
}

void release_large(Context* context, Block* block) {
  bgw::enter_critical();
  if (block->following)
    block->following->previous = block->previous;
  else
    context->large = block->previous;
  if (block->previous) block->previous->following = block->following;
  context->header.mem_allocated -= static_cast<Size>(block->end - reinterpret_cast<char*>(block));
  Chunk* chunk = reinterpret_cast<Chunk*>(block + 1);
  ASAN_UNPOISON_MEMORY_REGION(data(chunk), chunk->size);
  free(block);
  bgw::leave_critical();
}

void release(MemoryContext header, void* pointer) {
  Context* context = reinterpret_cast<Context*>(header);
  Chunk* chunk = chunk_of(pointer);
  if (unlikely(chunk->size > context->limit)) {
    release_large(context, large_block(chunk));
    return;
  }
  ASAN_UNPOISON_MEMORY_REGION(data(chunk), sizeof(Chunk*));
  set_aside(context, chunk);
}

void* resize_large(Context* context, Chunk* chunk, Size size) {
  Size rounded = TYPEALIGN(16, Max(size, context->limit + 1));
  Size bytes = sizeof(Block) + sizeof(Chunk) + rounded;
  ASAN_UNPOISON_MEMORY_REGION(data(chunk), chunk->size);
  bgw::enter_critical();
  Block* block = large_block(chunk);
  Size before = static_cast<Size>(block->end - reinterpret_cast<char*>(block));
  Block* moved = static_cast<Block*>(realloc(block, bytes));
  if (moved) {
    moved->end = moved->free = reinterpret_cast<char*>(moved) + bytes;
    if (moved->following)
      moved->following->previous = moved;
    else
      context->large = moved;
    if (moved->previous) moved->previous->following = moved;
    chunk = reinterpret_cast<Chunk*>(moved + 1);
    chunk->size = rounded;
    context->header.mem_allocated += bytes - before;
  }
  bgw::leave_critical();
  return moved ? give(chunk, size) : nullptr;
}

void* resize(MemoryContext header, void* pointer, Size size) {
  Context* context = reinterpret_cast<Context*>(header);
  Chunk* chunk = chunk_of(pointer);
  Size before = chunk->size;
  // A large chunk gives memory back only when it shrinks by more than half.
  if (size <= before && (before <= context->limit || size >= before / 2)) return give(chunk, size);
  if (before > context->limit) return resize_large(context, chunk, size);

  // The block's last chunk grows where it is: a string that is being built is often that one.
  Block* block = context->newest;
  if (size <= context->limit && data(chunk) + before == block->free) {
    Size wanted = class_size(class_of(size));
    if (static_cast<Size>(block->end - data(chunk)) >= wanted) {
      chunk->size = wanted;
      publish();
      block->free = data(chunk) + wanted;
      return give(chunk, size);
    }
  }
  void* copy = allocate(header, size);
  if (!copy) return nullptr;
  ASAN_UNPOISON_MEMORY_REGION(pointer, before);
  memcpy(copy, pointer, before);
  release(header, pointer);
  return copy;
}

void* resize_slab(MemoryContext header, void* pointer, Size size) {
  if (size != reinterpret_cast<Context*>(header)->chunk_size)
    elog(ERROR, "slab allocator does not support realloc()");
  return pointer;
}

// Frees every block but the first, and empties that.
void reset(MemoryContext header) {
  Context* context = reinterpret_cast<Context*>(header);
  Block* first = first_block(context);
  bgw::enter_critical();
  Block* small = context->newest;
  Block* large = context->large;
  memset(context->freed, 0, sizeof(context->freed));
  context->large = nullptr;
  context->newest = first;
  context->next_size = context->initial_size;
  context->header.mem_allocated = static_cast<Size>(first->end - reinterpret_cast<char*>(context));
  while (small != first) {
    Block* previous = small->previous;
    ASAN_UNPOISON_MEMORY_REGION(small + 1, small->end - reinterpret_cast<char*>(small + 1));
    free(small);
    small = previous;
  }
  while (large) {
    Block* previous = large->previous;
    ASAN_UNPOISON_MEMORY_REGION(large + 1, large->end - reinterpret_cast<char*>(large + 1));
    free(large);
    large = previous;
  }
  first->free = reinterpret_cast<char*>(first + 1);
  ASAN_POISON_MEMORY_REGION(first->free, first->end - first->free);
  bgw::leave_critical();
}

// Deleted contexts of the two usual shapes are kept for the next one: a context per call is common.
struct Kept {
  Size first_block_bytes;
  Context* list;
  int count;
};
constexpr int kMaxKept = 64;
Kept kept_contexts[] = {{ALLOCSET_DEFAULT_INITSIZE, nullptr, 0}, {ALLOCSET_SMALL_INITSIZE, nullptr, 0}};

Size whole_size(Context* context) {
  return static_cast<Size>(first_block(context)->end - reinterpret_cast<char*>(context));
}

void destroy(MemoryContext header) {
  Context* context = reinterpret_cast<Context*>(header);
  reset(header);
  bgw::enter_critical();
  if (BGW_KEEP_CONTEXTS) {
    for (Kept& kept : kept_contexts) {
      if (kept.first_block_bytes != whole_size(context) || kept.count == kMaxKept) continue;
      context->header.type = T_Invalid;
      context->next_kept = kept.list;
      kept.list = context;
      kept.count++;
      bgw::leave_critical();
      return;
    }
  }
  Block* first = first_block(context);
  ASAN_UNPOISON_MEMORY_REGION(first->free, first->end - first->free);
  context->header.type = T_Invalid;
  free(context);
  bgw::leave_critical();
}

Size chunk_space(MemoryContext header, void* pointer) {
  return chunk_of(pointer)->size + sizeof(Chunk);
}

bool is_empty(MemoryContext header) {
  return header->isReset;
}

// The other kinds are empty again once all chunks have been given back.
bool holds_no_chunk(MemoryContext header) {
  Context* context = reinterpret_cast<Context*>(header);
  if (context->large) return false;
  for (Block* block = context->newest;; block = block->previous) {
    for (char* at = reinterpret_cast<char*>(block + 1); at < block->free;) {
      Chunk* chunk = reinterpret_cast<Chunk*>(at);
      if (chunk->context) return false;
      at += sizeof(Chunk) + chunk->size;
    }
    if (block == first_block(context)) return true;
  }
}

void stats(MemoryContext header, MemoryStatsPrintFunc printfunc, void* passthru, MemoryContextCounters* totals,
           bool print_to_stderr) {
  Context* context = reinterpret_cast<Context*>(header);
  Size blocks = 0, chunks = 0, free_space = 0;
  Size total = header->mem_allocated;
  for (Block* block = context->newest;; block = block->previous) {
    blocks++;
    free_space += static_cast<Size>(block->end - block->free);
    if (block == first_block(context)) break;
  }
  for (Block* block = context->large; block; block = block->previous) blocks++;
  for (int index = 0; index < kClasses; ++index) {
    for (Chunk* chunk = context->freed[index]; chunk;) {
      chunks++;
      free_space += chunk->size + sizeof(Chunk);
      ASAN_UNPOISON_MEMORY_REGION(data(chunk), sizeof(Chunk*));
      Chunk* next = next_freed(chunk);
      ASAN_POISON_MEMORY_REGION(data(chunk), sizeof(Chunk*));
      chunk = next;
    }
  }
  if (printfunc) {
    char line[200];
    snprintf(line, sizeof(line), "%zu total in %zu blocks; %zu free (%zu chunks); %zu used", total, blocks,
             free_space, chunks, total - free_space);
    printfunc(header, passthru, line, print_to_stderr);
  }
  if (totals) {
    totals->nblocks += blocks;
    totals->freechunks += chunks;
    totals->totalspace += total;
    totals->freespace += free_space;
  }
}

const MemoryContextMethods chunk_methods = {allocate, release,     resize,   reset,
                                            destroy,  chunk_space, is_empty, stats};
const MemoryContextMethods generation_methods = {allocate, release,     resize,         reset,
                                                 destroy,  chunk_space, holds_no_chunk, stats};
const MemoryContextMethods slab_methods = {allocate_slab, release,     resize_slab,    reset,
                                           destroy,       chunk_space, holds_no_chunk, stats};

struct Shape {
  NodeTag tag;
  const MemoryContextMethods* methods;
  Size minimal, initial, maximal, chunk_size;
};

Context* take_kept(Size bytes) {
  for (Kept& kept : kept_contexts) {
    if (kept.first_block_bytes != bytes || !kept.list) continue;
    Context* context = kept.list;
    kept.list = context->next_kept;
    kept.count--;
    return context;
  }
  return nullptr;
}

MemoryContext create(MemoryContext parent, const char* name, const Shape& shape) {
  Size least = sizeof(Context) + sizeof(Block) + sizeof(Chunk) + class_size(0);
  Size bytes = TYPEALIGN(16, Max(least, Max(shape.minimal, shape.minimal ? 0 : shape.initial)));

  bgw::enter_critical();
  Context* context = take_kept(bytes);
  if (!context) context = static_cast<Context*>(malloc(bytes));
  if (context) {
    memset(static_cast<void*>(context), 0, sizeof(Context));
    Block* first = first_block(context);
    first->previous = first->following = nullptr;
    first->free = reinterpret_cast<char*>(first + 1);
    first->end = reinterpret_cast<char*>(context) + bytes;
    ASAN_POISON_MEMORY_REGION(first->free, first->end - first->free);
    context->newest = first;
    context->initial_size = context->next_size = shape.initial;
    context->maximal_size = shape.maximal;
    context->chunk_size = shape.chunk_size;
    context->limit = kLargestClass;
    while (context->limit + sizeof(Chunk) > (shape.maximal - sizeof(Block)) / 4 && context->limit > 128)
      context->limit /= 2;
    MemoryContextCreate(&context->header, shape.tag, shape.methods, parent, name);
    context->header.mem_allocated = bytes;
  }
  bgw::leave_critical();

  if (!context) {
    if (TopMemoryContext) MemoryContextStats(TopMemoryContext);
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
                    errdetail("Failed while creating memory context \"%s\".", name)));
  }
  return &context->header;
}

// Block sizes outside what the allocator can work with are brought inside rather than refused.
Shape shape_of(NodeTag tag, Size minimal, Size initial, Size maximal) {
  initial = Max(TYPEALIGN(16, initial), static_cast<Size>(1024));
  maximal = Max(TYPEALIGN(16, maximal), initial);
  return {tag, &chunk_methods, TYPEALIGN(16, minimal), initial, maximal, 0};
}

}  // namespace

extern "C" {

MemoryContext AllocSetContextCreateInternal(MemoryContext parent, const char* name, Size minContextSize,
                                            Size initBlockSize, Size maxBlockSize) {
  return create(parent, name, shape_of(T_AllocSetContext, minContextSize, initBlockSize, maxBlockSize));
}

MemoryContext GenerationContextCreate(MemoryContext parent, const char* name, Size minContextSize,
                                      Size initBlockSize, Size maxBlockSize) {
  Shape shape = shape_of(T_GenerationContext, minContextSize, initBlockSize, maxBlockSize);
  shape.methods = &generation_methods;
  return create(parent, name, shape);
}

MemoryContext SlabContextCreate(MemoryContext parent, const char* name, Size blockSize, Size chunkSize) {
  if (blockSize < chunkSize + sizeof(Chunk) + sizeof(Block))
    elog(ERROR, "block size %zu for slab is too small for %zu chunks", blockSize, chunkSize);
  Shape shape = shape_of(T_SlabContext, 0, blockSize, blockSize);
  shape.methods = &slab_methods;
  shape.chunk_size = chunkSize;
  return create(parent, name, shape);
}

}  // extern "C"
