"""What --check and the log say about a module: what its entry points reach, and which of its hooks are never called."""

import json
import os
import re
import subprocess

import pytest
from harness import wait_until

from test_bad_input import MAGIC, compile_module

# CreateCheckPoint, standard_ExecutorStart and RequestCheckpoint stay stubs: the upstream does what they are for.
MODULE = MAGIC + r'''
#include "access/xlog.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/bgwriter.h"
#include "storage/ipc.h"
#include "utils/elog.h"

PGDLLEXPORT void direct_worker_main(Datum arg);
PGDLLEXPORT void callback_worker_main(Datum arg);
PGDLLEXPORT void table_worker_main(Datum arg);
PGDLLEXPORT void quiet_worker_main(Datum arg);
PGDLLEXPORT void never_named(Datum arg);
PGDLLEXPORT void only_called(int code);

static pg_noinline void deep(int flags) { CreateCheckPoint(flags); elog(LOG, "after"); }
static void at_exit(int code, Datum arg) { deep(code); }
static void by_table(int flags) { RequestCheckpoint(flags); }
static void (*const actions[])(int) = {by_table, deep};
static volatile int which;

void direct_worker_main(Datum arg) { deep(1); proc_exit(0); }
void callback_worker_main(Datum arg) { on_proc_exit(at_exit, arg); proc_exit(0); }
void table_worker_main(Datum arg) { actions[which](1); proc_exit(0); }
/* Its own name, which an error report gives, makes nothing an entry point. */
void only_called(int code) { elog(LOG, "%s", "called"); CreateCheckPoint(code); }
void never_named(Datum arg) { only_called(1); elog(ERROR, "no"); }
void quiet_worker_main(Datum arg) { elog(LOG, "quiet worker"); proc_exit(0); }

static shmem_request_hook_type previous_request;
static ExecutorStart_hook_type previous_start;
static void start(QueryDesc *query, int flags)
{
	if (previous_start)
		previous_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
}
static void request(void) { if (previous_request) previous_request(); }

static void add(const char *function)
{
	BackgroundWorker worker = {.bgw_name = "quiet", .bgw_flags = BGWORKER_SHMEM_ACCESS, .bgw_restart_time = BGW_NEVER_RESTART};
	strlcpy(worker.bgw_library_name, LIBRARY, MAXPGPATH);
	strlcpy(worker.bgw_function_name, function, BGW_MAXLEN);
	if (which == 0 && strcmp(function, "quiet_worker_main") == 0)
		RegisterBackgroundWorker(&worker);
}

void _PG_init(void)
{
	BackgroundWorker worker = {.bgw_name = "never"};
	sprintf(worker.bgw_function_name, "direct_worker_main");
	if (which)
		RegisterBackgroundWorker(&worker);
	strcpy(worker.bgw_function_name, "table_worker_main");
	if (which)
		RegisterBackgroundWorker(&worker);
	add("callback_worker_main");
	add("quiet_worker_main");
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_request = shmem_request_hook;
	shmem_request_hook = request;
	previous_start = ExecutorStart_hook;
	ExecutorStart_hook = start;
}
'''


def build(space, name, source, strip=False):
    """Compiles a module; returns its file."""
    path = os.path.join(space.folder, "extra", name)
    compile_module(space, name, source.replace("LIBRARY", f'"{path}"'))
    if strip:
        subprocess.run(["strip", path + ".so"], check=True)
    return path + ".so"


def check(space, *modules, program=("bgworkerd", "--check")):
    """The exit status and the reports of --check --json."""
    done = space.run([space.program(program[0]), program[1], *modules, "--json"], check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def reached(report):
    return {entry["name"]: {r["stub"] for r in entry["reaches"]} for entry in report["entry_points"]}


@pytest.mark.parametrize("strip", [False, True])
def test_calls_are_followed(space, strip):
    """Direct calls, callbacks and tables of functions are followed from each entry point; a hook nobody calls is not."""
    status, (report,) = check(space, build(space, "reaching", MODULE, strip))
    assert status == 1 and report["ok"] is False and report["loads"] is True
    assert reached(report) == {
        "_PG_init": set(),
        "direct_worker_main": {"CreateCheckPoint"},
        "callback_worker_main": {"CreateCheckPoint"},
        "table_worker_main": {"CreateCheckPoint", "RequestCheckpoint"},
        "quiet_worker_main": set()}
    assert report["hooks_never_called"] == ["ExecutorStart_hook"]
    assert {"CreateCheckPoint", "RequestCheckpoint", "standard_ExecutorStart"} <= set(report["imports"]["stubs"])
    assert "RegisterBackgroundWorker" in report["imports"]["implemented"]
    assert "process_shared_preload_libraries_in_progress" in report["imports"]["variables"]
    assert "ExecutorStart_hook" in report["imports"]["placeholders"]
    direct = next(e for e in report["entry_points"] if e["name"] == "direct_worker_main")
    path = direct["reaches"][0]["path"]
    assert path[0] == "direct_worker_main" and path[-1] == "CreateCheckPoint" and len(path) == 3
    assert path[1].startswith("0x") if strip else path[1] == "deep"
    assert report["verdict"].endswith("reached by callback_worker_main, direct_worker_main, table_worker_main")
    assert "\n" not in report["verdict"]


def test_stubs_out_of_reach(space):
    """A module that imports stubs which no entry point reaches is good."""
    source = MAGIC + '#include "access/xlog.h"\nPGDLLEXPORT void never_named(void);\n' \
        'void never_named(void) { CreateCheckPoint(0); }\nvoid _PG_init(void) { elog(LOG, "loaded"); }\n'
    module = build(space, "harmless", source)
    status, (report,) = check(space, module)
    assert status == 0 and report["ok"] is True
    assert report["imports"]["stubs"] == ["CreateCheckPoint"]
    assert "none reached" in report["verdict"]
    text = space.run([space.program("bgworkerd"), "--check", module]).stdout
    assert text.splitlines()[0] == f"{module}: {report['verdict']}"


def test_modules_that_do_not_load(space):
    """What a load would refuse, --check refuses, saying why; the others are reported all the same."""
    unknown = build(space, "unknown", MAGIC + "void of_no_server(void);\nvoid _PG_init(void) { of_no_server(); }\n")
    no_magic = build(space, "no_magic", MAGIC.replace("PG_MODULE_MAGIC;", "") + "void _PG_init(void) {}\n")
    other = build(space, "other", MAGIC.replace(
        "PG_MODULE_MAGIC;", "#undef PG_VERSION_NUM\n#define PG_VERSION_NUM 140005\nPG_MODULE_MAGIC;") +
        "void _PG_init(void) {}\n")
    text = os.path.join(space.folder, "extra", "text.so")
    with open(text, "w") as f:
        f.write("this is no library\n" * 20)
    status, reports = check(space, unknown, no_magic, other, text, "bgw_replstatus")
    assert status == 1
    assert [r["loads"] for r in reports] == [False, False, False, False, True]
    for report, why in zip(reports, ("of_no_server", "PG_MODULE_MAGIC", "version 14 of the server, not for 15",
                                     "not a shared library")):
        assert why in report["verdict"] and report["verdict"].startswith("does not load: ")


def test_packaged_modules(space):
    """The entry points of modules that Debian ships are found; bgworkerctl check tells the same."""
    expected = {
        "bgw_replstatus": ({"_PG_init", "bgw_replstatus_main"}, []),
        "pg_cron": ({"_PG_init", "PgCronLauncherMain", "CronBackgroundWorker"}, []),
        "pg_prewarm": ({"_PG_init", "autoprewarm_main", "autoprewarm_database_main"}, []),
        "auto_explain": ({"_PG_init"}, ["ExecutorEnd_hook", "ExecutorFinish_hook", "ExecutorRun_hook", "ExecutorStart_hook"]),
        "pg_stat_statements": ({"_PG_init"}, ["ExecutorEnd_hook", "ExecutorFinish_hook", "ExecutorRun_hook",
                                              "ExecutorStart_hook", "ProcessUtility_hook", "planner_hook",
                                              "post_parse_analyze_hook"])}
    status, reports = check(space, *expected)
    assert {r["module"]: (set(reached(r)), r["hooks_never_called"]) for r in reports} == expected
    for report in reports:
        assert report["ok"] == (not any(reached(report).values()))
    by_name = {r["module"]: r for r in reports}
    assert by_name["bgw_replstatus"]["ok"] and by_name["auto_explain"]["ok"] and not by_name["pg_prewarm"]["ok"]
    assert "smgropen" in reached(by_name["pg_prewarm"])["autoprewarm_database_main"]
    assert check(space, *expected, program=("bgworkerctl", "check")) == (status, reports)


def test_preloading_warns(space):
    """The log warns once for each entry point that reaches a stub, and names the hooks that are never called."""
    module = build(space, "reaching", MODULE)
    upstream = space.postgres("upstream").start()
    host = space.host(upstream=upstream, settings={
        "shared_preload_libraries": f"{module},auto_explain,hello_world"}).start()
    host.log.wait_for(r"quiet worker")
    warned = [line for line in host.log.text().split("\n") if "WARNING:" in line]
    assert sorted(re.search(r'"(\w+)" of library "[^"]*/reaching\.so" can reach functions', w).group(1) for w in warned) == [
        "callback_worker_main", "direct_worker_main", "table_worker_main"]
    assert "direct_worker_main -> deep -> CreateCheckPoint" in host.log.text()
    hooks = re.findall(r'LOG:  hooks that library "[^"]*/(\w+)\.so" installs are never called outside the server: (.*)',
                       host.log.text())
    assert hooks == [("reaching", "ExecutorStart_hook"),
                     ("auto_explain", "ExecutorEnd_hook, ExecutorFinish_hook, ExecutorRun_hook, ExecutorStart_hook")]
    assert host.stop() == 0


LATE = MAGIC + r'''
#include "access/xlog.h"
#include "optimizer/planner.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "commands/user.h"
#include "utils/elog.h"
#include "utils/guc.h"

PGDLLEXPORT void first_main(Datum arg);
PGDLLEXPORT void second_main(Datum arg);
PG_FUNCTION_INFO_V1(answer);

static planner_hook_type previous_planner;
static volatile bool never;

static PlannedStmt *plan(Query *parse, const char *text, int options, ParamListInfo params) { return previous_planner(parse, text, options, params); }
static void permit(const char *user, const char *password, PasswordType type, Datum until, bool unlimited) {}

void first_main(Datum arg) { if (never) CreateCheckPoint(0); BackgroundWorkerUnblockSignals(); load_file(LIBRARY "_two", false); proc_exit(0); }
void second_main(Datum arg) { check_password_hook = permit; elog(LOG, "second is here"); if (arg) *(volatile int *) 0 = 0; proc_exit(0); }
static const char *const names[] = {"first_main", "second_main"};
Datum answer(PG_FUNCTION_ARGS) { PG_RETURN_INT32(42); }

void _PG_init(void)
{
	previous_planner = planner_hook;
	if (strcmp(strrchr(LIBRARY, '/'), "/late") == 0)
		load_file(LIBRARY "_inner", false);
	planner_hook = plan;
	elog(DEBUG5, "%s", names[never]);
}
'''


def test_late_loading_warns(space):
    """What a worker, load_file(), another library's _PG_init or a call loads is reported like what is preloaded: once in the host's life."""
    folder = os.path.join(space.folder, "extra")
    modules = {name: build(space, name, LATE)[:-3] for name in ("late", "late_inner", "late_two", "late_called")}
    host = space.host(upstream="host=/nowhere").start()
    expected = {}

    quoted = rf'"{folder}/([a-z_]+)[.]so"'
    warning = rf'WARNING:  "first_main" of library {quoted} can reach functions'
    hooks = rf"LOG:  hooks that library {quoted} installs are never called outside the server: check_password_hook, planner_hook"

    def counts(report):
        found = re.findall(report, host.log.text())
        return {name: found.count(name) for name in found}

    def check(*names):
        expected.update({name: 1 for name in names})
        wait_until(lambda: counts(hooks) == expected, what=f"a report for each of {expected}")
        assert counts(warning) == expected

    for _ in range(3):
        host.control("launch", "--wait", modules["late"], "first_main")
        check("late", "late_inner", "late_two")
    host.control("launch", "--wait", modules["late_two"], "second_main")
    host.log.wait_for(r"LOG:  second is here")
    for _ in range(2):
        assert host.control("call", "--returns", "int4", modules["late_called"], "answer").stdout == "42\n"
        check("late_called")
    # A crash of a process forgets nothing.
    host.expect_crash = True
    host.control("launch", modules["late"], "second_main", "--arg", "1", check=False)
    host.log.wait_for(r"all server processes terminated; reinitializing")
    wait_until(lambda: host.control("launch", "--wait", modules["late"], "first_main", check=False).returncode == 0,
               what="the host serves again")
    check()
    # Another file under the same name is another library.
    build(space, "late", LATE)
    host.control("launch", "--wait", modules["late"], "first_main")
    expected["late"] = 2
    check()
    assert host.stop() == 0
    check()
