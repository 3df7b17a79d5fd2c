// The host's status as every process of it can read it: who runs, since when, how the upstream is.
//
// One shared mapping made once, before any child exists; it outlives crash resets, which re-create the
// modules' shared memory. The postmaster is the only writer and never reads it back: children that scribble
// over it can spoil a report, not the supervision. Children make their view read-only.
//
// Protection: each row carries a sequence number, odd while the postmaster writes it; a reader copies the
// row and takes it only if the number was even and is unchanged. The fields of the header are single words.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "core/worker_registry.hpp"
#include "core/worker_slots.hpp"

namespace bgw {

// A worker as the status shows it. Written by the postmaster, read by backends, the monitor and tools.
struct WorkerStatusRow {
  static constexpr int kNameLength = 96;  // BGW_MAXLEN
  char name[kNameLength];
  char type[kNameLength];
  char library[kNameLength];
  char function[kNameLength];
  std::int32_t is_dynamic;
  std::int32_t pid;              // 0 while not running
  std::int32_t child_slot;       // the process's PGPROC and backend status entry; -1 while not running
  std::int32_t flags;            // BGWORKER_...
  std::int32_t start_time;       // BgWorkerStartTime
  std::int32_t restart_seconds;  // -1: never
  std::int32_t state;            // WorkerState
  std::int32_t has_exited;
  std::int32_t exit_by_signal;
  std::int32_t exit_code;
  std::uint64_t starts;
  std::int64_t since_us;  // of the state, microseconds since 1970
};

struct UpstreamStatus {
  UpstreamLevel level = UpstreamLevel::none;
  bool in_recovery = true;  // until known otherwise
  int server_version = 0;   // as PQserverVersion gives it
};

class StatusPage {
 public:
  // Makes the mapping for `worker_slots` workers and processes with child slots 1 to `child_slots`. Once per
  // host.
  static Result<void> create(int worker_slots, int child_slots);

  // --- the postmaster's side ---
  // The texts are taken when the slot gets its worker, and stay until clear_worker().
  static void set_worker(int slot, const WorkerRegistry::Worker& worker, int child_slot, const char* library,
                         const char* function);
  static void clear_worker(int slot);
  static void clear_workers();
  static void set_child_pid(int child_slot, pid_t pid);  // pid 0: gone
  static void set_upstream(const UpstreamStatus& status);
  static void set_reset_count(std::uint64_t resets);
  static void protect_in_child() noexcept;

  // --- everybody's side ---
  static std::vector<std::pair<int, WorkerStatusRow>> workers();
  // Nothing when the slot holds no worker.
  static std::optional<WorkerStatusRow> worker(int slot);
  // Copies the type of the worker in `slot` if its process is `pid`; `type` is of `size` bytes.
  static bool worker_type(int slot, pid_t pid, char* type, std::size_t size);
  // What the slots hold, for who holds handles: see worker_slots.hpp.
  static PublishedSlots* published_slots();
  static std::vector<pid_t> child_pids();
  static UpstreamStatus upstream();
  static pid_t postmaster_pid();
  static std::int64_t started_us();
  static std::uint64_t reset_count();
};

}  // namespace bgw
