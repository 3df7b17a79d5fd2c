// Which rows of a view have a place of their own: bounded sets of labels that hardly change.
//
// A row that has a place keeps it as long as it exists, and at least for stats_exporter.top_hold; after that it
// may lose it when it is no longer among the top ones. Free places go to the highest ranked. All others are the
// rest, in one row whose labels are "_other". Its counters never go down, whoever joins or leaves: what is
// added is what its members have counted since the last pass.
#include "stats_exporter.hpp"

namespace stats_exporter {

std::vector<row> bounded_set::choose(const definition& d, std::vector<row> rows, std::size_t places,
                                     milliseconds hold, std::chrono::steady_clock::time_point now) {
  ++round_;
  const auto rank = [&](const row& r) { return r.values[d.rank].value_or(0); };
  std::stable_sort(rows.begin(), rows.end(), [&](const row& a, const row& b) { return rank(a) > rank(b); });

  std::vector<known*> state(rows.size());
  std::size_t taken = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    known& k = known_[rows[i].labels];
    if (k.seen == round_)
      throw bgworker::error("21000", bgworker::format("\"{}\" has two rows with the same labels", d.name), {},
                            "Add a label that tells them apart, or group the rows.");
    k.seen = round_;
    if (k.chosen && i >= places && now - k.since >= hold) k.chosen = false;
    taken += k.chosen;
    state[i] = &k;
  }
  // Fewer places than before: the lowest lose theirs.
  for (std::size_t i = rows.size(); i-- > 0 && taken > places;)
    if (state[i]->chosen) {
      state[i]->chosen = false;
      --taken;
    }
  for (std::size_t i = 0; i < rows.size() && taken < places; ++i)
    if (!state[i]->chosen) {
      state[i]->chosen = true;
      state[i]->since = now;
      ++taken;
    }

  others_ = static_cast<std::int64_t>(rows.size() - taken);
  counted_.resize(d.values.size());
  std::vector<row> shown;
  row rest{std::vector<std::string>(d.labels.size(), "_other"), {}};
  std::vector<double> sums(d.values.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    known& k = *state[i];
    if (!k.chosen)
      for (std::size_t c = 0; c < d.values.size(); ++c) {
        const double value = rows[i].values[c].value_or(0);
        sums[c] += value;
        const double before = k.last.empty() ? 0 : k.last[c].value_or(0);
        counted_[c] += value >= before ? value - before : value;
      }
    k.last = rows[i].values;
    if (k.chosen) shown.push_back(std::move(rows[i]));
  }
  std::erase_if(known_, [&](const auto& entry) { return entry.second.seen != round_; });

  if (others_ > 0) rest_ = true;
  if (rest_) {
    for (std::size_t c = 0; c < d.values.size(); ++c)
      rest.values.push_back(d.values[c].kind == kind::counter ? std::optional(counted_[c])
                            : d.values[c].kind == kind::gauge ? std::optional(sums[c])
                                                              : std::nullopt);
    shown.push_back(std::move(rest));
  }
  return shown;
}

}  // namespace stats_exporter
