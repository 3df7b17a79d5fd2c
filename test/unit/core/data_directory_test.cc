// A data directory is made whole or not at all, for its owner only; and a host refuses to start in anything
// that is not its own, in the server's words where the server has them.
#include "core/data_directory.hpp"

#include "core/process_support.hpp"

using namespace bgw_test;
using bgw::check_data_directory;
using bgw::init_data_directory;

namespace {

constexpr int abi_major = 15;

class DataDirectory : public ::testing::Test {
 protected:
  TempFolder folder_;
  std::string path_ = folder_ / "data";

  // As whoever runs the test.
  bgw::Result<void> init(const std::string& path) {
    return init_data_directory(path, geteuid(), getegid(), "# settings\n", abi_major);
  }
};

}  // namespace

TEST_F(DataDirectory, IsMadeForItsOwnerOnly) {
  bgw::Result<void> made = init(path_);
  ASSERT_TRUE(made) << made.error().one_line();
  EXPECT_EQ(mode_of(path_), 0700u);
  EXPECT_EQ(mode_of(path_ + "/run"), 0700u);
  EXPECT_EQ(mode_of(path_ + "/bgworkerd.conf"), 0600u);
  EXPECT_EQ(read_file(path_ + "/bgworkerd.conf"), "# settings\n");
  EXPECT_EQ(read_file(path_ + "/BGWORKERD_VERSION"), "15\n");
  bgw::Result<void> checked = check_data_directory(path_, geteuid(), abi_major);
  EXPECT_TRUE(checked) << checked.error().one_line();
}

TEST_F(DataDirectory, MadeByRootBelongsToTheUserItIsFor) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  bgw::Result<bgw::UserIdentity> user = bgw::look_up_user("postgres");
  ASSERT_TRUE(user);
  ASSERT_TRUE(init_data_directory(path_ + "/deep/er/", user->uid, user->gid, "", abi_major));
  for (const char* name : {"", "/deep", "/deep/er", "/deep/er/run", "/deep/er/bgworkerd.conf"}) {
    struct stat info;
    ASSERT_EQ(stat((path_ + name).c_str(), &info), 0) << name;
    EXPECT_EQ(info.st_uid, user->uid) << name;
    EXPECT_EQ(info.st_gid, user->gid) << name;
  }
}

TEST_F(DataDirectory, AnEmptyFolderIsFilled) {
  ASSERT_EQ(mkdir(path_.c_str(), 0755), 0);
  ASSERT_TRUE(init(path_));
  EXPECT_EQ(mode_of(path_), 0700u);
  EXPECT_TRUE(check_data_directory(path_, geteuid(), abi_major));
}

TEST_F(DataDirectory, AFolderWithSomethingInItIsLeftAlone) {
  ASSERT_EQ(mkdir(path_.c_str(), 0755), 0);
  write_file(path_ + "/mine", "precious");
  bgw::Result<void> made = init(path_);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message, "directory \"" + path_ + "\" exists but is not empty");
  EXPECT_NE(made.error().hint.find("\"" + path_ + "\""), std::string::npos) << made.error().hint;
  EXPECT_EQ(read_file(path_ + "/mine"), "precious");
  EXPECT_EQ(mode_of(path_), 0755u);
  EXPECT_FALSE(exists(path_ + "/bgworkerd.conf"));
}

TEST_F(DataDirectory, ASecondInitSaysThatItIsDoneAlready) {
  ASSERT_TRUE(init(path_));
  bgw::Result<void> made = init(path_);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().detail, "It already is a bgworkerd data directory.");
  EXPECT_TRUE(check_data_directory(path_, geteuid(), abi_major));
}

TEST_F(DataDirectory, AFileIsNotADirectory) {
  write_file(path_, "x");
  bgw::Result<void> made = init(path_);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message, "\"" + path_ + "\" exists but is not a directory");
  bgw::Result<void> checked = check_data_directory(path_, geteuid(), abi_major);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().message, "specified data directory \"" + path_ + "\" is not a directory");
}

TEST_F(DataDirectory, WhatCannotBeMadeWholeIsNotLeftBehind) {
  run_unprivileged([&] {
    struct rlimit none {
      0, 0
    };
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &none);  // like a full disk: files can be made but not written
    bgw::Result<void> made = init(path_ + "/a/b");
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().message.find("could not write to file"), std::string::npos) << made.error().message;
    EXPECT_FALSE(exists(path_));
  });
}

TEST_F(DataDirectory, ANamelessOrForbiddenPlaceIsAnError) {
  EXPECT_FALSE(init(""));
  run_unprivileged([&] {
    ASSERT_EQ(mkdir(path_.c_str(), 0500), 0);
    bgw::Result<void> made = init(path_ + "/data");
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().message, "could not create directory \"" + path_ + "/data\": Permission denied");
    EXPECT_EQ(made.error().sqlstate, "42501");
  });
}

TEST_F(DataDirectory, AMissingOneIsToldWithTheRemedy) {
  bgw::Result<void> checked = check_data_directory(path_, geteuid(), abi_major);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().message, "data directory \"" + path_ + "\" does not exist");
  EXPECT_NE(checked.error().hint.find("bgworkerd --init -D " + path_), std::string::npos);
}

TEST_F(DataDirectory, AnotherOwnersIsRefused) {
  ASSERT_TRUE(init(path_));
  bgw::Result<void> checked = check_data_directory(path_, geteuid() + 1, abi_major);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().message, "data directory \"" + path_ + "\" has wrong ownership");
  EXPECT_EQ(checked.error().hint, "The server must be started by the user that owns the data directory.");
}

TEST_F(DataDirectory, OthersMustNotGetIn) {
  ASSERT_TRUE(init(path_));
  for (mode_t mode : {0755, 0701, 0770, 0720, 0777}) {
    ASSERT_EQ(chmod(path_.c_str(), mode), 0);
    bgw::Result<void> checked = check_data_directory(path_, geteuid(), abi_major);
    ASSERT_FALSE(checked) << std::oct << mode;
    EXPECT_EQ(checked.error().message, "data directory \"" + path_ + "\" has invalid permissions");
    EXPECT_EQ(checked.error().detail, "Permissions should be u=rwx (0700) or u=rwx,g=rx (0750).");
  }
  ASSERT_EQ(chmod(path_.c_str(), 0750), 0);
  EXPECT_TRUE(check_data_directory(path_, geteuid(), abi_major));
}

TEST_F(DataDirectory, AnotherMajorsIsRefused) {
  ASSERT_TRUE(init(path_));
  bgw::Result<void> checked = check_data_directory(path_, geteuid(), 18);
  ASSERT_FALSE(checked);
  EXPECT_NE(checked.error().detail.find("PostgreSQL 15, and this one is for PostgreSQL 18"), std::string::npos)
      << checked.error().detail;
}

TEST_F(DataDirectory, AFolderOfSomethingElseIsRefused) {
  ASSERT_EQ(mkdir(path_.c_str(), 0700), 0);
  bgw::Result<void> checked = check_data_directory(path_, geteuid(), abi_major);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().message, "directory \"" + path_ + "\" is not a bgworkerd data directory");
  bgw::Result<std::string> found = bgw::find_data_directory(path_);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().message, checked.error().message);
}

TEST_F(DataDirectory, TheRunFolderIsMadeAgainAndClosedToOthers) {
  ASSERT_TRUE(init(path_));
  ASSERT_EQ(rmdir((path_ + "/run").c_str()), 0);
  ASSERT_TRUE(check_data_directory(path_, geteuid(), abi_major));
  ASSERT_EQ(chmod((path_ + "/run").c_str(), 0777), 0);
  ASSERT_TRUE(check_data_directory(path_, geteuid(), abi_major));
  EXPECT_EQ(mode_of(path_ + "/run"), 0700u);
  ASSERT_EQ(rmdir((path_ + "/run").c_str()), 0);
  ASSERT_EQ(symlink("/tmp", (path_ + "/run").c_str()), 0);
  EXPECT_FALSE(check_data_directory(path_, geteuid(), abi_major));
}

TEST_F(DataDirectory, SocketPathsHaveALimit) {
  const std::string longest(107, 'a');
  EXPECT_TRUE(bgw::check_socket_path_length(longest));
  bgw::Result<void> checked = bgw::check_socket_path_length(longest + "a");
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().message,
            "Unix-domain socket path \"" + longest + "a\" is too long (maximum 107 bytes)");
  EXPECT_FALSE(bgw::control_socket_path("/" + std::string(100, 'd')));
  ASSERT_TRUE(bgw::control_socket_path("/d"));
  EXPECT_EQ(*bgw::control_socket_path("/d"), "/d/run/control.sock");
}

TEST(RunAs, KnowsWhoMayRunTheHost) {
  EXPECT_FALSE(bgw::look_up_user("root"));
  bgw::Result<bgw::UserIdentity> nobody = bgw::look_up_user("no such user here");
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().message, "user \"no such user here\" does not exist");
}

TEST(RunAs, GivesUpRootForGood) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const pid_t pid = fork_running([] {
    EXPECT_FALSE(bgw::run_as("root"));
    EXPECT_FALSE(bgw::run_as("no such user here"));
    ASSERT_EQ(geteuid(), 0u);
    bgw::Result<bgw::UserIdentity> user = bgw::run_as("postgres");
    ASSERT_TRUE(user) << user.error().one_line();
    uid_t real, effective, saved;
    ASSERT_EQ(getresuid(&real, &effective, &saved), 0);
    EXPECT_EQ(real, user->uid);
    EXPECT_EQ(effective, user->uid);
    EXPECT_EQ(saved, user->uid);
    gid_t groups[64];
    const int count = getgroups(64, groups);
    for (int i = 0; i < count; i++) EXPECT_NE(groups[i], 0u);
    EXPECT_NE(setuid(0), 0);
    EXPECT_STREQ(getenv("HOME"), user->home.c_str());
    EXPECT_EQ(umask(0), 077u);
    // What anyone else asks for is not a change of user.
    EXPECT_TRUE(bgw::run_as("no such user here"));
  });
  EXPECT_EQ(wait_for_exit(pid), 0);
}
