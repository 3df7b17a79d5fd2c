// Both halves of the slot protocol; worker_slots.hpp has the invariants. SlotRequests runs in any child,
// SlotLedger in the postmaster only.
#include "core/worker_slots.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace bgw {

namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::chrono::seconds kBetweenRepairs{1};

std::size_t aligned(std::size_t size) {
  return (size + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

// --- children ------------------------------------------------------------------------------------------------

std::size_t SlotRequests::size_for(int slots, std::size_t definition_size) {
  return aligned(sizeof(Head)) + 2 * aligned(SlotBitmap::size_for(slots)) +
         static_cast<std::size_t>(slots) * aligned(sizeof(Request) + definition_size);
}

SlotRequests::SlotRequests(void* memory, PublishedSlots* published, int slots, std::size_t definition_size)
    : head_(static_cast<Head*>(memory)),
      published_(published),
      stride_(aligned(sizeof(Request) + definition_size)),
      definition_size_(definition_size),
      slots_(slots) {
  char* at = static_cast<char*>(memory) + aligned(sizeof(Head));
  free_ = SlotBitmap(at, slots);
  at += aligned(SlotBitmap::size_for(slots));
  changed_ = SlotBitmap(at, slots);
  requests_ = at + aligned(SlotBitmap::size_for(slots));
}

std::optional<SlotHandle> SlotRequests::claim(const void* definition, bool parallel, int max_parallel) {
  if (parallel) {
    std::uint64_t ended = published_->parallel_ended.load(std::memory_order_acquire);
    std::uint64_t registered = head_->parallel_registered.load(std::memory_order_relaxed);
    if (static_cast<std::int64_t>(registered - ended) >= max_parallel) return std::nullopt;
  }
  for (int tries = 0; tries < slots_; tries++) {
    int slot = free_.lowest();
    if (slot < 0) break;
    free_.remove(slot);
    Request& at = request(slot);
    SlotWord now = word(slot);
    if (now.pid != SlotWord::kUnused || at.registered.load(std::memory_order_relaxed) != now.generation) {
      announce(slot);  // it is not free: let the postmaster look, and put right what is wrong
      continue;
    }
    std::uint64_t generation = now.generation + 1;
    std::memcpy(at.definition(), definition, definition_size_);
    if (parallel) head_->parallel_registered.fetch_add(1, std::memory_order_relaxed);
    at.registered.store(generation, std::memory_order_release);
    return SlotHandle{slot, generation};
  }
  if (published_->used.load(std::memory_order_relaxed) < slots_)
    head_->check_wanted.store(1, std::memory_order_release);
  return std::nullopt;
}

bool SlotRequests::request_terminate(SlotHandle handle) {
  if (handle.slot < 0 || handle.slot >= slots_) return false;
  SlotWord now = word(handle.slot);
  if (now.generation > handle.generation) return false;
  if (now.generation == handle.generation && now.pid == SlotWord::kUnused) return false;
  std::atomic<std::uint64_t>& terminate = request(handle.slot).terminate;
  std::uint64_t wanted = handle.generation + 1;
  std::uint64_t before = terminate.load(std::memory_order_relaxed);
  while (before < wanted || before > SlotWord::kGenerationMask + 1)
    if (terminate.compare_exchange_weak(before, wanted, std::memory_order_release)) break;
  return true;
}

SlotStatus SlotRequests::status(SlotHandle handle, pid_t* pid) const {
  if (handle.slot < 0 || handle.slot >= slots_) return SlotStatus::stopped;
  SlotWord now = word(handle.slot);
  if (now.generation < handle.generation) return SlotStatus::not_yet_started;
  if (now.generation > handle.generation) return SlotStatus::stopped;
  if (now.pid == SlotWord::kNotYetStarted) return SlotStatus::not_yet_started;
  if (now.pid == SlotWord::kStopped || now.pid == SlotWord::kUnused) return SlotStatus::stopped;
  *pid = now.pid;
  return SlotStatus::started;
}

bool SlotRequests::was_started(SlotHandle handle, pid_t* pid) const {
  if (handle.slot < 0 || handle.slot >= slots_) return false;
  SlotWord last = SlotWord::from(published_->each()[handle.slot].last_started.load(std::memory_order_acquire));
  if (last.generation != handle.generation || last.pid == 0 || last.pid > SlotWord::kHighestPid) return false;
  *pid = last.pid;
  return true;
}

int SlotRequests::find_pid(pid_t pid) const {
  if (pid <= 0 || pid > SlotWord::kHighestPid) return -1;
  for (int slot = 0; slot < slots_; slot++)
    if (word(slot).pid == pid) return slot;
  return -1;
}

// --- the postmaster ------------------------------------------------------------------------------------------

void SlotLedger::set_word(int slot, std::int32_t pid) {
  SlotWord word{entries_[static_cast<std::size_t>(slot)].generation, pid};
  PublishedSlot& published = requests_.published_->each()[slot];
  if (pid > 0 && pid <= SlotWord::kHighestPid)
    published.last_started.store(word.packed(), std::memory_order_relaxed);
  published.now.store(word.packed(), std::memory_order_release);
}

void SlotLedger::free_slot(int slot) {
  set_word(slot, SlotWord::kUnused);
  requests_.free_.add(slot);
}

void SlotLedger::reset(SlotRequests requests) {
  requests_ = requests;
  entries_.assign(static_cast<std::size_t>(requests_.slots_), Entry{});
  definition_.resize(requests_.definition_size_);
  used_ = parallel_ = damaged_ = 0;
  requests_.published_->used.store(0, std::memory_order_relaxed);
  requests_.published_->parallel_ended.store(0, std::memory_order_relaxed);
  for (int slot = 0; slot < requests_.slots_; slot++) {
    requests_.published_->each()[slot].last_started.store(0, std::memory_order_relaxed);
    free_slot(slot);
  }
}

bool SlotLedger::place(WorkerRegistry::Worker& worker) {
  int slot = requests_.free_.lowest();
  if (slot < 0) return false;
  requests_.free_.remove(slot);
  Entry& entry = entries_[static_cast<std::size_t>(slot)];
  entry.worker = &worker;
  worker.slot = slot;
  requests_.published_->used.store(++used_, std::memory_order_relaxed);
  if (worker.spec.is_parallel) {
    parallel_++;
    requests_.head_->parallel_registered.fetch_add(1, std::memory_order_relaxed);
  }
  publish(worker);
  return true;
}

void SlotLedger::publish(const WorkerRegistry::Worker& worker) {
  std::int32_t pid = worker.pid;
  if (pid == 0)
    pid = worker.started_in_slot || worker.terminate ? SlotWord::kStopped : SlotWord::kNotYetStarted;
  if (worker.slot >= 0) set_word(worker.slot, pid);
}

void SlotLedger::release(const WorkerRegistry::Worker& worker) {
  int slot = worker.slot;
  if (slot < 0) return;  // dropped by a reset before it was placed anew
  Entry& entry = entries_[static_cast<std::size_t>(slot)];
  entry.worker = nullptr;
  entry.terminate_seen = false;
  requests_.published_->used.store(--used_, std::memory_order_relaxed);
  if (worker.spec.is_parallel) {
    parallel_--;
    requests_.published_->parallel_ended.fetch_add(1, std::memory_order_release);
  }
  if (put_right(slot)) note_damage(slot);
  free_slot(slot);
}

// True if the slot's request was not what it must be while nothing is asked for.
bool SlotLedger::put_right(int slot) {
  SlotRequests::Request& request = requests_.request(slot);
  const Entry& entry = entries_[static_cast<std::size_t>(slot)];
  bool damaged = false;
  if (request.registered.load(std::memory_order_acquire) != entry.generation) {
    request.registered.store(entry.generation, std::memory_order_release);
    damaged = true;
  }
  if (request.terminate.load(std::memory_order_acquire) > entry.generation + 1) {
    request.terminate.store(0, std::memory_order_release);
    damaged = true;
  }
  return damaged;
}

void SlotLedger::note_damage(int slot) {
  Entry& entry = entries_[static_cast<std::size_t>(slot)];
  damaged_ += !entry.damage_noted;
  entry.damage_noted = true;
}

// Does what the slot asks for.
void SlotLedger::look_at(int slot) {
  SlotRequests::Request& request = requests_.request(slot);
  Entry& entry = entries_[static_cast<std::size_t>(slot)];
  std::uint64_t registered = request.registered.load(std::memory_order_acquire);
  std::uint64_t terminate = request.terminate.load(std::memory_order_acquire);

  if (entry.worker == nullptr && registered == entry.generation + 1) {
    std::memcpy(definition_.data(), request.definition(), definition_.size());
    entry.generation = registered;
    entry.terminate_seen = terminate == registered + 1;
    if (WorkerRegistry::Worker* worker = actions_.registered(slot, definition_.data(), entry.terminate_seen)) {
      entry.worker = worker;
      requests_.published_->used.store(++used_, std::memory_order_relaxed);
      parallel_ += worker->spec.is_parallel;
      publish(*worker);
    } else {
      if (actions_.is_parallel(definition_.data()))
        requests_.published_->parallel_ended.fetch_add(1, std::memory_order_release);
      entry.terminate_seen = false;
      free_slot(slot);
      actions_.refused(definition_.data());
    }
    return;
  }
  if (registered == entry.generation && terminate <= entry.generation + 1) {
    if (entry.worker != nullptr && terminate == entry.generation + 1 && !entry.terminate_seen) {
      entry.terminate_seen = true;
      actions_.terminate(*entry.worker);
    }
    return;
  }
  put_right(slot);
  note_damage(slot);
  if (entry.worker == nullptr) free_slot(slot);
}

void SlotLedger::take_changes(Clock::time_point now) {
  requests_.changed_.take_all([this](int slot) { look_at(slot); });
  std::atomic<std::uint32_t>& check_wanted = requests_.head_->check_wanted;
  if (check_wanted.load(std::memory_order_acquire) != 0) {
    check_wanted.store(0, std::memory_order_release);
    if (used_ < requests_.slots_ && (!repaired_ || now - *repaired_ >= kBetweenRepairs)) {
      repaired_ = now;
      repair();
      if (damaged_ != 0) actions_.damaged(std::exchange(damaged_, 0));
    }
  }
  check_damage(now);
}

void SlotLedger::check_damage(Clock::time_point now) {
  if (damaged_ == 0 || (repaired_ && now - *repaired_ < kBetweenRepairs)) return;
  repaired_ = now;
  repair();
  actions_.damaged(std::exchange(damaged_, 0));
}

// Looks at every slot as if it had been announced, and makes the free set agree with the truth.
void SlotLedger::repair() {
  int missing = 0;
  for (int slot = 0; slot < requests_.slots_; slot++) {
    look_at(slot);
    bool called_free = requests_.free_.contains(slot);
    if (entries_[static_cast<std::size_t>(slot)].worker != nullptr) {
      if (!called_free) continue;
      requests_.free_.remove(slot);
      note_damage(slot);
    } else if (!called_free) {
      requests_.free_.add(slot);
      // One may be missing because a child is claiming it this moment; it finds out, or the next one does.
      if (missing++ > 0) note_damage(slot);
    }
  }
  std::uint64_t ended = requests_.published_->parallel_ended.load(std::memory_order_relaxed);
  std::uint64_t registered = requests_.head_->parallel_registered.load(std::memory_order_relaxed);
  if (registered - ended != static_cast<std::uint64_t>(parallel_) &&
      (registered < ended || registered - ended > static_cast<std::uint64_t>(requests_.slots_))) {
    requests_.head_->parallel_registered.store(ended + static_cast<std::uint64_t>(parallel_),
                                               std::memory_order_relaxed);
    damaged_ += damaged_ == 0;
  }
  for (Entry& entry : entries_) entry.damage_noted = false;
}

}  // namespace bgw
