// Loading modules: finding the file, checking its magic block, running _PG_init once.
//
// A library is known by device and inode, so that the same file under another path is not loaded twice. The
// list is inherited by fork: what the postmaster preloaded is not initialised again in a child. Entered by
// the postmaster before any child exists, and by children. C style throughout: every function may raise.
#include "bridge/loader.hpp"

#include "bridge/critical.hpp"
#include "bridge/load_report.hpp"
#include "core/libpq_library.hpp"

#include <dlfcn.h>
#include <sys/stat.h>
#include <cerrno>
#include <cstring>
#include <initializer_list>

extern "C" {
#include "postgres.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/varlena.h"
}

namespace {

using ModuleInit = void (*)();

struct LoadedLibrary {
  LoadedLibrary* next;
  dev_t device;
  ino_t inode;
  void* handle;
  const char* preloaded_as;  // its name in shared_preload_libraries; nullptr: loaded otherwise
  const char* search_path;   // dynamic_library_path as it was then
  char path[FLEXIBLE_ARRAY_MEMBER];
};

LoadedLibrary* libraries = nullptr;  // oldest first
LoadedLibrary* last_library = nullptr;

const Pg_magic_struct server_magic = PG_MODULE_MAGIC_DATA;

void* open_library(const char* path) {
  bgw::enter_critical();
  void* handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
  // Two names that the server exports are libpq's here, which is loaded only where it is needed.
  if (handle == nullptr && !bgw::libpq_is_loaded()) {
    bgw::load_libpq();
    handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
  }
  bgw::leave_critical();
  return handle;
}

void close_library(void* handle) {
  bgw::enter_critical();
  dlclose(handle);
  bgw::leave_critical();
}

// Says in the server's words how the module's magic block differs from ours.
[[noreturn]] void raise_incompatible(const char* path, const Pg_magic_struct* module) {
  // Until version 9.6 the number held the minor version too.
  if (server_magic.version / 100 != module->version / 100) {
    char version[32];
    if (module->version >= 1000)
      snprintf(version, sizeof version, "%d", module->version / 100);
    else
      snprintf(version, sizeof version, "%d.%d", module->version / 100, module->version % 100);
    ereport(ERROR,
            (errmsg("incompatible library \"%s\": version mismatch", path),
             errdetail("Server is version %d, library is version %s.", server_magic.version / 100, version)));
  }
  if (strncmp(module->abi_extra, server_magic.abi_extra, sizeof module->abi_extra) != 0)
    ereport(ERROR, (errmsg("incompatible library \"%s\": ABI mismatch", path),
                    errdetail("Server has ABI \"%s\", library has \"%s\".", server_magic.abi_extra,
                              module->abi_extra)));

  struct {
    const char* name;
    int ours;
    int theirs;
  } const fields[] = {
      {"FUNC_MAX_ARGS", server_magic.funcmaxargs, module->funcmaxargs},
      {"INDEX_MAX_KEYS", server_magic.indexmaxkeys, module->indexmaxkeys},
      {"NAMEDATALEN", server_magic.namedatalen, module->namedatalen},
  };
  char* details = psprintf("%s", "");
  for (const auto& field : fields)
    if (field.ours != field.theirs)
      details = psprintf("%s%sServer has %s = %d, library has %d.", details, *details ? "\n" : "", field.name,
                         field.ours, field.theirs);
  if (server_magic.float8byval != module->float8byval)
    details = psprintf("%s%sServer has FLOAT8PASSBYVAL = %s, library has %s.", details, *details ? "\n" : "",
                       server_magic.float8byval ? "true" : "false", module->float8byval ? "true" : "false");
  if (*details == '\0') details = psprintf("Magic block has unexpected length or padding difference.");
  ereport(ERROR, (errmsg("incompatible library \"%s\": magic block mismatch", path),
                  errdetail_internal("%s", details)));
  pg_unreachable();
}

void check_magic(const char* path, void* handle) {
  auto magic_function = reinterpret_cast<PGModuleMagicFunction>(dlsym(handle, PG_MAGIC_FUNCTION_NAME_STRING));
  if (magic_function == nullptr) {
    close_library(handle);
    ereport(ERROR, (errmsg("incompatible library \"%s\": missing magic block", path),
                    errhint("Extension libraries are required to use the PG_MODULE_MAGIC macro.")));
  }
  const Pg_magic_struct* module = magic_function();
  if (module->len == server_magic.len && memcmp(module, &server_magic, sizeof server_magic) == 0) return;

  // The block lives in the library: copy it before the library goes.
  Pg_magic_struct copy = {};
  memcpy(&copy, module, Min(static_cast<Size>(module->len), sizeof copy));
  close_library(handle);
  raise_incompatible(path, &copy);
}

// Loads the file, which was asked for by `name`, or finds it loaded already; returns its handle.
void* load_library(const char* path, const char* name) {
  for (LoadedLibrary* l = libraries; l != nullptr; l = l->next)
    if (strcmp(l->path, path) == 0) return l->handle;

  struct stat file;
  if (stat(path, &file) == -1)
    ereport(ERROR, (errcode_for_file_access(), errmsg("could not access file \"%s\": %m", path)));
  for (LoadedLibrary* l = libraries; l != nullptr; l = l->next)
    if (l->device == file.st_dev && l->inode == file.st_ino) return l->handle;

  void* handle = open_library(path);
  if (handle == nullptr) {
    const char* reason = dlerror();
    ereport(ERROR, (errcode_for_file_access(),
                    errmsg("could not load library \"%s\": %s", path, reason ? reason : "unknown reason")));
  }
  check_magic(path, handle);

  auto init = reinterpret_cast<ModuleInit>(dlsym(handle, "_PG_init"));
  // Said once in the host's life: a worker that loads a module itself would say it at every restart.
  LoadReport* report = claim_load_report(file) ? report_reached_stubs(path) : nullptr;
  if (init != nullptr) init();
  if (report != nullptr) report_idle_hooks(report, path);

  auto* entry = static_cast<LoadedLibrary*>(
      MemoryContextAllocZero(TopMemoryContext, offsetof(LoadedLibrary, path) + strlen(path) + 1));
  entry->device = file.st_dev;
  entry->inode = file.st_ino;
  entry->handle = handle;
  if (process_shared_preload_libraries_in_progress) {
    entry->preloaded_as = MemoryContextStrdup(TopMemoryContext, name);
    entry->search_path = MemoryContextStrdup(TopMemoryContext, Dynamic_library_path ? Dynamic_library_path : "");
  }
  strcpy(entry->path, path);
  (last_library ? last_library->next : libraries) = entry;
  last_library = entry;
  return handle;
}

bool is_file(const char* path) {
  struct stat file;
  if (stat(path, &file) == 0) return !S_ISDIR(file.st_mode);
  if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
    ereport(ERROR, (errcode_for_file_access(), errmsg("could not access file \"%s\": %m", path)));
  return false;
}

// Replaces a leading $libdir by the folder of the distribution's modules.
char* substitute_libdir(const char* name) {
  if (name[0] != '$') return pstrdup(name);
  const char* separator = first_dir_separator(name);
  size_t length = separator ? static_cast<size_t>(separator - name) : strlen(name);
  if (length != strlen("$libdir") || strncmp(name, "$libdir", length) != 0)
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_NAME), errmsg("invalid macro name in dynamic library path: %s", name)));
  return psprintf("%s%s", pkglib_path, name + length);
}

// Looks for `name` in each folder of dynamic_library_path; nullptr if it is in none.
char* find_in_library_path(const char* name) {
  if (Dynamic_library_path == nullptr || Dynamic_library_path[0] == '\0') return nullptr;
  for (const char* rest = Dynamic_library_path;; rest++) {
    const char* end = first_path_var_separator(rest);
    if (end == rest)
      ereport(ERROR, (errcode(ERRCODE_INVALID_NAME),
                      errmsg("zero-length component in parameter \"dynamic_library_path\"")));
    size_t length = end ? static_cast<size_t>(end - rest) : strlen(rest);
    char* folder = substitute_libdir(pnstrdup(rest, length));
    canonicalize_path(folder);
    if (!is_absolute_path(folder))
      ereport(ERROR, (errcode(ERRCODE_INVALID_NAME),
                      errmsg("component in parameter \"dynamic_library_path\" is not an absolute path")));
    char* full = psprintf("%s/%s", folder, name);
    if (is_file(full)) return full;
    if (end == nullptr) return nullptr;
    rest = end;
  }
}

// The file that `name` means: each place is tried first with the name as it is, then with the suffix. A name
// that leads nowhere is returned as given, for the error message.
char* expand_library_name(const char* name) {
  bool has_slash = first_dir_separator(name) != nullptr;
  for (const char* suffix : {"", DLSUFFIX}) {
    char* candidate = psprintf("%s%s", name, suffix);
    if (has_slash) {
      char* full = substitute_libdir(candidate);
      if (is_file(full)) return full;
    } else if (char* full = find_in_library_path(candidate)) {
      return full;
    }
  }
  return pstrdup(name);
}

void load_listed(const char* list, const char* setting) {
  if (list == nullptr || list[0] == '\0') return;
  List* names = NIL;
  if (!SplitDirectoriesString(pstrdup(list), ',', &names)) {
    ereport(LOG, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("invalid list syntax in parameter \"%s\"", setting)));
    return;
  }
  ListCell* cell;
  foreach (cell, names) {
    char* name = static_cast<char*>(lfirst(cell));
    load_file(name, false);
    ereport(DEBUG1, (errmsg_internal("loaded library \"%s\"", name)));
  }
  list_free_deep(names);
}

}  // namespace

void* bgw_find_preloaded_function(const char* library, const char* function) {
  for (LoadedLibrary* l = libraries; l != nullptr; l = l->next) {
    if (l->preloaded_as == nullptr || strcmp(l->preloaded_as, library) != 0) continue;
    if (strcmp(l->search_path, Dynamic_library_path ? Dynamic_library_path : "") != 0) return nullptr;
    return dlsym(l->handle, function);
  }
  return nullptr;
}

extern "C" {

void* load_external_function(const char* filename, const char* funcname, bool signalNotFound,
                             void** filehandle) {
  char* path = expand_library_name(filename);
  void* handle = load_library(path, filename);
  if (filehandle) *filehandle = handle;
  void* function = dlsym(handle, funcname);
  if (function == nullptr && signalNotFound)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
                    errmsg("could not find function \"%s\" in file \"%s\"", funcname, path)));
  pfree(path);
  return function;
}

void* lookup_external_function(void* filehandle, const char* funcname) {
  return dlsym(filehandle, funcname);
}

void load_file(const char* filename, bool restricted) {
  if (restricted &&
      (strncmp(filename, "$libdir/plugins/", 16) != 0 || first_dir_separator(filename + 16) != nullptr))
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                    errmsg("access to library \"%s\" is not allowed", filename)));
  char* path = expand_library_name(filename);
  load_library(path, filename);
  pfree(path);
}

void** find_rendezvous_variable(const char* varName) {
  static HTAB* variables = nullptr;
  struct Entry {
    char name[NAMEDATALEN];
    void* value;
  };
  if (variables == nullptr) {
    HASHCTL control = {};
    control.keysize = NAMEDATALEN;
    control.entrysize = sizeof(Entry);
    variables = hash_create("Rendezvous variable hash", 16, &control, HASH_ELEM | HASH_STRINGS);
  }
  bool found;
  auto* entry = static_cast<Entry*>(hash_search(variables, varName, HASH_ENTER, &found));
  if (!found) entry->value = nullptr;
  return &entry->value;
}

void process_shared_preload_libraries(void) {
  share_load_reports();
  process_shared_preload_libraries_in_progress = true;
  load_listed(shared_preload_libraries_string, "shared_preload_libraries");
  process_shared_preload_libraries_in_progress = false;
  process_shared_preload_libraries_done = true;
}
}
