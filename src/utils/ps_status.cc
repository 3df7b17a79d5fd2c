// The process title that ps shows, "bgworkerd: NAME ACTIVITY".
//
// The kernel shows the memory that argv and the environment had at the start. save_ps_display_args(), called
// by main() before anything else, moves both away and keeps that memory; children inherit it by fork and each
// writes its own title into its own copy. In a fork server, keep_title_at_hand() makes the kernel look elsewhere:
// the old place would cost each new process the copy of a page in which it writes nothing else.
#include <cstdlib>
#include <cstring>
#include <unistd.h>

#include "port/arguments_area.hpp"
#include "port/small_copies.hpp"
#include "port/start_data.hpp"
#include "utils/process_title.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/ps_status.h"
}

namespace {

// Not constants: read-only data would be a page more that a new process comes to.
BGW_START_DATA char every_title[] = "bgworkerd: ";
BGW_START_DATA char one_space[] = " ";

BGW_START_DATA char* title = nullptr;  // where the kernel looks
BGW_START_DATA size_t title_size = 0;  // bytes there, the zero at the end included
BGW_START_DATA size_t title_length = 0;    // what is in use
BGW_START_DATA size_t common_length = 0;   // what all titles here begin with, once it is written
BGW_START_DATA size_t fixed_length = 0;    // the part before the activity
BGW_START_DATA size_t written_length = 0;  // what an earlier title may have left behind

char* duplicate(const char* text) {
  char* copy = strdup(text);
  if (copy) return copy;
  write_stderr("out of memory\n");
  _exit(1);
}

void** array_of(size_t count) {
  void** array = static_cast<void**>(calloc(count + 1, sizeof(void*)));
  if (array) return array;
  write_stderr("out of memory\n");
  _exit(1);
}

// Writes `text` from byte `at` of the title on, as much of it as there is room for; returns where it ends. A new process gets
// its title by these few lines alone: each function of the C library is a page that it would come to for that only.
size_t append(size_t at, const char* text) {
  while (*text != '\0' && at < title_size - 1) title[at++] = *text++;
  return at;
}

void end_at(size_t length) {
  title[length] = '\0';
  if (written_length > length) bgw::clear_in_place(title + length, written_length - length);
  title_length = written_length = length;
}

BGW_START_DATA char title_at_hand[512];

void show(const char* activity) {
  end_at(append(fixed_length, activity));
}

}  // namespace

namespace bgw {

void keep_title_at_hand() {
  if (!title || !show_arguments_at(title_at_hand, sizeof title_at_hand)) return;
  title = title_at_hand;
  title_size = sizeof title_at_hand;
  common_length = written_length = 0;
}

}  // namespace bgw

extern "C" {

bool update_process_title = true;

// Returns the argv to use from now on.
char** save_ps_display_args(int argc, char** argv) {
  if (argc < 1) return argv;
  // As far as the strings lie one behind another, they are one piece of memory.
  char* end = argv[0];
  for (int i = 0; i < argc; ++i)
    if (argv[i] == end) end += strlen(argv[i]) + 1;
  size_t variables = 0;
  for (; environ[variables]; ++variables)
    if (environ[variables] == end) end += strlen(environ[variables]) + 1;

  char** new_environ = reinterpret_cast<char**>(array_of(variables));
  for (size_t i = 0; i < variables; ++i) new_environ[i] = duplicate(environ[i]);
  char** new_argv = reinterpret_cast<char**>(array_of(static_cast<size_t>(argc)));
  for (int i = 0; i < argc; ++i) new_argv[i] = duplicate(argv[i]);

  title = argv[0];
  title_size = static_cast<size_t>(end - title);
  written_length = title_size - 1;
  environ = new_environ;
  return new_argv;
}

// The part of the title that stays; null for the kind of process this is.
void init_ps_display(const char* fixed_part) {
  if (!title || !IsUnderPostmaster) return;
  if (!fixed_part) fixed_part = GetBackendTypeDesc(MyBackendType);
  if (common_length == 0) {
    common_length = append(0, every_title);
    if (cluster_name && cluster_name[0]) common_length = append(append(common_length, cluster_name), ": ");
  }
  fixed_length = append(append(common_length, fixed_part), one_space);
  end_at(fixed_length);  // the first title is set whatever update_process_title says
}

void set_ps_display(const char* activity) {
  if (update_process_title && title && fixed_length != 0) show(activity);
}

// The activity as it is shown.
const char* get_ps_display(int* displen) {
  if (!title || fixed_length == 0) {
    *displen = 0;
    return "";
  }
  *displen = static_cast<int>(title_length - fixed_length);
  return title + fixed_length;
}

}  // extern "C"
