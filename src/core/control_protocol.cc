// What is said over the control socket: objects to and from JSON, requests, replies, lines. No system call and
// no state; the carrying of it is in control_socket.cc. Nothing here throws: what comes in is checked for its
// type before it is read, and what goes out replaces bytes that are not UTF-8.
#include "core/control_protocol.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>

namespace bgw {

using nlohmann::json;

namespace {

void read(const json& object, const char* name, std::string& value) {
  if (auto found = object.find(name); found != object.end() && found->is_string())
    value = found->get<std::string>();
}

template <class Number>
requires std::is_arithmetic_v<Number>
void read(const json& object, const char* name, Number& value) {
  auto found = object.find(name);
  if (found == object.end()) return;
  if constexpr (std::is_same_v<Number, bool>) {
    if (found->is_boolean()) value = found->get<bool>();
  } else {
    if (found->is_number()) value = found->get<Number>();
  }
}

void read(const json& object, const char* name, std::vector<std::string>& value) {
  auto found = object.find(name);
  if (found == object.end() || !found->is_array()) return;
  value.clear();
  for (const json& member : *found)
    if (member.is_string()) value.push_back(member.get<std::string>());
}

constexpr const char* secret = "********";

bool is_secret(std::string_view name) {
  return name == "password" || name == "sslpassword";
}

std::string uri_without_password(const std::string& uri) {
  const std::size_t authority = uri.find("://") + 3;
  const std::size_t query = std::min(uri.find('?', authority), uri.size());
  std::string result = uri.substr(0, authority);
  // Up to the last "@": whatever a secret with an unescaped character looks like, it is before that.
  const std::size_t at = query > authority ? uri.rfind('@', query - 1) : std::string::npos;
  std::size_t rest = authority;
  if (at != std::string::npos && at >= authority) {
    const std::string user = uri.substr(authority, at - authority);
    const std::size_t colon = user.find(':');
    result += user.substr(0, colon);
    if (colon != std::string::npos) result.append(":").append(secret);
    rest = at;
  }
  result += uri.substr(rest, query - rest);
  for (std::size_t start = query; start < uri.size();) {
    const std::size_t end = std::min(uri.find('&', start + 1), uri.size());
    const std::string parameter = uri.substr(start, end - start);  // with its ? or &
    const std::size_t equals = parameter.find('=');
    // A percent sign in the name may spell "password" in another way.
    const std::string name = parameter.substr(1, equals == std::string::npos ? equals : equals - 1);
    if (equals != std::string::npos && (is_secret(name) || name.find('%') != std::string::npos))
      result += parameter.substr(0, equals + 1) + secret;
    else
      result += parameter;
    start = end;
  }
  return result;
}

std::string pairs_without_password(const std::string& text) {
  const auto space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  std::string result;
  std::size_t at = 0;
  while (at < text.size()) {
    if (space(text[at])) {
      at++;
      continue;
    }
    std::string name;
    while (at < text.size() && text[at] != '=' && !space(text[at])) name.push_back(text[at++]);
    while (at < text.size() && space(text[at])) at++;
    // Not a connection string: whatever it is, it may have a secret in it.
    if (at == text.size() || text[at] != '=') return "(malformed connection string)";
    at++;
    while (at < text.size() && space(text[at])) at++;
    const std::size_t start = at;
    if (at < text.size() && text[at] == '\'') {
      for (at++; at < text.size() && text[at] != '\''; at++)
        if (text[at] == '\\') at++;
      if (at >= text.size()) return "(malformed connection string)";
      at++;
    } else {
      for (; at < text.size() && !space(text[at]); at++)
        if (text[at] == '\\') at++;
      at = std::min(at, text.size());
    }
    if (!result.empty()) result.push_back(' ');
    result += name + "=" + (is_secret(name) ? secret : text.substr(start, at - start));
  }
  return result;
}

bool is_interim(const json& line) {
  return !line.contains("ok") && (line.contains("notice") || line.contains("row") || line.contains("progress"));
}

Error malformed(std::string detail) {
  return Error{.message = "malformed message on the control socket",
               .sqlstate = "08P01",
               .detail = std::move(detail),
               .hint = "Each message is one JSON object on one line."};
}

}  // namespace

json to_json_value(const WorkerRow& row) {
  return json{{"name", row.name},
              {"type", row.type},
              {"library", row.library},
              {"function", row.function},
              {"pid", row.pid},
              {"state", row.state},
              {"flags", row.flags},
              {"start_time", row.start_time},
              {"restart_time", row.restart_time},
              {"starts", row.starts},
              {"last_exit", row.last_exit},
              {"since", row.since},
              {"wait_event_type", row.wait_event_type},
              {"wait_event", row.wait_event},
              {"activity", row.activity},
              {"transactions", row.transactions},
              {"dynamic", row.dynamic},
              {"slot", row.slot},
              {"generation", row.generation},
              {"handle", row.handle}};
}

WorkerRow worker_row_from_json(const json& value) {
  WorkerRow row;
  if (!value.is_object()) return row;
  read(value, "name", row.name);
  read(value, "type", row.type);
  read(value, "library", row.library);
  read(value, "function", row.function);
  read(value, "pid", row.pid);
  read(value, "state", row.state);
  read(value, "flags", row.flags);
  read(value, "start_time", row.start_time);
  read(value, "restart_time", row.restart_time);
  read(value, "starts", row.starts);
  read(value, "last_exit", row.last_exit);
  read(value, "since", row.since);
  read(value, "wait_event_type", row.wait_event_type);
  read(value, "wait_event", row.wait_event);
  read(value, "activity", row.activity);
  read(value, "transactions", row.transactions);
  read(value, "dynamic", row.dynamic);
  read(value, "slot", row.slot);
  read(value, "generation", row.generation);
  read(value, "handle", row.handle);
  return row;
}

json to_json_value(const HostStatus& status) {
  return json{{"pid", status.pid},
              {"started", status.started},
              {"state", status.state},
              {"version", status.version},
              {"abi", status.abi},
              {"data_directory", status.data_directory},
              {"workers", status.workers},
              {"running", status.running},
              {"max_worker_processes", status.max_worker_processes},
              {"upstream",
               {{"state", status.upstream_state},
                {"conninfo", status.upstream},
                {"reason", status.upstream_reason},
                {"version", status.upstream_version},
                {"embedded", status.embedded}}}};
}

HostStatus host_status_from_json(const json& value) {
  HostStatus status;
  if (!value.is_object()) return status;
  read(value, "pid", status.pid);
  read(value, "started", status.started);
  read(value, "state", status.state);
  read(value, "version", status.version);
  read(value, "abi", status.abi);
  read(value, "data_directory", status.data_directory);
  read(value, "workers", status.workers);
  read(value, "running", status.running);
  read(value, "max_worker_processes", status.max_worker_processes);
  if (auto upstream = value.find("upstream"); upstream != value.end() && upstream->is_object()) {
    read(*upstream, "state", status.upstream_state);
    read(*upstream, "conninfo", status.upstream);
    read(*upstream, "reason", status.upstream_reason);
    read(*upstream, "version", status.upstream_version);
    read(*upstream, "embedded", status.embedded);
  }
  return status;
}

json status_reply(const HostStatus& status) {
  return json{{"ok", true}, {"host", to_json_value(status)}};
}

json ps_reply(const HostStatus& status, const std::vector<WorkerRow>& rows) {
  json workers = json::array();
  for (const WorkerRow& row : rows) workers.push_back(to_json_value(row));
  json reply = status_reply(status);
  reply["workers"] = std::move(workers);
  return reply;
}

json error_reply(const Error& error) {
  return json{{"ok", false},
              {"error",
               {{"message", error.message},
                {"sqlstate", error.sqlstate},
                {"detail", error.detail},
                {"hint", error.hint}}}};
}

Result<ControlRequest> parse_request(std::string_view line) {
  json value = json::parse(line.begin(), line.end(), nullptr, false);
  if (value.is_discarded()) return malformed("The request is not JSON.");
  if (!value.is_object()) return malformed("The request is not a JSON object.");
  ControlRequest request;
  read(value, "op", request.op);
  if (request.op.empty()) return malformed("The request has no \"op\", or it is not a string.");
  request.arguments = std::move(value);
  return request;
}

Result<json> parse_reply(std::string_view line, json* fields) {
  json value = json::parse(line.begin(), line.end(), nullptr, false);
  if (value.is_discarded() || !value.is_object()) return malformed("The reply is not a JSON object.");
  bool ok = false;
  read(value, "ok", ok);
  if (ok || is_interim(value)) return value;
  Error error{.message = "the host gave no reason", .sqlstate = "XX000"};
  if (auto found = value.find("error"); found != value.end() && found->is_object()) {
    read(*found, "message", error.message);
    read(*found, "sqlstate", error.sqlstate);
    read(*found, "detail", error.detail);
    read(*found, "hint", error.hint);
    if (fields) *fields = std::move(*found);
  }
  return error;
}

std::string to_line(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string worker_handle_text(int slot, unsigned long long generation, unsigned long long resets) {
  std::string text = std::to_string(slot) + ":" + std::to_string(generation);
  if (resets > 0) text += "." + std::to_string(resets);
  return text;
}

std::string without_password(const std::string& conninfo) {
  if (conninfo.starts_with("postgresql://") || conninfo.starts_with("postgres://"))
    return uri_without_password(conninfo);
  return pairs_without_password(conninfo);
}

Result<void> LineBuffer::add(std::string_view bytes) {
  if (start_ > 0) {
    bytes_.erase(0, start_);
    searched_ -= start_;
    start_ = 0;
  }
  bytes_.append(bytes);
  const std::size_t last = bytes_.rfind('\n');
  if (bytes_.size() - (last == std::string::npos ? 0 : last + 1) > limit_)
    return malformed("A message is longer than " + std::to_string(limit_) + " bytes.");
  return {};
}

std::optional<std::string> LineBuffer::next() {
  const std::size_t end = bytes_.find('\n', std::max(start_, searched_));
  if (end == std::string::npos) {
    searched_ = bytes_.size();
    return std::nullopt;
  }
  std::string line = bytes_.substr(start_, end - start_);
  start_ = searched_ = end + 1;
  return line;
}

}  // namespace bgw
