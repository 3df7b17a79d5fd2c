// A module of the tests, written on the C++ SDK. The setting probe_sdk.run names the scenarios to run, each in
// a worker of its own, which logs what it sees as "sdk: ...". Every scenario is full of objects that count
// themselves, and the last thing a worker's process logs is how many of them are still alive: what jumps over a
// destructor leaves one behind.
#include "probe_sdk.hpp"

using namespace probe_sdk;

namespace {

bgworker::parameter<std::string_view> scenarios{
    {.name = "probe_sdk.run", .description = "Scenarios to run.", .when = bgworker::changes::at_start}};

void report_alive(int code, Datum) {
  ereport(LOG, (errmsg_internal("sdk: %s ends with %d, %d objects alive of %s", MyBgworkerEntry->bgw_name, code,
                                tracked::alive, tracked::made > 0 ? "some" : "none")));
}

template <auto Scenario>
void counted(bgworker::worker& self) {
  before_shmem_exit(report_alive, 0);
  Scenario(self);
}

struct entry {
  std::string_view name;
  void (*add)(bgworker::module&, std::string_view);
};
template <auto Scenario>
void add_one(bgworker::module& module, std::string_view name) {
  const bool lasting = name == "sleeper" || name == "cancelled";
  module.add<counted<Scenario>>({.name = name, .restart = lasting ? 3600s : bgworker::never});
}
template <auto Scenario>
void add_two(bgworker::module& module, std::string_view name) {
  module.add<counted<Scenario>>(
      {.name = bgworker::format("{} 1", name), .type = name, .restart = bgworker::never});
  module.add<counted<Scenario>>(
      {.name = bgworker::format("{} 2", name), .type = name, .restart = bgworker::never});
}
void add_flawed(bgworker::module& module, std::string_view) {
  module.add<sleeper>({.name = ""});
  module.add<sleeper>({.name = "too early", .start = bgworker::start_time::postmaster_start});
  module.add<sleeper>({.name = "too late", .restart = 86400001s});
  module.add<counted<throws_own_error>>(bgworker::verified({.name = "sound", .restart = bgworker::never}));
}
constexpr entry entries[] = {{"caught", add_one<caught>},
                             {"savepoints", add_one<savepoints>},
                             {"types", add_one<types>},
                             {"statements", add_one<statements>},
                             {"throws_server_error", add_one<throws_server_error>},
                             {"throws_own_error", add_one<throws_own_error>},
                             {"throws_standard", add_one<throws_standard>},
                             {"throws_number", add_one<throws_number>},
                             {"exits", add_one<exits>},
                             {"jumps", add_one<jumps>},
                             {"callbacks", add_one<callbacks>},
                             {"locks", add_two<locks>},
                             {"parameters", add_one<parameters>},
                             {"cancelled", add_one<cancelled>},
                             {"cancelled_and_cleans_up", add_one<cancelled_and_cleans_up>},
                             {"sleeper", add_one<sleeper>},
                             {"idle_cancel", add_one<idle_cancel>},
                             {"listener", add_one<listener>},
                             {"waits", add_one<waits>},
                             {"retries", add_one<retries>},
                             {"endurance", add_one<endurance>},
                             {"schemas", add_one<schemas>},
                             {"attempts", add_one<attempts>},
                             {"parent", add_one<parent>},
                             {"flawed", add_flawed}};

}  // namespace

BGWORKER_MODULE(module) {
  std::string_view list = scenarios.get();
  while (!list.empty()) {
    const auto end = std::min(list.find(' '), list.size());
    const std::string_view name = list.substr(0, end);
    const auto* found =
        std::find_if(std::begin(entries), std::end(entries), [&](const entry& e) { return e.name == name; });
    if (found == std::end(entries)) throw error("22023", bgworker::format("there is no scenario \"{}\"", name));
    found->add(module, name);
    list.remove_prefix(std::min(end + 1, list.size()));
  }
}
