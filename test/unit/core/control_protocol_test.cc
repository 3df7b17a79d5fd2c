// What one side says, the other understands, whatever the bytes; nonsense is answered with an error and nothing
// else happens; no secret is shown; and only the owner and root are served.
#include "core/control_protocol.hpp"

#include <sys/socket.h>

#include <random>

#include "core/process_support.hpp"

using namespace bgw_test;
using bgw::ControlClient;
using bgw::LineBuffer;
using bgw::without_password;
using nlohmann::json;

TEST(ControlProtocol, RowsAndStatusSurviveTheJourney) {
  bgw::WorkerRow row{.name = "wörker \"1\"\n",
                     .type = "t",
                     .library = "lib",
                     .function = "main",
                     .pid = 4711,
                     .state = "running",
                     .flags = {"shmem", "database"},
                     .start_time = "recovery finished",
                     .restart_time = 0,
                     .starts = 3'000'000'000,
                     .last_exit = "signal 9: Killed",
                     .since = 1.5e9 + 0.25,
                     .wait_event_type = "Extension",
                     .wait_event = "Extension",
                     .activity = "SELECT 1",
                     .transactions = 12,
                     .dynamic = true,
                     .slot = 7,
                     .generation = 1ull << 40};
  bgw::HostStatus status{.pid = 1,
                         .started = 12.5,
                         .state = "running",
                         .version = "0.1",
                         .abi = "PostgreSQL 15.20",
                         .data_directory = "/d",
                         .workers = 2,
                         .running = 1,
                         .max_worker_processes = 8,
                         .upstream_state = "hot standby",
                         .upstream = "host=x",
                         .upstream_reason = "why",
                         .upstream_version = 150020,
                         .embedded = true};
  const std::string line = bgw::to_line(bgw::ps_reply(status, {row}));
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  bgw::Result<json> reply = bgw::parse_reply(std::string_view(line).substr(0, line.size() - 1));
  ASSERT_TRUE(reply);
  EXPECT_EQ(bgw::to_json_value(bgw::worker_row_from_json((*reply)["workers"][0])), bgw::to_json_value(row));
  EXPECT_EQ(bgw::to_json_value(bgw::host_status_from_json((*reply)["host"])), bgw::to_json_value(status));
  EXPECT_EQ(bgw::worker_row_from_json((*reply)["workers"][0]).generation, 1ull << 40);
}

TEST(ControlProtocol, WrongTypesKeepTheDefaults) {
  const bgw::WorkerRow row = bgw::worker_row_from_json(
      json{{"name", 5}, {"pid", "five"}, {"flags", {1, "database"}}, {"dynamic", 3}, {"starts", nullptr}});
  EXPECT_EQ(row.name, "");
  EXPECT_EQ(row.pid, 0);
  EXPECT_EQ(row.flags, std::vector<std::string>{"database"});
  EXPECT_FALSE(row.dynamic);
  EXPECT_EQ(row.restart_time, -1);
  EXPECT_EQ(bgw::worker_row_from_json("text").pid, 0);
  EXPECT_EQ(bgw::host_status_from_json(json{{"upstream", "?"}}).upstream_state, "");
}

TEST(ControlProtocol, BytesThatAreNotTextAreSentAllTheSame) {
  bgw::WorkerRow row{.name = "a\xff\xfe\x80z"};
  const std::string line = bgw::to_line(bgw::ps_reply({}, {row}));
  EXPECT_TRUE(bgw::parse_reply(std::string_view(line).substr(0, line.size() - 1)));
}

TEST(ControlProtocol, MalformedRequestsAreErrors) {
  for (const char* text : {"", "{", "[]", "null", "\"ps\"", "{}", "{\"op\":1}", "{\"op\":\"\"}",
                           "{\"op\":\"ps\"} x", "\xff\xff", "{\"op\":\"ps\""}) {
    bgw::Result<bgw::ControlRequest> request = bgw::parse_request(text);
    ASSERT_FALSE(request) << text;
    EXPECT_EQ(request.error().sqlstate, "08P01");
  }
  bgw::Result<bgw::ControlRequest> deep =
      bgw::parse_request(std::string(100'000, '[') + std::string(100'000, ']'));
  EXPECT_FALSE(deep);
  bgw::Result<bgw::ControlRequest> good = bgw::parse_request("{\"op\":\"wake\",\"name\":\"w\"}\r");
  ASSERT_TRUE(good);
  EXPECT_EQ(good->op, "wake");
  EXPECT_EQ(good->arguments["name"], "w");
}

TEST(ControlProtocol, AnErrorArrivesWithItsFields) {
  const std::string line =
      bgw::to_line(bgw::error_reply({.message = "m", .sqlstate = "42501", .detail = "d", .hint = "h"}));
  bgw::Result<json> reply = bgw::parse_reply(line);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().message, "m");
  EXPECT_EQ(reply.error().sqlstate, "42501");
  EXPECT_EQ(reply.error().detail, "d");
  EXPECT_EQ(reply.error().hint, "h");
  EXPECT_FALSE(bgw::parse_reply("nonsense"));
  EXPECT_FALSE(bgw::parse_reply("{\"ok\":\"yes\"}"));
}

TEST(ControlProtocol, SecretsAreNotShown) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"host=a password=secret dbname=d", "host=a password=******** dbname=d"},
      {"password = 'se cr\\'et' user=u", "password=******** user=u"},
      {"password=se\\ cret sslpassword=secret user=u", "password=******** sslpassword=******** user=u"},
      {"host = 'a b'   user=u", "host='a b' user=u"},
      {"password='secret", "(malformed connection string)"},
      {"secret", "(malformed connection string)"},
      {"postgresql://u:secret@h:5/d?x=1&password=secret&y=2",
       "postgresql://u:********@h:5/d?x=1&password=********&y=2"},
      {"postgres://u:se@cr/et@h/d", "postgres://u:********@h/d"},
      {"postgresql://h/d?sslpassword=secret", "postgresql://h/d?sslpassword=********"},
      {"postgresql://h/d?pass%77ord=secret", "postgresql://h/d?pass%77ord=********"},
      {"postgresql://u@h1:1,h2:2/d", "postgresql://u@h1:1,h2:2/d"},
      {"postgresql:///d", "postgresql:///d"},
      {"postgresql://?user=a@b", "postgresql://?user=a@b"},
  };
  for (const auto& [given, shown] : cases) EXPECT_EQ(without_password(given), shown) << given;
}

TEST(ControlProtocol, LinesAreCutWhereverTheBytesAre) {
  const unsigned seed =
      getenv("BGW_TEST_SEED") ? static_cast<unsigned>(atoi(getenv("BGW_TEST_SEED"))) : std::random_device{}();
  SCOPED_TRACE("BGW_TEST_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 50; round++) {
    std::string stream;
    std::vector<std::string> expected, got;
    for (int i = 0; i < 40; i++) {
      expected.emplace_back(random() % 50, static_cast<char>('a' + i % 26));
      stream += expected.back() + "\n";
    }
    LineBuffer lines(1000);
    for (std::size_t at = 0; at < stream.size();) {
      const std::size_t length = std::min<std::size_t>(random() % 70 + 1, stream.size() - at);
      ASSERT_TRUE(lines.add(std::string_view(stream).substr(at, length)));
      at += length;
      while (random() % 3 != 0) {
        std::optional<std::string> line = lines.next();
        if (!line) break;
        got.push_back(*line);
      }
    }
    while (std::optional<std::string> line = lines.next()) got.push_back(*line);
    EXPECT_EQ(got, expected);
    EXPECT_EQ(lines.pending(), 0u);
  }
}

TEST(ControlProtocol, ALineWithoutEndIsAnError) {
  LineBuffer lines(100);
  EXPECT_TRUE(lines.add(std::string(100, 'x')));
  EXPECT_FALSE(lines.add("x"));
}

namespace {

// A host's side of the socket, in a process of its own: serves one connection after the other.
class Served {
 public:
  explicit Served(const std::string& path, int stop_fd = -1) {
    bgw::Result<bgw::UniqueFd> listening = bgw::listen_control_socket(path);
    EXPECT_TRUE(listening) << listening.error().one_line();
    listening_ = std::move(*listening);
    pid_ = fork_running([&] {
      for (;;) {
        pollfd item{listening_.get(), POLLIN, 0};
        poll(&item, 1, -1);
        bgw::Result<std::optional<bgw::UniqueFd>> fd = bgw::accept_control_connection(listening_.get());
        if (!fd || !*fd) continue;
        bgw::Result<void> served =
            bgw::serve_control_connection((*fd)->get(),
                                          [](const bgw::ControlRequest& request) {
                                            if (request.op == "throw")
                                              return json{{"ok", request.arguments.at("absent")}};
                                            if (request.op == "big")
                                              return json{{"ok", true}, {"text", std::string(3'000'000, 'x')}};
                                            return json{{"ok", true}, {"echo", request.arguments}};
                                          },
                                          stop_fd);
        (void)static_cast<bool>(served);
      }
    });
  }
  ~Served() {
    kill(pid_, SIGKILL);
    wait_for_exit(pid_);
  }

 private:
  bgw::UniqueFd listening_;
  pid_t pid_ = 0;
};

}  // namespace

TEST(ControlSocket, AnswersOneRequestAfterTheOther) {
  TempFolder folder;
  Served host(folder / "s");
  EXPECT_EQ(mode_of(folder / "s"), 0600u);
  bgw::Result<ControlClient> client = ControlClient::connect(folder / "s", 60s);
  ASSERT_TRUE(client) << client.error().one_line();
  for (int i = 0; i < 10; i++) {
    bgw::Result<json> reply = client->ask({{"op", "ps"}, {"i", i}}, 60s);
    ASSERT_TRUE(reply) << reply.error().one_line();
    EXPECT_EQ((*reply)["echo"]["i"], i);
  }
  bgw::Result<json> big = client->ask({{"op", "big"}}, 60s);
  ASSERT_TRUE(big) << big.error().one_line();
  EXPECT_EQ((*big)["text"].get<std::string>().size(), 3'000'000u);
  // A handler that fails answers so, and goes on.
  bgw::Result<json> failed = client->ask({{"op", "throw"}}, 60s);
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().message.find("could not carry out \"throw\""), std::string::npos);
  EXPECT_TRUE(client->ask({{"op", "ps"}}, 60s));
  // A malformed one is told what is wrong, and ends the connection; the host serves the next.
  bgw::Result<json> wrong = client->ask("no object", 60s);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().detail, "The request is not a JSON object.");
  EXPECT_FALSE(client->ask({{"op", "ps"}}, 60s));
  bgw::Result<ControlClient> next = ControlClient::connect(folder / "s", 60s);
  ASSERT_TRUE(next);
  EXPECT_TRUE(next->ask({{"op", "ps"}}, 60s));
}

TEST(ControlSocket, AnEndlessRequestIsRefused) {
  TempFolder folder;
  Served host(folder / "s");
  bgw::Result<ControlClient> client = ControlClient::connect(folder / "s", 60s);
  ASSERT_TRUE(client);
  bgw::Result<json> reply = client->ask({{"op", std::string(4'000'000, 'x')}}, 60s);
  ASSERT_FALSE(reply);
  EXPECT_NE(reply.error().detail.find("longer than"), std::string::npos) << reply.error().one_line();
}

TEST(ControlSocket, AnotherUserIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  TempFolder folder;
  ASSERT_EQ(chmod(folder.path().c_str(), 0777), 0);
  Served host(folder / "s");
  ASSERT_EQ(chmod((folder / "s").c_str(), 0777), 0);  // so that only the credentials are in the way
  run_unprivileged([&] {
    bgw::Result<ControlClient> client = ControlClient::connect(folder / "s", 60s);
    ASSERT_TRUE(client) << client.error().one_line();
    bgw::Result<json> reply = client->ask({{"op", "ps"}}, 60s);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().message, "permission denied to control this host");
    EXPECT_EQ(reply.error().sqlstate, "42501");
  });
}

TEST(ControlSocket, EndsWhenTheHostDoes) {
  TempFolder folder;
  int ends[2], sockets[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
  const pid_t backend = fork_running([&] {
    close(ends[1]);
    EXPECT_TRUE(bgw::serve_control_connection(
        sockets[0], [](const bgw::ControlRequest&) { return json(); }, ends[0]));
  });
  close(ends[1]);
  EXPECT_EQ(wait_for_exit(backend), 0);
  close(ends[0]);
  close(sockets[0]);
  close(sockets[1]);
}

TEST(ControlSocket, ASocketLeftBehindIsReplacedAndAFileIsNot) {
  TempFolder folder;
  { ASSERT_TRUE(bgw::listen_control_socket(folder / "s")); }
  ASSERT_TRUE(exists(folder / "s"));
  bgw::Result<ControlClient> client = ControlClient::connect(folder / "s", 60s);
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().hint, "The host is not running, or is still starting.");
  EXPECT_TRUE(bgw::listen_control_socket(folder / "s"));
  write_file(folder / "f", "precious");
  EXPECT_FALSE(bgw::listen_control_socket(folder / "f"));
  EXPECT_EQ(read_file(folder / "f"), "precious");
  EXPECT_FALSE(bgw::listen_control_socket(folder / std::string(120, 'x')));
}
