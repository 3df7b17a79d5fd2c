// bgworkerctl call: sends the call, collects what comes back, and shows it the way psql would. Nothing is shown
// of a call that fails half-way but its error.
#include <iostream>

#include "options.hpp"
#include "table.hpp"

namespace bgworkerctl {

using bgw::Result;
using nlohmann::json;

namespace {

std::string text_of(const json& fields, const char* name) {
  auto found = fields.find(name);
  return found != fields.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string cell(const json& value) {
  return value.is_string() ? value.get<std::string>() : "";
}

void show_rows(const Options& options, const json& columns, const std::vector<json>& rows) {
  if (columns.size() == 1 || options.unaligned) {
    for (const json& row : rows) {
      std::string line;
      for (std::size_t i = 0; i < row.size(); i++) line += (i > 0 ? "|" : "") + cell(row[i]);
      std::cout << line << "\n";
    }
    return;
  }
  std::vector<Column> titles;
  for (const json& column : columns) titles.push_back({.title = text_of(column, "name")});
  std::vector<std::vector<std::string>> cells;
  for (const json& row : rows) {
    std::vector<std::string> line;
    for (const json& value : row) line.push_back(cell(value));
    line.resize(titles.size());
    cells.push_back(std::move(line));
  }
  if (!titles.empty()) std::cout << render_table(titles, cells, 0);
}

}  // namespace

void show_report(const json& fields) {
  const std::string severity = text_of(fields, "severity");
  std::cerr << (severity.empty() ? "ERROR" : severity) << ":  " << text_of(fields, "message") << "\n";
  for (const auto& [label, name] : {std::pair{"DETAIL", "detail"}, {"HINT", "hint"}, {"QUERY", "query"}})
    if (const std::string text = text_of(fields, name); !text.empty())
      std::cerr << label << ":  " << text << "\n";
  // As psql does by default: context belongs to errors.
  if (const std::string context = text_of(fields, "context");
      !context.empty() && severity != "NOTICE" && severity != "WARNING" && severity != "INFO")
    std::cerr << "CONTEXT:  " << context << "\n";
}

int run_call(const Options& options) {
  return with_host(options, [&](const std::string&, const bgw::LockFileContents& host) -> int {
    json request{
        {"op", "call"}, {"module", options.library}, {"function", options.function}, {"args", options.args}};
    if (options.returns) request["returns"] = *options.returns;
    if (options.strict) request["strict"] = true;
    if (options.database)
      request["database"] = *options.database;
    else if (options.session || options.user)
      request["database"] = "";
    if (options.user) request["user"] = *options.user;

    Result<bgw::ControlClient> client = bgw::ControlClient::connect(host.control_socket, answer_timeout);
    if (!client) {
      complain(client.error());
      return failure;
    }
    std::vector<json> rows;
    std::optional<Progress> progress;
    const auto idle = [&] {
      if (!progress) progress.emplace("waiting for \"" + options.function + "\"", true, Progress::To::error);
      progress->tick();
    };
    const auto interim = [&](const json& line) {
      if (auto notice = line.find("notice"); notice != line.end() && notice->is_object()) show_report(*notice);
      if (auto row = line.find("row"); row != line.end() && row->is_array()) rows.push_back(*row);
    };
    Result<json> reply =
        client->ask(request, std::chrono::seconds(options.wait_limit.value_or(0)), interim, idle);
    if (progress) progress->end(reply ? "done" : "failed");
    if (!reply) {
      if (client->error_fields().is_object()) {
        show_report(client->error_fields());
        return failure;
      }
      if (reply.error().sqlstate == "57014") {
        complain({.message = "\"" + options.function + "\" has not returned within " +
                             std::to_string(options.wait_limit.value_or(0)) + " s",
                  .detail = "It has been cancelled."});
        return timed_out;
      }
      complain(reply.error());
      return failure;
    }
    const json columns = reply->value("columns", json::array());
    if (options.as_json)
      std::cout << json{{"columns", columns}, {"rows", rows}, {"set", reply->value("set", false)}}.dump(
                       2, ' ', false, json::error_handler_t::replace)
                << "\n";
    else
      show_rows(options, columns, rows);
    std::cout << std::flush;
    return std::cout ? success : failure;
  });
}

}  // namespace bgworkerctl
