// The slots through which children ask the postmaster for workers, and learn what became of them.
//
// Two pieces of shared memory, seen from two sides:
//   the request area    written by children (SlotRequests), made anew at every reset;
//   the published area  written by the postmaster (SlotLedger), read-only in its children.
//
// A registration is a slot number and a generation; the generation of a slot grows by one with each worker put
// into it, so that a handle kept for too long is told from the one in force.
//
// Protocol and invariants:
//  1. The postmaster's own record of each slot (SlotLedger::Entry) is the truth. It is in private memory; what
//     is in the request area is a request and nothing more: looked at once, copied, checked, believed only
//     where it follows from the truth (a registration for a free slot carries the slot's generation plus one).
//  2. The postmaster takes no lock and never waits. Children take slots under one lock among themselves
//     (`claim` says so); a request to terminate needs no lock.
//  3. A free slot is in the set `free`: put there by the postmaster after the slot's published word says
//     "unused"; taken out by the child that claims it. That child checks the published word and that nobody
//     else has an unanswered registration in the slot, so a free set full of lies costs time and not
//     correctness.
//  4. A claiming child writes the definition, then `registered` = generation (release), then puts the slot into
//     the set `changed`, then signals the postmaster. Who asks for termination writes `terminate` = generation + 1,
//     which only grows, and does the last two steps too. The postmaster empties `changed` (acquire) before it
//     looks at the slots: what comes too late for this look makes another signal.
//  5. The published word of a slot is one 64-bit store: generation and process id together; no reader ever
//     combines one worker's pid with another's generation.
//  6. Registration, start, exit and termination cost the same however many slots there are. Only reset(),
//     and repair() after damage was noticed (at most once a second), look at all of them.
//  7. Slots are looked at from the lowest number up, as the server does.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory_resource>
#include <optional>
#include <vector>

#include "core/slot_bitmap.hpp"
#include "core/worker_registry.hpp"

namespace bgw {

// What a registrant keeps to ask about its worker.
struct SlotHandle {
  int slot = -1;
  std::uint64_t generation = 0;
};

enum class SlotStatus { not_yet_started, started, stopped };

// What the postmaster says of a slot, as one word.
struct SlotWord {
  static constexpr std::int32_t kStopped = 0;               // known, not running, was running or is given up
  static constexpr std::int32_t kNotYetStarted = 0xffffff;  // known, never had a process
  static constexpr std::int32_t kUnused = 0xfffffe;         // nobody's
  static constexpr std::int32_t kHighestPid = 0x400000;     // the kernel's limit
  static constexpr std::uint64_t kGenerationMask = (std::uint64_t{1} << 40) - 1;

  std::uint64_t generation = 0;
  std::int32_t pid = kUnused;  // a process id, or one of the above

  std::uint64_t packed() const {
    return (generation & kGenerationMask) << 24 | static_cast<std::uint32_t>(pid);
  }
  static SlotWord from(std::uint64_t packed) {
    return {packed >> 24, static_cast<std::int32_t>(packed & 0xffffff)};
  }
};

// What the postmaster says of one slot, as SlotWord::packed().
struct PublishedSlot {
  std::atomic<std::uint64_t> now;
  std::atomic<std::uint64_t> last_started;  // the last process that was started in it; stays when that is gone
};

// The published area.
struct PublishedSlots {
  std::int32_t slots;                         // written once, at creation
  std::atomic<std::int32_t> used;             // slots that hold a worker
  std::atomic<std::uint64_t> parallel_ended;  // workers of the parallel class that gave their place back
  PublishedSlot* each() { return reinterpret_cast<PublishedSlot*>(this + 1); }
  static std::size_t size_for(int slots) {
    return sizeof(PublishedSlots) + static_cast<std::size_t>(slots) * sizeof(PublishedSlot);
  }
};

// The request area, as any process sees it. Holds pointers only; children inherit it.
class SlotRequests {
 public:
  // Bytes of an area for `slots` slots, each with a definition of `definition_size` bytes.
  static std::size_t size_for(int slots, std::size_t definition_size);

  SlotRequests() = default;
  // `memory` is zero-filled at first and aligned for 64-bit words.
  SlotRequests(void* memory, PublishedSlots* published, int slots, std::size_t definition_size);

  // --- children ---
  // Takes the lowest free slot and puts the registration into it; nothing when there is none, or, for a worker
  // of the parallel class, when `max_parallel` of them are registered. The caller holds the lock that all
  // claiming children share, and calls announce() afterwards, with or without it.
  std::optional<SlotHandle> claim(const void* definition, bool parallel, int max_parallel);
  // False: there is nothing to terminate. True: requested; the caller calls announce().
  bool request_terminate(SlotHandle handle);
  // Puts the slot into the set of changed ones. The caller signals the postmaster then.
  void announce(int slot) { changed_.add(slot); }
  // Whether a claim failed that should not have; the caller signals the postmaster then, too.
  bool check_is_wanted() const { return head_->check_wanted.load(std::memory_order_relaxed) != 0; }

  // --- everybody ---
  // `pid` is set when the status is `started`.
  SlotStatus status(SlotHandle handle, pid_t* pid) const;
  // Whether a process was ever started for the registration, as far as is still known; `pid` is the last one's.
  bool was_started(SlotHandle handle, pid_t* pid) const;
  // The slot whose worker runs as process `pid`, or -1. Looks at every slot, eight bytes each.
  int find_pid(pid_t pid) const;

 private:
  friend class SlotLedger;

  // Of each slot. Followed by the definition.
  struct Request {
    std::atomic<std::uint64_t>
        registered;                        // generation of the last registration; written by the claiming child
    std::atomic<std::uint64_t> terminate;  // generation to terminate plus 1, 0: none; written by any child, growing only
    void* definition() { return this + 1; }
  };
  struct Head {
    std::atomic<std::uint64_t> parallel_registered;  // under the children's lock
    std::atomic<std::uint32_t> check_wanted;  // by a child that found no free slot where there must be some
  };

  Request& request(int slot) const {
    return *reinterpret_cast<Request*>(requests_ + static_cast<std::size_t>(slot) * stride_);
  }
  SlotWord word(int slot) const {
    return SlotWord::from(published_->each()[slot].now.load(std::memory_order_acquire));
  }

  Head* head_ = nullptr;
  PublishedSlots* published_ = nullptr;
  SlotBitmap free_;
  SlotBitmap changed_;
  char* requests_ = nullptr;
  std::size_t stride_ = 0;
  std::size_t definition_size_ = 0;
  int slots_ = 0;
};

// The postmaster's side. Never used in a child.
class SlotLedger {
 public:
  using Clock = std::chrono::steady_clock;

  struct Actions {
    // A registration was found. `definition` is a private copy, to be checked by the callee, which returns the
    // worker it made of it, or null: refused. `terminated`: it was also asked to end.
    std::function<WorkerRegistry::Worker*(int slot, const void* definition, bool terminated)> registered;
    // After a refusal, once the slot is free again: tells the registrant.
    std::function<void(const void* definition)> refused;
    // Termination of a worker was asked for; called once per worker.
    std::function<void(WorkerRegistry::Worker&)> terminate;
    // Slots held what they cannot have held and were put right.
    std::function<void(int count)> damaged;
    // Whether a refused registration counts among the parallel class.
    std::function<bool(const void* definition)> is_parallel;
  };

  explicit SlotLedger(Actions actions, std::pmr::memory_resource& memory = *std::pmr::get_default_resource())
      : actions_(std::move(actions)), entries_(&memory) {}

  // A new, empty request area: every slot is free and of generation 0.
  void reset(SlotRequests requests);

  // Puts a worker that nobody asked for by slot, a static or a restarted one, into the lowest free slot.
  // False when there is none. Only before any child may claim.
  [[nodiscard]] bool place(WorkerRegistry::Worker& worker);

  // Says in the published word what the worker's state is.
  void publish(const WorkerRegistry::Worker& worker);

  // The worker is no more: its slot is free.
  void release(const WorkerRegistry::Worker& worker);

  // After a signal: does what the changed slots ask for.
  void take_changes(Clock::time_point now);

  // Puts everything right and speaks of it, if damage was noticed since this was last done, at most once a
  // second.
  void check_damage(Clock::time_point now);

  int used() const { return used_; }

 private:
  struct Entry {
    std::uint64_t generation = 0;
    WorkerRegistry::Worker* worker = nullptr;
    bool terminate_seen = false;
    bool damage_noted = false;  // and not yet spoken of
  };

  void set_word(int slot, std::int32_t pid);
  void free_slot(int slot);
  void look_at(int slot);
  bool put_right(int slot);
  void note_damage(int slot);
  void repair();

  Actions actions_;
  SlotRequests requests_;
  std::pmr::vector<Entry> entries_;
  std::vector<char> definition_;  // the private copy
  int used_ = 0;
  int parallel_ = 0;
  int damaged_ = 0;  // noticed and not yet spoken of
  std::optional<Clock::time_point> repaired_;
};

}  // namespace bgw
