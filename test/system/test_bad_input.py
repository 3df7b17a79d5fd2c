"""Whatever is wrong with what the operator gives, the host says what a server would say, and does what it would do.

Where a real server has the same input, it gets it here too, and the message is compared.
"""

import os
import re
import subprocess

import harness
import rows
from harness import BINDIR, give_to_user, quote
from rows import shows

MAGIC = '#include "postgres.h"\n#include "fmgr.h"\nPG_MODULE_MAGIC;\nvoid _PG_init(void);\n'


def compile_module(space, name, source):
    """Compiles a module into a folder of the test; returns the folder."""
    folder = os.path.join(space.folder, "extra")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    with open(path + ".c", "w") as f:
        f.write(source)
    include = subprocess.run([f"{BINDIR}/pg_config", "--includedir-server"], capture_output=True, text=True,
                             check=True).stdout.strip()
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", f"-I{include}", "-Wl,-z,now", "-o", path + ".so",
                    path + ".c"], check=True)
    return folder


def fatal_lines(daemon):
    """The postmaster's FATAL line and what follows it, with paths and process ids masked."""
    lines = [line for line in daemon.log.lines if "|postmaster]" in line]
    first = next((i for i, line in enumerate(lines) if "] FATAL:" in line), len(lines))
    masked = []
    for line in lines[first:]:
        line = re.sub(r"^\[\d+\|", "[N|", line).replace(daemon.data, "DATA")
        line = re.sub(r'"[^"]*/(postgresql|bgworkerd|test)\.conf"', '"CONF"', line)
        masked.append(line)
    return masked


def both_said(said, status=1):
    """Compares what a server and a host said, in this order; both ended with `status`, or have not ended (None)."""
    assert said[0], "nothing was said"
    ended = [("SEEN", f"exit status {status}")] if status is not None else []
    rows.compare(*({"postmaster": [("LINE", line) for line in lines], "observed": ended} for lines in said))


def both_refuse(space, settings, message):
    """Neither a server nor a host starts with these settings; both give the message, and the same lines."""
    said = []
    for daemon in (space.postgres("reference", settings=settings),
                   space.host(settings=settings, upstream="host=/nonexistent")):
        daemon.start(ready=False)
        assert daemon.wait_exit() == 1, daemon.log.text()
        daemon.log.wait_for(message)
        said.append(fatal_lines(daemon))
    both_said(said)


@shows({"LB-01": r"could not access file", "LB-06": r"FATAL|database system is shut down|exit status 1"})
def test_missing_module(space):
    both_refuse(space, {"shared_preload_libraries": "nosuchmodule"},
                r'FATAL:  could not access file "nosuchmodule": No such file or directory')


def test_unreadable_module(space):
    folder = compile_module(space, "closed", MAGIC + "void _PG_init(void) {}\n")
    os.chown(os.path.join(folder, "closed.so"), 0, 0) if os.geteuid() == 0 else None
    os.chmod(os.path.join(folder, "closed.so"), 0)
    both_refuse(space, {"shared_preload_libraries": f"{folder}/closed"},
                r'FATAL:  could not (load library|access file) ".*closed.*": .*Permission denied')


@shows({"LB-02": r"could not load library"})
def test_not_a_library(space):
    folder = os.path.join(space.folder, "extra")
    os.mkdir(folder)
    with open(os.path.join(folder, "text.so"), "w") as f:
        f.write("this is not a shared library, and long enough for a header of one\n" * 4)
    both_refuse(space, {"shared_preload_libraries": f"{folder}/text"},
                r'FATAL:  could not load library ".*/text.so": .*invalid ELF header')


def test_folder_as_module(space):
    folder = os.path.join(space.folder, "extra", "folder.so")
    os.makedirs(folder)
    both_refuse(space, {"shared_preload_libraries": folder}, r"FATAL:  could not (load|access)")


@shows({"LB-03": r"missing magic block|HINT"})
def test_no_magic(space):
    folder = compile_module(space, "nomagic", "int nothing;\n")
    both_refuse(space, {"shared_preload_libraries": f"{folder}/nomagic"},
                r'FATAL:  incompatible library ".*/nomagic.so": missing magic block')


@shows({"LB-04": r"version mismatch|DETAIL"})
def test_magic_of_another_major(space):
    folder = compile_module(space, "older", '''
struct magic { int len, version, funcmaxargs, indexmaxkeys, namedatalen, float8byval; char abi[32]; };
const struct magic *Pg_magic_func(void)
{
	static const struct magic data = {sizeof(struct magic), 1400, 100, 32, 64, 1, "PostgreSQL"};
	return &data;
}
''')
    settings = {"shared_preload_libraries": f"{folder}/older"}
    both_refuse(space, settings, r'FATAL:  incompatible library ".*/older.so": version mismatch')
    assert "Server is version 15, library is version 14." in space.daemons[1].log.text()


@shows({"LB-04": r"magic block mismatch|DETAIL"})
def test_magic_of_another_abi(space):
    folder = compile_module(space, "foreign", '''
struct magic { int len, version, funcmaxargs, indexmaxkeys, namedatalen, float8byval; char abi[32]; };
const struct magic *Pg_magic_func(void)
{
	static const struct magic data = {sizeof(struct magic), 1500, 100, 32, 128, 1, "PostgreSQL"};
	return &data;
}
''')
    both_refuse(space, {"shared_preload_libraries": f"{folder}/foreign"},
                r'FATAL:  incompatible library ".*/foreign.so": magic block mismatch')


@shows({"LB-02": r"undefined symbol"})
def test_undefined_symbol(space):
    folder = compile_module(space, "lacking", MAGIC + "extern void nosuch_function_anywhere(void);\n"
                            "void _PG_init(void) { nosuch_function_anywhere(); }\n")
    both_refuse(space, {"shared_preload_libraries": f"{folder}/lacking"},
                r'FATAL:  could not load library ".*/lacking.so": .*undefined symbol: nosuch_function_anywhere')


@shows({"LG-03": r"FATAL|DETAIL|HINT|shut down|exit status 1", "LB-06": r"FATAL|shut down|exit status 1", "SD-06": r"exit status 1"})
def test_init_raises(space):
    folder = compile_module(space, "raising", MAGIC + '''
void _PG_init(void)
{
	ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("no, thank you"), errdetail("The detail."),
					errhint("The hint.")));
}
''')
    both_refuse(space, {"shared_preload_libraries": f"{folder}/raising"}, r"FATAL:  no, thank you")


def test_init_crashes(space):
    """The postmaster itself dies, as a server's would, and leaves nothing behind."""
    folder = compile_module(space, "crashing", MAGIC + "void _PG_init(void) { *(volatile int *) 0 = 1; }\n")
    settings = {"shared_preload_libraries": f"{folder}/crashing"}
    for daemon in (space.postgres("reference", settings=settings),
                   space.host(settings=settings, upstream="host=/nonexistent")):
        daemon.expect_crash = True
        daemon.start(ready=False)
        assert daemon.wait_exit() in (-11, -6), daemon.log.text()


@shows({"LB-07": r"invalid list syntax"})
def test_bad_list_of_modules(space):
    """Bad list syntax: said, nothing is loaded, the start goes on (row LB-07)."""
    settings = {"shared_preload_libraries": "probe,,hello_world"}
    upstream = space.postgres("upstream").start()
    said = []
    for daemon in (space.postgres("reference", settings=settings), space.host(settings=settings, upstream=upstream)):
        daemon.start()
        daemon.log.wait_for(r'LOG:  invalid list syntax in parameter "shared_preload_libraries"')
        said.append([re.sub(r"^\[\d+", "[N", line) for line in daemon.log.lines
                     if re.search("invalid list|hello|probe", line)])
    both_said(said, None)


STUB = MAGIC + '''
#include "access/xlog.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
PGDLLEXPORT void stub_caller_main(Datum arg);
void stub_caller_main(Datum arg) { CreateCheckPoint(0); }
void _PG_init(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strcpy(worker.bgw_name, "stub caller");
	strcpy(worker.bgw_library_name, "LIBRARY");
	strcpy(worker.bgw_function_name, "stub_caller_main");
	RegisterBackgroundWorker(&worker);
}
'''


def stub_caller(space):
    folder = os.path.join(space.folder, "extra")
    compile_module(space, "stub_caller", STUB.replace("LIBRARY", f"{folder}/stub_caller"))
    return f"{folder}/stub_caller"


def test_function_of_the_server_only(space):
    """A module that imports what the host does not have loads, and calling it is an error that names it."""
    module = stub_caller(space)
    upstream = space.postgres("upstream").start()
    host = space.host(upstream=upstream, settings={
        "shared_preload_libraries": f"{module},hello_world", "log_error_verbosity": "verbose"}).start()
    host.log.wait_for(r'ERROR:  0A000: function "CreateCheckPoint" is not available outside the server')
    host.log.wait_for(r"DETAIL:  The write-ahead log belongs to the upstream\.")
    host.log.wait_for(r'background worker "stub caller" \(PID \d+\) exited with exit code 1')
    host.log.wait_for(r"hello, world")


def test_check_module(space):
    """--check tells what a module imports, and fails when the host does not have all of it."""
    good = space.run([space.program("bgworkerd"), "--check",
                      os.path.join(space.module_folders()[0], "spi_example.so")])
    assert "SPI_execute_plan" in good.stdout
    bad = space.run([space.program("bgworkerd"), "--check", stub_caller(space) + ".so"], check=False)
    assert bad.returncode != 0
    assert "CreateCheckPoint" in bad.stdout + bad.stderr
    missing = space.run([space.program("bgworkerd"), "--check", "/nonexistent.so"], check=False)
    assert missing.returncode != 0
    assert "No such file or directory" in missing.stdout


# --- settings ---------------------------------------------------------------------------------------------------
def with_text(space, text, message):
    """Neither starts with this in its file: the causes are LOG lines with file and line, then one FATAL."""
    said = []
    reference = space.postgres("reference")
    host = space.host(upstream="host=/nonexistent")
    for daemon, name in ((reference, "postgresql.conf"), (host, "bgworkerd.conf")):
        path = os.path.join(daemon.data, name)
        with open(path, "w") as f:
            f.write("log_line_prefix = " + quote(harness.PREFIX) + "\n" + text + "\n")
        give_to_user(path)
        daemon.start(ready=False)
        assert daemon.wait_exit() == 1, daemon.log.text()
        daemon.log.wait_for(message)
        # Before the file is read, the prefix is still the default one.
        said.append([re.sub(r'^.*?(LOG|FATAL|HINT|DETAIL|WARNING):', r'\1:', re.sub(r'"[^"]*\.conf"', '"CONF"', line))
                     for line in daemon.log.lines if re.search(r"(LOG|FATAL|HINT|DETAIL):  ", line)])
    both_said(said)


@shows({"G-07": r"unrecognized|contains errors|exit status 1"})
def test_unknown_setting(space):
    with_text(space, "nosuchsetting = 5", r'unrecognized configuration parameter "nosuchsetting" in file ".*" line 2')


@shows({"G-07": r"syntax error|contains errors"})
def test_syntax_error(space):
    with_text(space, "max_worker_processes = = 5", r'syntax error in file ".*" line 2, near token "="')


@shows({"G-07": r"outside|contains errors", "G-03": r"outside"})
def test_out_of_range(space):
    with_text(space, "max_worker_processes = 300000",
              r'300000 is outside the valid range for parameter "max_worker_processes" \(0 .. 262143\)')


@shows({"G-07": r"invalid value|contains errors"})
def test_malformed_value(space):
    with_text(space, "max_worker_processes = many", r'invalid value for parameter "max_worker_processes": "many"')


def test_malformed_enum(space):
    with_text(space, "log_error_verbosity = chatty", r'invalid value for parameter "log_error_verbosity": "chatty"')


def test_malformed_bool(space):
    with_text(space, "restart_after_crash = perhaps",
              r'parameter "restart_after_crash" requires a Boolean value')


def test_missing_include(space):
    with_text(space, "include 'nosuchfile.conf'", r'could not open configuration file ".*nosuchfile.conf"')


def test_includes(space):
    """include, include_if_exists and include_dir; the later line wins."""
    upstream = space.postgres("upstream").start()
    host = space.host(upstream=upstream, settings={"shared_preload_libraries": "hello_world"})
    os.mkdir(os.path.join(host.data, "conf.d"))
    for name, text in (("more.conf", "hello_world.greeting = 'from more'\nhello_world.interval = 5\n"),
                       ("conf.d/10.conf", "hello_world.greeting = 'from ten'\n"),
                       ("conf.d/20.conf", "hello_world.greeting = 'from twenty'\n"),
                       ("conf.d/skipped", "nonsense nonsense\n")):
        with open(os.path.join(host.data, name), "w") as f:
            f.write(text)
    with open(os.path.join(host.data, "bgworkerd.conf"), "a") as f:
        f.write("include 'more.conf'\ninclude_if_exists 'nosuch.conf'\ninclude_dir 'conf.d'\n")
    give_to_user(host.data)
    host.start()
    host.log.wait_for(r"from twenty \(greeting 1\)")


def reload_with(space, text, *messages):
    """A host goes on after a reload of a bad file, with the old values; a server says the same."""
    upstream = space.postgres("upstream").start()
    settings = {"shared_preload_libraries": "hello_world", "hello_world.interval": "1s"}
    said = []
    for daemon in (space.postgres("reference", settings=settings), space.host(settings=settings, upstream=upstream)):
        daemon.start()
        daemon.log.wait_for(r"hello, world \(greeting 1\)")
        daemon.log.wait_for(r"database system is ready to accept connections")  # may come after the worker's first words
        path = os.path.join(daemon.data, "test.conf" if daemon.name == "reference" else "bgworkerd.conf")
        with open(path, "a") as f:
            f.write(text + "\n")
        mark = daemon.log.mark()
        daemon.reload()
        for message in messages:
            daemon.log.wait_for(message, start=mark)
        daemon.log.wait_for(r"greeting \d+\)", start=mark)
        said.append([re.sub(r'line \d+', 'line N', re.sub(r'"[^"]*\.conf"', '"CONF"', text))
                     for _, text in daemon.log.of("postmaster", start=mark)][:len(messages) + 1])
        daemon.stop()
    both_said(said, None)


@shows({"G-11": r"outside|unaffected changes"})
def test_reload_out_of_range(space):
    reload_with(space, "hello_world.interval = 0", r'0 s is outside the valid range for parameter "hello_world.interval"',
                r"contains errors; unaffected changes were applied")


@shows({"G-13": r"unrecognized|no changes were"})
def test_reload_unknown(space):
    reload_with(space, "nosuchsetting = 0", r'unrecognized configuration parameter "nosuchsetting" in file ".*" line \d+',
                r"contains errors; no changes were applied")


@shows({"G-13": r"syntax error|no changes were"})
def test_reload_syntax_error(space):
    reload_with(space, "hello_world.greeting 'unfinished", r"syntax error in file", r"no changes were applied")


@shows({"G-12": r"cannot be changed without"})
def test_reload_needs_restart(space):
    reload_with(space, "max_worker_processes = 3", r'"max_worker_processes" cannot be changed without restarting',
                r"unaffected changes were applied")


@shows({"G-08": r"invalid configuration parameter name"})
def test_reload_reserved_prefix(space):
    reload_with(space, "hello_world.nosuch = 3", r'invalid configuration parameter name "hello_world.nosuch"')
