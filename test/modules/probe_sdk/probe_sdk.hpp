// What the parts of probe_sdk share: objects that count themselves, how an error is shown, and the scenarios.
#pragma once

#include <algorithm>
#include <atomic>

#include <bgworker/bgworker.hpp>
#include <bgworker/schema.hpp>

#include <stdexcept>

namespace probe_sdk {

using namespace std::chrono_literals;
using bgworker::error;
using bgworker::log;
using bgworker::savepoint;
using bgworker::transaction;

struct tracked {
  static inline int alive = 0;
  static inline int made = 0;
  int number;
  tracked() : number(made++) { ++alive; }
  tracked(const tracked&) : number(made++) { ++alive; }
  ~tracked() { --alive; }
};

// What an error has, in one line.
inline void say(const char* where, const error& e) {
  log("sdk: {}: {} {} | {} | {} | {}", where, e.code().str(), e.message(), e.detail(), e.hint(), e.context());
}

// Used by the scenario that waits as well as by the one that shows all parameters.
extern const bgworker::parameter_value<std::chrono::milliseconds>& naptime;

// --- errors.cc ---
void caught(bgworker::worker& self);
void throws_server_error(bgworker::worker& self);
void throws_own_error(bgworker::worker& self);
void throws_standard(bgworker::worker& self);
void throws_number(bgworker::worker& self);
void exits(bgworker::worker& self);
void jumps(bgworker::worker& self);
void callbacks(bgworker::worker& self);

// --- database.cc ---
void savepoints(bgworker::worker& self);
void types(bgworker::worker& self);
void statements(bgworker::worker& self);
void retries(bgworker::worker& self);
void endurance(bgworker::worker& self);

// --- schemas.cc ---
void schemas(bgworker::worker& self);

// --- parameters.cc ---
void parameters(bgworker::worker& self);

// --- waiting.cc ---
void cancelled(bgworker::worker& self);
void cancelled_and_cleans_up(bgworker::worker& self);
void sleeper(bgworker::worker& self);
void idle_cancel(bgworker::worker& self);
void listener(bgworker::worker& self);
void waits(bgworker::worker& self);
void attempts(bgworker::worker& self);

// --- workers.cc ---
void locks(bgworker::worker& self);
void parent(bgworker::worker& self);

}  // namespace probe_sdk
