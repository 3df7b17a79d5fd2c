// The command line of bgworkerd.
#include <CLI/CLI.hpp>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "bridge/check_module.hpp"
#include "port/start_data.hpp"
#include "postmaster/last_words.hpp"
#include "postmaster/postmaster_main.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/ps_status.h"
}
#include "bridge/error.hpp"

namespace {

// The start data begin with a page of their own: the linker comes to this object first.
alignas(4096) BGW_START_DATA [[gnu::used]] char start_of_start_data = 0;

// The last of a child's exit handlers, because it is registered first: what is left after it is the libraries'
// own tidying up, which for the twenty-odd libraries behind libpq costs more than the rest of an exit. A
// worker's end is what its restart waits for, so children skip it.
void leave_without_library_destructors([[maybe_unused]] int status, void*) {
#ifndef __SANITIZE_ADDRESS__  // its leak check is a library destructor
  if (!IsUnderPostmaster) return;
  fflush(nullptr);
  if (IsBackgroundWorker && getpid() == MyProcPid)
    bgw::say_last_words(status);  // not for what a worker has forked
  _exit(status);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  on_exit(leave_without_library_destructors, nullptr);
  argv = save_ps_display_args(argc, argv);
  MemoryContextInit();
  InitStandaloneProcess(argv[0]);
  strlcpy(pkglib_path, BGW_PG_PKGLIBDIR, MAXPGPATH);
  strlcpy(my_exec_path, BGW_PG_BINDIR "/postgres", MAXPGPATH);

  CLI::App app{"bgworkerd runs PostgreSQL background-worker modules next to a database instead of inside it."};
  app.footer(
      "Exit status: 0 after a requested shutdown, 1 when the host cannot start or gives up, 2 for a wrong "
      "command line.");
  bgw::CommandLine command_line;
  bool init = false;
  bool version = false;
  bool as_json = false;
  std::vector<std::string> modules;
  app.add_option("-D,--data-directory", command_line.data_directory, "the host's data directory")
      ->type_name("DATADIR");
  app.add_option("-c", command_line.settings, "a setting, over the file's; may be given several times")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  app.add_flag("--init", init, "make a data directory with a commented bgworkerd.conf, and exit");
  app.add_option(
         "--check", modules,
         "say what modules import, whether the host has it, and what their entry points reach, and exit")
      ->type_name("MODULE");
  CLI::Option* check = app.get_option("--check");
  app.add_flag("--json", as_json, "with --check: as JSON")->needs(check);
  app.add_flag("-V,--version", version, "print the version and the module ABI, and exit");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (version) {
    printf("bgworkerd %s (module ABI of %s, major %d)\n", BGW_VERSION, BGW_PG_VERSION_TEXT,
           PG_VERSION_NUM / 10000);
    return 0;
  }
  if (!modules.empty()) return bgw::check_modules(modules, as_json);
  if (command_line.data_directory.empty()) {
    fprintf(stderr,
            "bgworkerd: no data directory given; name one with -D DATADIR, or make one with "
            "\"bgworkerd --init -D DATADIR\"\n");
    return 2;
  }
  if (init) return bgw::initialize_data_directory(command_line);
  bgw::install_log_sink();
  InitializeGUCOptions();
  bgw::postmaster_main(command_line);
}
