// bgworkerctl launch, terminate and wake: what is done to single workers.
#include <cstdlib>
#include <iostream>

#include "options.hpp"
#include "table.hpp"

namespace bgworkerctl {

using bgw::Error;
using bgw::Result;
using nlohmann::json;

namespace {

std::string text_of(const json& object, const char* name) {
  auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// The exit code for an error that the host sent or that came on the way to it. `what` has not happened in time.
int explain(const bgw::ControlClient& client, const Error& error, const Error& late, bool names_worker = true) {
  if (!client.error_fields().is_object()) {
    const bool timeout = error.sqlstate == "57014";
    complain(timeout ? late : error);
    return timeout ? timed_out : failure;
  }
  complain(error);
  if (!names_worker) return failure;
  return error.sqlstate == "42704" || error.sqlstate == "42725" ? no_such_worker : failure;
}

void show_notice(const json& line) {
  if (auto notice = line.find("notice"); notice != line.end() && notice->is_object()) show_report(*notice);
}

// Sends the request over a connection of its own; `use` gets the client and the host's answer.
template <class Use>
int ask_and(const Options& options, const json& request, std::optional<int> limit, const std::string& wait_for,
            const bgw::ControlClient::Interim& interim, Use use) {
  return with_host(options, [&](const std::string&, const bgw::LockFileContents& host) -> int {
    Result<bgw::ControlClient> client = bgw::ControlClient::connect(host.control_socket, answer_timeout);
    if (!client) {
      complain(client.error());
      return failure;
    }
    std::optional<Progress> progress;
    const auto line = [&](const json& received) {
      show_notice(received);
      if (interim) interim(received);
    };
    // Who gets the answer at once need not be told that it is waited for.
    const auto idle = [&] {
      if (!progress) progress.emplace(wait_for, true, Progress::To::error);
      progress->tick();
    };
    Result<json> reply = client->ask(request, std::chrono::seconds(limit.value_or(0)), line,
                                     wait_for.empty() ? std::function<void()>() : idle);
    if (progress) progress->end(reply ? "done" : "failed");
    return use(*client, reply);
  });
}

Result<long> seconds_of(const std::string& restart) {
  if (restart == "never") return -1L;
  char* end = nullptr;
  const long seconds = std::strtol(restart.c_str(), &end, 10);
  if (restart.empty() || *end != '\0' || seconds < 0 || seconds > 86400L * 1000)
    return Error{.message = "invalid restart interval \"" + restart + "\"",
                 .sqlstate = "22023",
                 .hint = "Give a number of seconds from 0 to 86400000, or never."};
  return seconds;
}

}  // namespace

int run_wake(const Options& options) {
  const json request{{"op", "wake"}, {"worker", options.worker}};
  return ask_and(options, request, static_cast<int>(answer_timeout.count() / 1000), "", {},
                 [&](const bgw::ControlClient& client, const Result<json>& reply) -> int {
                   if (reply) return success;
                   return explain(client, reply.error(), reply.error());
                 });
}

int run_terminate(const Options& options) {
  const json request{{"op", "terminate"}, {"worker", options.worker}, {"wait", options.wait}};
  return ask_and(options, request, options.wait_limit, "waiting for worker \"" + options.worker + "\" to end",
                 {}, [&](const bgw::ControlClient& client, const Result<json>& reply) -> int {
                   if (reply) return success;
                   return explain(
                       client, reply.error(),
                       {.message = "worker \"" + options.worker + "\" has not ended within " +
                                   std::to_string(options.wait_limit.value_or(0)) + " s",
                        .detail = "It was told to, and will not be restarted.",
                        .hint = "A worker that does not heed SIGTERM can be killed, which resets the host."});
                 });
}

int run_launch(const Options& options) {
  Result<long> restart = seconds_of(options.restart.value_or("never"));
  if (!restart) {
    complain(restart.error());
    return usage;
  }
  json request{{"op", "launch"},      {"library", options.library},         {"function", options.function},
               {"restart", *restart}, {"database", options.needs_database}, {"wait", options.wait}};
  for (const auto& [name, value] : {std::pair{"name", &options.name},
                                    {"type", &options.type},
                                    {"arg", &options.arg},
                                    {"extra", &options.extra},
                                    {"start_time", &options.start_time}})
    if (*value) request[name] = **value;

  const std::string name = options.name.value_or(options.function);
  std::string handle;
  bool shown = false;
  const auto show = [&](const json& worker) {
    if (shown) return;
    shown = true;
    if (options.as_json)
      std::cout << json{{"pid", worker.value("pid", 0)},
                        {"name", text_of(worker, "name")},
                        {"handle", text_of(worker, "handle")}}
                       .dump()
                << std::endl;
    else if (options.verbose)
      std::cout << worker.value("pid", 0) << " " << text_of(worker, "handle") << " "
                << printable(text_of(worker, "name")) << std::endl;
    else
      std::cout << worker.value("pid", 0) << std::endl;
  };
  const auto interim = [&](const json& line) {
    auto progress = line.find("progress");
    if (progress == line.end() || !progress->is_object()) return;
    if (const std::string given = text_of(*progress, "handle"); !given.empty()) handle = given;
    if (text_of(*progress, "what") == "started") show(*progress);
  };
  const std::optional<int> limit =
      options.wait_limit || options.wait ? options.wait_limit : std::optional<int>(60);
  return ask_and(
      options, request, limit, "waiting for worker \"" + name + "\" to " + (options.wait ? "end" : "start"),
      interim, [&](const bgw::ControlClient& client, const Result<json>& reply) -> int {
        if (reply) {
          show(*reply);
          return success;
        }
        return explain(client, reply.error(),
                       {.message = "worker \"" + name + "\" has not " + (shown ? "ended" : "started") +
                                   " within " + std::to_string(limit.value_or(0)) + " s",
                        .detail = "It stays registered" +
                                  (handle.empty() ? std::string(".") : ", with the handle " + handle + "."),
                        .hint = "\"bgworkerctl ps\" shows what it waits for; \"bgworkerctl terminate\" takes "
                                "it back."},
                       false);
      });
}

}  // namespace bgworkerctl
