// What the parts of stats_exporter share: definitions of views, what was collected of them, and the ways to
// show it.
#pragma once

#include <algorithm>

#include <bgworker/bgworker.hpp>

#include <map>

namespace stats_exporter {

using clock = std::chrono::system_clock;  // ages are compared between processes
using std::chrono::milliseconds;

// --- definitions (definition.cc, views.cc) ---

enum class kind {
  counter,  // never decreases; the rest of a bounded view adds up what its members counted
  gauge,    // the rest is the sum of its members
  value     // means nothing as a sum: the rest has none
};

struct column {
  std::string name;
  std::string help;
  stats_exporter::kind kind;
};

// One statement and what its columns are. Metrics are named NAME_COLUMN.
struct definition {
  std::string name;
  std::vector<std::string> labels;
  std::vector<column> values;
  bool each_database = false;  // collected in each database, with its name as label datname
  int from_version = 0;        // of the server, as server_version_num
  int below_version = INT_MAX;
  std::string requires_relation;  // skipped where that relation does not exist
  int top = 0;                    // 0: stats_exporter.top
  std::size_t rank = 0;           // the value by which the top ones are chosen
  std::string sql;
  int line = 0;
};

// Throws with the line in `where` that is wrong. A metric that `taken` has already is refused.
std::vector<definition> parse_definitions(std::string_view text, const std::string& where,
                                          std::span<const definition> taken = {});
// Those of the module itself.
const std::vector<definition>& own_definitions();

// --- what was collected (exchange.cc) ---

struct sample {
  std::vector<std::string> labels;  // values, in the order of the family's names
  double value;
};

enum class metric_type { gauge, counter, unknown };

struct family {
  std::string name;
  std::string help;
  metric_type type;
  std::vector<std::string> labels;
  std::vector<sample> samples;
};

struct view {
  std::string name;
  bool ok = false;          // at the last try
  clock::time_point at{};   // when `families` was collected; the epoch: never yet
  double seconds = 0;       // how long the last try took
  std::int64_t others = 0;  // how many are in the rest
  std::vector<family> families;
};

struct pass {
  std::string database;
  clock::time_point at{};  // of its end
  double seconds = 0;
  std::vector<view> views;
};

// The names of stats_exporter.databases. Throws when it is no list of names, or an empty one, or one is there twice.
std::vector<std::string> split_databases(std::string_view list);

// A pass is handed over in a file, replaced at once, so that a reader has either the one before or the new one.
void publish(int index, const pass& p);
// What a reader has of one database.
class reader {
 public:
  reader(int index, std::string database) : index_(index), database_(std::move(database)) {}
  // The last pass; nullptr when there is none of this database.
  const pass* last();

 private:
  int index_;
  std::string database_;
  std::optional<pass> pass_;
  std::array<std::int64_t, 4> seen_{};  // which file pass_ was read from
};
// Replaces a file at once, with that text. Throws with the name of the file.
void replace_file(const std::string& path, std::string_view text, unsigned mode);
// The whole of a file; nothing when it does not exist.
std::optional<std::string> read_file(const std::string& path);

// --- bounded sets of labels (top.cc) ---

struct row {
  std::vector<std::string> labels;
  std::vector<std::optional<double>> values;
};

class bounded_set {
 public:
  // The rows that have a place of their own, and at the end, if there is or was one, the rest with label
  // "_other".
  std::vector<row> choose(const definition& d, std::vector<row> rows, std::size_t places, milliseconds hold,
                          std::chrono::steady_clock::time_point now);
  std::int64_t others() const { return others_; }

 private:
  struct known {
    bool chosen = false;
    std::chrono::steady_clock::time_point since{};
    std::vector<std::optional<double>> last;
    unsigned seen = 0;
  };
  std::map<std::vector<std::string>, known> known_;
  std::vector<double> counted_;  // of the rest, so far
  bool rest_ = false;
  std::int64_t others_ = 0;
  unsigned round_ = 0;
};

// --- collecting (collect.cc) ---

struct collect_settings {
  milliseconds deadline, statement_timeout, top_hold;
  int top;
  std::string queries;
};

class collector {
 public:
  collector(bgworker::worker& self, int index, std::string database)
      : self_(self), index_(index), database_(std::move(database)) {}
  // One pass over all views, handed over at its end.
  void run(const collect_settings& s);

 private:
  struct state {
    const definition* of;
    view last;
    bounded_set bounds;
    bool complained = false;
    bool tried = false;
    bool slow = false;  // ran into its time-out at the last try: the others come first
  };
  void read_queries(const std::string& path);
  void run_view(state& s, const collect_settings& settings, std::chrono::steady_clock::time_point deadline);
  bool applies(bgworker::transaction& tx, const definition& d);

  bgworker::worker& self_;
  int index_;
  std::string database_;
  std::vector<definition> custom_;
  std::string custom_text_, custom_path_;
  bool custom_failed_ = false;
  std::map<std::string, state> states_;
};

// --- showing (render.cc) ---

enum class format { text, openmetrics, csv, json };

struct gathered {
  std::vector<reader*> readers;
  milliseconds stale_after;   // what is older is not shown; 0: shown whatever its age
  milliseconds fresh;         // pg_up is 1 while every pass is younger
  std::int64_t requests = 0;  // answered so far
};
std::string render(const gathered& g, format as, clock::time_point now);
// The first line of CSV.
inline constexpr std::string_view csv_head = "time,name,type,labels,value\n";

// --- answering over HTTP (http.cc) ---

// Owns a file descriptor.
class descriptor {
 public:
  explicit descriptor(int fd = -1) : fd_(fd) {}
  descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~descriptor();
  int get() const { return fd_; }

 private:
  int fd_;
};

struct response {
  int status = 200;
  std::string type;
  std::string body;
};

struct http_settings {
  int connections;
  milliseconds timeout;
};

// Why a list of addresses (ADDRESS:PORT, [ADDRESS]:PORT, *:PORT) cannot be right, or nullptr.
const char* refuse_addresses(const std::string_view& list);

// Answers GET and HEAD without ever blocking. Invariants:
//   at most `connections` connections are open; while that many are, none is accepted (the kernel keeps few);
//   a connection is closed `timeout` after it was accepted, whatever it does;
//   at most 8 kB of a request are kept.
class http_server {
 public:
  // (path, query, header Accept) → what to send. A thrown error is answered with 500.
  using handler = response (*)(void* of, std::string_view path, std::string_view query,
                               std::string_view accept);
  http_server(handler answer, void* of);

  // Listens on these addresses only. Throws when one of them cannot be had; then none is listened on.
  void listen(std::string_view addresses);
  // Readable when there is something to do.
  int fd() const { return epoll_.get(); }
  // Does what can be done at once.
  void serve(const http_settings& s);
  // When serve() is to be called though nothing is readable.
  std::optional<std::chrono::steady_clock::time_point> next_deadline() const;
  std::int64_t answered() const { return answered_; }

 private:
  struct connection {
    descriptor socket;
    std::chrono::steady_clock::time_point deadline;
    std::string request, out;
    std::size_t sent = 0;
    enum { reading, writing, draining } state = reading;
    std::size_t drained = 0;
  };
  void accept_some(int listener, const http_settings& s);
  bool advance(connection& c);  // false: close it
  bool answer(connection& c);
  void begin(connection& c, const response& r, bool with_body);
  void watch_listeners(bool on);

  handler answer_;
  void* of_;
  descriptor epoll_;
  std::vector<descriptor> listeners_;
  bool listening_ = true;
  std::map<int, connection> connections_;
  std::int64_t answered_ = 0;
};

// --- files (output.cc) ---

// Replaces a file that others read, so that they see it whole.
void write_text_file(const std::string& path, const std::string& content);
// Appends to a file; when it would become larger than `rotate_bytes`, it is renamed to PATH.old first.
void append_to_file(const std::string& path, std::string_view content, std::string_view head,
                    std::int64_t rotate_bytes);

// What this process uses: its CPU time, memory and open files.
std::vector<family> own_process();

}  // namespace stats_exporter
