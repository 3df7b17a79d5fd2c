// The status page shared by all processes of the host: see status_page.hpp for who writes what.
#include "core/status_page.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

namespace bgw {

namespace {

struct Row {
  std::atomic<std::uint32_t> sequence;  // odd while being written
  std::uint32_t used;                   // 0: no worker in this slot
  WorkerStatusRow worker;
};

struct Header {
  std::int32_t postmaster_pid;
  std::int32_t row_count;
  std::int32_t child_count;
  std::int64_t started_us;
  std::atomic<std::int32_t> upstream_level;
  std::atomic<std::int32_t> upstream_in_recovery;
  std::atomic<std::int32_t> upstream_version;
  std::atomic<std::uint64_t> resets;
};

Header* header = nullptr;
Row* rows = nullptr;
std::atomic<std::int32_t>* children = nullptr;  // pids by child slot
PublishedSlots* published = nullptr;
std::size_t mapped_size = 0;

std::int64_t microseconds(std::chrono::system_clock::time_point when) {
  return std::chrono::duration_cast<std::chrono::microseconds>(when.time_since_epoch()).count();
}

template <class Write>
void write_row(int slot, Write write) {
  if (slot < 0 || slot >= header->row_count) return;
  Row& row = rows[slot];
  std::uint32_t sequence = row.sequence.load(std::memory_order_relaxed);
  row.sequence.store(sequence + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  write(row);
  row.sequence.store(sequence + 2, std::memory_order_release);
}

// A consistent copy of the row, or nothing if it holds no worker or keeps changing (a postmaster that died
// in the middle leaves the number odd for ever).
std::optional<WorkerStatusRow> read_row(int slot) {
  const Row& row = rows[slot];
  for (int attempt = 0; attempt < 1000; attempt++) {
    std::uint32_t before = row.sequence.load(std::memory_order_acquire);
    if (before & 1) continue;
    bool used = row.used != 0;
    WorkerStatusRow copy = row.worker;
    std::atomic_thread_fence(std::memory_order_acquire);
    if (row.sequence.load(std::memory_order_relaxed) != before) continue;
    if (!used) return std::nullopt;
    return copy;
  }
  return std::nullopt;
}

}  // namespace

Result<void> StatusPage::create(int worker_slots, int child_slots) {
  auto row_count = static_cast<std::size_t>(worker_slots);
  std::size_t child_count = static_cast<std::size_t>(child_slots) + 1;
  std::size_t rows_at = (sizeof(Header) + 63) & ~std::size_t{63};
  std::size_t children_at = rows_at + row_count * sizeof(Row);
  std::size_t published_at = (children_at + child_count * sizeof(std::int32_t) + 63) & ~std::size_t{63};
  mapped_size = published_at + PublishedSlots::size_for(worker_slots);
  void* memory =
      ::mmap(nullptr, mapped_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    return Error{.message = "could not map " + std::to_string(mapped_size) +
                            " bytes of shared memory for the status: " + std::strerror(errno),
                 .sqlstate = "53200",
                 .hint = "Reduce \"max_worker_processes\" or free memory."};
  auto* base = static_cast<char*>(memory);
  header = reinterpret_cast<Header*>(base);
  rows = reinterpret_cast<Row*>(base + rows_at);
  children = reinterpret_cast<std::atomic<std::int32_t>*>(base + children_at);
  published = reinterpret_cast<PublishedSlots*>(base + published_at);
  published->slots = worker_slots;
  header->postmaster_pid = ::getpid();
  header->row_count = worker_slots;
  header->child_count = static_cast<std::int32_t>(child_count);
  // As in a server that has just started: what is not known to be over may still be going on.
  header->upstream_in_recovery.store(1, std::memory_order_relaxed);
  header->started_us = microseconds(std::chrono::system_clock::now());
  return {};
}

void StatusPage::set_worker(int slot, const WorkerRegistry::Worker& worker, int child_slot, const char* library,
                            const char* function) {
  write_row(slot, [&](Row& row) {
    WorkerStatusRow& out = row.worker;
    if (row.used == 0) {
      std::strncpy(out.name, worker.spec.name.c_str(), WorkerStatusRow::kNameLength - 1);
      std::strncpy(out.type, worker.spec.type.c_str(), WorkerStatusRow::kNameLength - 1);
      std::strncpy(out.library, library, WorkerStatusRow::kNameLength - 1);
      std::strncpy(out.function, function, WorkerStatusRow::kNameLength - 1);
      out.is_dynamic = !worker.spec.is_static;
    }
    row.used = 1;
    out.pid = worker.pid;
    out.child_slot = worker.pid != 0 ? child_slot : -1;
    out.flags = worker.spec.flags;
    out.start_time = static_cast<std::int32_t>(worker.spec.start_when);
    out.restart_seconds =
        worker.spec.restart_after ? static_cast<std::int32_t>(worker.spec.restart_after->count()) : -1;
    out.state = static_cast<std::int32_t>(worker.state);
    out.has_exited = worker.last_exit.has_value();
    out.exit_by_signal = worker.last_exit && worker.last_exit->by_signal;
    out.exit_code = worker.last_exit ? worker.last_exit->code : 0;
    out.starts = worker.starts;
    out.since_us = microseconds(worker.since);
  });
}

void StatusPage::clear_worker(int slot) {
  write_row(slot, [](Row& row) {
    row.used = 0;
    std::memset(static_cast<void*>(&row.worker), 0, sizeof row.worker);
  });
}

void StatusPage::clear_workers() {
  for (int slot = 0; slot < header->row_count; slot++)
    if (rows[slot].used) clear_worker(slot);
}

void StatusPage::set_child_pid(int child_slot, pid_t pid) {
  if (child_slot >= 0 && child_slot < header->child_count)
    children[child_slot].store(pid, std::memory_order_relaxed);
}

void StatusPage::set_upstream(const UpstreamStatus& status) {
  header->upstream_version.store(status.server_version, std::memory_order_relaxed);
  header->upstream_in_recovery.store(status.in_recovery, std::memory_order_relaxed);
  header->upstream_level.store(static_cast<std::int32_t>(status.level), std::memory_order_release);
}

void StatusPage::set_reset_count(std::uint64_t resets) {
  header->resets.store(resets, std::memory_order_relaxed);
}

void StatusPage::protect_in_child() noexcept {
  ::mprotect(header, mapped_size, PROT_READ);
}

std::vector<std::pair<int, WorkerStatusRow>> StatusPage::workers() {
  std::vector<std::pair<int, WorkerStatusRow>> all;
  for (int slot = 0; slot < header->row_count; slot++)
    if (auto row = read_row(slot)) all.emplace_back(slot, *row);
  return all;
}

bool StatusPage::worker_type(int slot, pid_t pid, char* type, std::size_t size) {
  if (slot < 0 || slot >= header->row_count) return false;
  auto row = read_row(slot);
  if (!row || row->pid != pid) return false;
  std::strncpy(type, row->type, size - 1);
  type[size - 1] = '\0';
  return true;
}

PublishedSlots* StatusPage::published_slots() {
  return published;
}

std::optional<WorkerStatusRow> StatusPage::worker(int slot) {
  if (slot < 0 || slot >= header->row_count) return std::nullopt;
  return read_row(slot);
}

std::vector<pid_t> StatusPage::child_pids() {
  std::vector<pid_t> pids;
  for (int i = 0; i < header->child_count; i++)
    if (pid_t pid = children[i].load(std::memory_order_relaxed); pid > 0) pids.push_back(pid);
  return pids;
}

UpstreamStatus StatusPage::upstream() {
  UpstreamStatus status;
  status.level = static_cast<UpstreamLevel>(header->upstream_level.load(std::memory_order_acquire));
  status.in_recovery = header->upstream_in_recovery.load(std::memory_order_relaxed) != 0;
  status.server_version = header->upstream_version.load(std::memory_order_relaxed);
  return status;
}

pid_t StatusPage::postmaster_pid() {
  return header->postmaster_pid;
}
std::int64_t StatusPage::started_us() {
  return header->started_us;
}
std::uint64_t StatusPage::reset_count() {
  return header->resets.load(std::memory_order_relaxed);
}

}  // namespace bgw
