// The rooms' memory. Written by the postmaster only, when shared memory is made; children inherit the variables.
#include "storage/process_room.hpp"

#include "port/start_data.hpp"

#include <bit>
#include <cstring>

extern "C" {
#include "miscadmin.h"
#include "storage/proc.h"
#include "storage/shmem.h"
}

namespace bgw {

namespace {

constexpr Size kPage = 4096;

BGW_START_DATA char* rooms = nullptr;
BGW_START_DATA Size room_size = 0;
BGW_START_DATA int room_count = 0;

// So that none that fits into a page lies in two.
Size size_of_room() {
  const Size size = add_size(sizeof(ProcessRoom), status_part_size());
  return size <= kPage ? std::bit_ceil(size) : TYPEALIGN(PG_CACHE_LINE_SIZE, size);
}

}  // namespace

Size process_rooms_size() {
  return add_size(mul_size(size_of_room(), static_cast<Size>(wanted_process_rooms())), kPage);
}

void make_process_rooms() {
  bool found;
  room_size = size_of_room();
  room_count = wanted_process_rooms();
  void* memory = ShmemInitStruct("Process Rooms", process_rooms_size(), &found);
  rooms = reinterpret_cast<char*>(TYPEALIGN(kPage, memory));
  std::memset(rooms, 0, room_size * static_cast<Size>(room_count));
}

int wanted_process_rooms() { return MaxBackends + NUM_AUXILIARY_PROCS; }

int process_room_count() noexcept { return room_count; }

ProcessRoom& process_room(int number) noexcept {
  return *reinterpret_cast<ProcessRoom*>(rooms + static_cast<Size>(number) * room_size);
}

}  // namespace bgw
