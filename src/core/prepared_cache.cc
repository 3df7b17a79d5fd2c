// A list in order of use with an index over it. No I/O here: the session does what the cache decides.
#include "core/prepared_cache.hpp"

namespace bgw {

namespace {

std::string make_key(std::string_view text, const std::vector<std::uint32_t>& types, bool planned) {
  std::string key(text);
  key.push_back('\0');
  if (planned) key.push_back('p');
  for (std::uint32_t type : types) key.append(std::to_string(type)).push_back(',');
  return key;
}

}  // namespace

PreparedCache::Entry& PreparedCache::use(std::string_view text, const std::vector<std::uint32_t>& types,
                                         bool planned) {
  std::string key = make_key(text, types, planned);
  if (auto it = index_.find(key); it != index_.end()) {
    order_.splice(order_.begin(), order_, it->second);
    ++it->second->uses;
    return *it->second;
  }
  while (order_.size() >= capacity_ && !order_.empty()) {
    Entry& oldest = order_.back();
    if (oldest.prepared) retired_.push_back(oldest.name);
    index_.erase(oldest.key);
    order_.pop_back();
  }
  order_.push_front(Entry{.key = key, .name = "bgw_" + std::to_string(++next_name_), .uses = 1, .planned = planned});
  index_.emplace(std::move(key), order_.begin());
  return order_.front();
}

PreparedCache::Entry* PreparedCache::find(const std::string& key) {
  auto it = index_.find(key);
  return it == index_.end() ? nullptr : &*it->second;
}

void PreparedCache::invalidate(Entry& entry, bool still_there) {
  if (still_there) retired_.push_back(entry.name);
  entry.name = "bgw_" + std::to_string(++next_name_);
  entry.prepared = false;
  entry.stale = false;
}

void PreparedCache::names_changed() {
  for (Entry& entry : order_) {
    if (entry.planned) {
      entry.stale = entry.prepared;
    } else {
      entry.uses = 0;
      if (entry.prepared) invalidate(entry, true);
    }
  }
}

void PreparedCache::forget_all() {
  for (Entry& entry : order_) invalidate(entry, false);
  retired_.clear();
}

}  // namespace bgw
