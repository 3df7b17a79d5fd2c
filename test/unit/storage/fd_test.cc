// What a transaction holds open is closed where it ends, and by a rolled back subtransaction; what is returned
// twice, or was never handed out, is said; files are renamed and removed durably, with the server's errors.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "executor/spi_fixture.hpp"

extern "C" {
#include "common/file_utils.h"
#include "storage/fd.h"
}

namespace bgw_test {
namespace {

class FdTest : public SpiTest {
 protected:
  FdTest() {
    char name[] = "/tmp/bgw-fd-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~FdTest() override { rmtree(folder_.c_str(), true); }

  std::string path(const char* name) { return folder_ + "/" + name; }
  void write(const std::string& name, const char* text) {
    FILE* file = fopen(name.c_str(), "w");
    ASSERT_NE(file, nullptr);
    fputs(text, file);
    fclose(file);
  }
  std::string read(const std::string& name) {
    char text[100] = "";
    FILE* file = fopen(name.c_str(), "r");
    if (file == nullptr) return "none";
    size_t n = fread(text, 1, sizeof(text), file);
    fclose(file);
    return std::string(text, n);
  }
  static bool is_open(int fd) { return fcntl(fd, F_GETFD) != -1; }

  std::string folder_;
};

TEST_F(FdTest, ClosedWithTheTransaction) {
  begin();
  std::string name = path("a");
  FILE* file = AllocateFile(name.c_str(), "w");
  ASSERT_NE(file, nullptr);
  fputs("kept", file);
  int fd = OpenTransientFile(name.c_str(), O_RDONLY);
  ASSERT_GE(fd, 0);
  DIR* folder = AllocateDir(folder_.c_str());
  ASSERT_NE(folder, nullptr);
  int folder_fd = dirfd(folder), file_fd = fileno(file);
  AbortCurrentTransaction();
  EXPECT_FALSE(is_open(fd));
  EXPECT_FALSE(is_open(folder_fd));
  EXPECT_FALSE(is_open(file_fd));
  EXPECT_EQ(read(name), "kept");

  begin();
  fd = OpenTransientFile(name.c_str(), O_RDONLY);
  EXPECT_EQ(CloseTransientFile(fd), 0);
  file = AllocateFile(name.c_str(), "r");
  EXPECT_EQ(FreeFile(file), 0);
  fd = OpenTransientFile(name.c_str(), O_RDONLY);
  end();  // with a WARNING for the one that was left
  EXPECT_FALSE(is_open(fd));
  EXPECT_EQ(AllocateFile(path("none/x").c_str(), "w"), nullptr);
  EXPECT_EQ(errno, ENOENT);
}

TEST_F(FdTest, SubtransactionsHandOverOrClose) {
  std::string name = path("a");
  write(name, "x");
  begin();
  MemoryContext context = CurrentMemoryContext;
  BeginInternalSubTransaction(nullptr);
  int left = OpenTransientFile(name.c_str(), O_RDONLY);
  ReleaseCurrentSubTransaction();
  BeginInternalSubTransaction(nullptr);
  int rolled_back = OpenTransientFile(name.c_str(), O_RDONLY);
  RollbackAndReleaseCurrentSubTransaction();
  MemoryContextSwitchTo(context);
  EXPECT_FALSE(is_open(rolled_back));
  EXPECT_TRUE(is_open(left));
  AbortCurrentTransaction();
  EXPECT_FALSE(is_open(left));
}

TEST_F(FdTest, WasNotHandedOut) {
  begin();
  int fd = open(folder_.c_str(), O_RDONLY);
  EXPECT_EQ(CloseTransientFile(fd), 0);
  EXPECT_FALSE(is_open(fd));
  FILE* file = fopen("/dev/null", "r");
  EXPECT_EQ(FreeFile(file), 0);
  EXPECT_EQ(FreeDir(nullptr), 0);
  Caught c = caught(
      [](void* name) {
        char* folder = static_cast<char*>(name);
        ReadDir(AllocateDir(folder), folder);
      },
      const_cast<char*>("/none/at/all"));
  EXPECT_EQ(c.sqlstate, "58P01");
  EXPECT_EQ(c.message, "could not open directory \"/none/at/all\": No such file or directory");
  AbortCurrentTransaction();
}

TEST_F(FdTest, FoldersAndPipes) {
  begin();
  ASSERT_EQ(MakePGDirectory(path("sub").c_str()), 0);
  struct stat status;
  ASSERT_EQ(stat(path("sub").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  write(path("sub/file"), "x");
  ASSERT_EQ(symlink("sub", path("link").c_str()), 0);
  std::set<std::string> seen;
  DIR* dir = AllocateDir(folder_.c_str());
  while (struct dirent* entry = ReadDir(dir, folder_.c_str())) {
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    seen.insert(name + " " + std::to_string(get_dirent_type(path(entry->d_name).c_str(), entry, false, ERROR)) +
                " " + std::to_string(get_dirent_type(path(entry->d_name).c_str(), entry, true, ERROR)));
  }
  EXPECT_EQ(FreeDir(dir), 0);
  EXPECT_EQ(seen, (std::set<std::string>{
                      "sub " + std::to_string(PGFILETYPE_DIR) + " " + std::to_string(PGFILETYPE_DIR),
                      "link " + std::to_string(PGFILETYPE_LNK) + " " + std::to_string(PGFILETYPE_DIR)}));
  FILE* pipe = OpenPipeStream("echo through; exit 3", "r");
  ASSERT_NE(pipe, nullptr);
  char line[20];
  EXPECT_STREQ(fgets(line, sizeof(line), pipe), "through\n");
  EXPECT_EQ(ClosePipeStream(pipe), 3 << 8);
  EXPECT_TRUE(rmtree(folder_.c_str(), false));
  char** names = pgfnames(folder_.c_str());
  ASSERT_NE(names, nullptr);
  EXPECT_EQ(names[0], nullptr);
  pgfnames_cleanup(names);
  EXPECT_FALSE(rmtree(path("none").c_str(), true));
  end();
}

struct Names {
  std::string from, to;
};

TEST_F(FdTest, Durable) {
  begin();
  Names names{path("old"), path("new")};
  write(names.from, "1");
  EXPECT_EQ(durable_rename(names.from.c_str(), names.to.c_str(), ERROR), 0);
  EXPECT_EQ(read(names.to), "1");
  write(names.from, "2");
  EXPECT_EQ(durable_rename(names.from.c_str(), names.to.c_str(), ERROR), 0);
  EXPECT_EQ(read(names.to), "2");
  EXPECT_EQ(read(names.from), "none");
  EXPECT_EQ(durable_rename(names.from.c_str(), names.to.c_str(), WARNING), -1);
  Caught c = caught(
      [](void* it) {
        Names* names = static_cast<Names*>(it);
        durable_rename(names->from.c_str(), names->to.c_str(), ERROR);
      },
      &names);
  EXPECT_EQ(c.sqlstate, "58P01");
  EXPECT_EQ(c.message, "could not open file \"" + names.from + "\": No such file or directory");
  write(names.from, "3");
  c = caught(
      [](void* it) {
        Names* names = static_cast<Names*>(it);
        durable_rename_excl(names->from.c_str(), names->to.c_str(), ERROR);
      },
      &names);
  EXPECT_EQ(c.message, "could not link file \"" + names.from + "\" to \"" + names.to + "\": File exists");
  EXPECT_EQ(durable_unlink(names.to.c_str(), ERROR), 0);
  EXPECT_EQ(durable_unlink(names.to.c_str(), WARNING), -1);
  EXPECT_EQ(durable_rename_excl(names.from.c_str(), names.to.c_str(), ERROR), 0);
  EXPECT_EQ(read(names.to), "3");

  int fd = OpenTransientFile(names.to.c_str(), O_RDWR | O_TRUNC);
  char a[] = "abc", b[] = "", d[] = "def";
  struct iovec parts[] = {{a, 3}, {b, 0}, {d, 3}};
  EXPECT_EQ(pg_pwritev_with_retry(fd, parts, 3, 1), 6);
  EXPECT_EQ(pg_fdatasync(fd), 0);
  pg_flush_data(fd, 0, 0);
  EXPECT_EQ(pg_fsync(fd), 0);
  EXPECT_EQ(pg_fsync_writethrough(fd), -1);
  EXPECT_EQ(CloseTransientFile(fd), 0);
  EXPECT_EQ(read(names.to), std::string("\0abcdef", 7));
  EXPECT_EQ(pg_truncate(names.to.c_str(), 3), 0);
  EXPECT_EQ(read(names.to), std::string("\0ab", 3));
  fsync_fname(names.to.c_str(), false);
  fsync_fname(folder_.c_str(), true);
  end();
}

// Virtual files: as many as one likes, on a few descriptors.
TEST_F(FdTest, MoreFilesThanDescriptors) {
  int before = max_safe_fds;
  max_safe_fds = 10;
  std::vector<File> files;
  for (int i = 0; i < 40; i++) {
    files.push_back(PathNameOpenFile(path(std::to_string(i).c_str()).c_str(), O_RDWR | O_CREAT | O_EXCL));
    ASSERT_GT(files.back(), 0);
    std::string text = "file " + std::to_string(i);
    ASSERT_EQ(FileWrite(files.back(), text.data(), static_cast<int>(text.size()), 0, 0), static_cast<int>(text.size()));
  }
  int open_now = 0;
  for (File file : files) open_now += FileGetRawDesc(file) >= 0;
  EXPECT_LE(open_now, 10);
  EXPECT_GE(open_now, 5);
  EXPECT_GE(FileGetRawDesc(files.back()), 0);
  // What others take, these give up, and take again when they are used.
  int fds[3];
  for (int& fd : fds) fd = OpenTransientFile("/dev/null", O_RDONLY);
  for (int i = 0; i < 40; i++) {
    char text[20] = "";
    ASSERT_EQ(FileRead(files[static_cast<size_t>(i)], text, sizeof(text), 0, 0), i < 10 ? 6 : 7);
    EXPECT_EQ(text, "file " + std::to_string(i));
    EXPECT_EQ(FilePathName(files[static_cast<size_t>(i)]), path(std::to_string(i).c_str()));
  }
  open_now = 0;
  for (File file : files) open_now += FileGetRawDesc(file) >= 0;
  EXPECT_LE(open_now, 7);
  for (int fd : fds) EXPECT_EQ(CloseTransientFile(fd), 0);
  closeAllVfds();
  for (File file : files) {
    EXPECT_EQ(FileGetRawDesc(file), -1);
    FileClose(file);
  }
  max_safe_fds = before;
  Caught c = caught([](void* file) { FileSize(*static_cast<File*>(file)); }, &files[3]);
  EXPECT_EQ(c.message, "virtual file descriptor " + std::to_string(files[3]) + " is not open");
}

TEST_F(FdTest, TooManyAtATime) {
  int before = max_safe_fds;
  max_safe_fds = 60;
  begin();
  for (int i = 0; i < 20; i++) ASSERT_GE(OpenTransientFile("/dev/null", O_RDONLY), 0);
  Caught c = caught([](void*) { OpenTransientFile("/dev/null", O_RDONLY); }, nullptr);
  EXPECT_EQ(c.sqlstate, "53000");
  EXPECT_EQ(c.message, "exceeded maxAllocatedDescs (20) while trying to open file \"/dev/null\"");
  AbortCurrentTransaction();
  max_safe_fds = before;
}

TEST_F(FdTest, DescriptorsOfOthers) {
  int got = 0;
  while (got < 100000 && AcquireExternalFD()) got++;
  EXPECT_EQ(errno, EMFILE);
  EXPECT_GE(got, 16);
  EXPECT_LE(got, max_files_per_process / 3);
  for (; got > 0; got--) ReleaseExternalFD();
  EXPECT_TRUE(AcquireExternalFD());
  ReleaseExternalFD();
}

}  // namespace
}  // namespace bgw_test
