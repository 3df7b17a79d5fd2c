// Which statement texts are prepared on the upstream, and which of them go when there are too many.
//
// A text is prepared the moment it has been asked for `threshold` times (0: never). Preparing is not part of
// a transaction on the upstream, so an entry survives rollbacks; it is forgotten when the upstream says that
// it does not exist or that its result type has changed. After a statement of the session's own that may have changed what
// names mean, a text must mean what it would mean when read anew: it is prepared again if it is again asked for often
// enough. That of a plan stays, as a plan does in the server, until the same text is planned once more. Least recently used entries are evicted into a
// list of names that the session deallocates when it is next outside a transaction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace bgw {

class PreparedCache {
 public:
  struct Entry {
    std::string key;   // text, parameter types, whether of a plan
    std::string name;  // on the upstream
    int uses = 0;
    bool prepared = false;  // the upstream has confirmed it
    bool planned = false;   // of a plan
    bool stale = false;     // of a plan: prepared before names may have changed
  };

  PreparedCache(std::size_t capacity, int threshold) : capacity_(capacity), threshold_(threshold) {}

  void set_threshold(int threshold) { threshold_ = threshold; }
  int threshold() const { return threshold_; }

  // The entry of this statement, made if absent; counts the use. Valid until the next call.
  Entry& use(std::string_view text, const std::vector<std::uint32_t>& types, bool planned);

  // Whether `entry` should run as a prepared statement now. `wanted`: its user asked for a prepared one.
  bool worth_preparing(const Entry& entry, bool wanted) const {
    return threshold_ > 0 && (entry.prepared || wanted || entry.uses >= threshold_);
  }

  // The upstream no longer has it, or it must be made anew under another name.
  void invalidate(Entry& entry, bool still_there);
  Entry* find(const std::string& key);

  // The session has changed what names may mean.
  void names_changed();

  // Every prepared statement of the session is gone (DISCARD ALL, DEALLOCATE ALL).
  void forget_all();

  // Names to deallocate; the caller takes them all.
  std::vector<std::string> take_retired() { return std::exchange(retired_, {}); }
  bool has_retired() const { return !retired_.empty(); }
  std::size_t size() const { return index_.size(); }

 private:
  std::size_t capacity_;
  int threshold_;
  std::uint64_t next_name_ = 0;
  std::list<Entry> order_;  // most recently used first
  std::unordered_map<std::string, std::list<Entry>::iterator> index_;
  std::vector<std::string> retired_;
};

}  // namespace bgw
