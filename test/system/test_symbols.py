"""The host's exported names are those of a server, and no library that the host links is caught by them."""

import os
import re
import subprocess

import harness
from harness import BUILD

SBIN = dict(os.environ, PATH=os.environ["PATH"] + ":/sbin:/usr/sbin")
ABI = os.path.join(os.path.dirname(__file__), "..", "..", "abi", "15.names")


def dynamic_symbols(path, defined):
    """Names in the dynamic symbol table of a file: those it defines, or those it wants from elsewhere."""
    lines = subprocess.run(["nm", "-D", "--defined-only" if defined else "--undefined-only", path],
                           capture_output=True, text=True).stdout.splitlines()
    return {line.split()[-1].split("@")[0] for line in lines if line.strip()}


def libraries(path):
    """What a program is linked with, and what libpq is: the host loads that when it needs it."""
    linked = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
    known = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True, env=SBIN).stdout
    libpq = re.search(r"libpq\.so\.5 .*=> (/\S+)", known).group(1)
    text = linked + libpq + "\n" + subprocess.run(["ldd", libpq], capture_output=True, text=True, check=True).stdout
    return sorted(set(re.findall(r"(/\S+\.so\S*)", text)))


def exported_by_server():
    with open(ABI) as f:
        return {line.split()[0] for line in f if line.strip() and not line.startswith("#")}


def stubs():
    """The names of functions that the build made stubs for."""
    with open(os.path.join(BUILD, "stubs", "stubs.c")) as f:
        return set(re.findall(r"^\s*(?:STUB|FUNCTION_STUB|BGW_STUB)\w*\s*\(\s*(\w+)", f.read(), re.M))


def test_every_name_of_the_server_exists(space):
    """Whatever the server exports, the host exports, but for the names of libpq that must stay libpq's."""
    missing = exported_by_server() - dynamic_symbols(os.path.join(BUILD, "bin", "bgworkerd"), True)
    assert missing <= {"lo_read", "lo_write"}, sorted(missing)[:20]


def test_no_library_lands_in_a_stub(space):
    """A name that a linked library wants from elsewhere and that the host exports is implemented there."""
    host = os.path.join(BUILD, "bin", "bgworkerd")
    exported = dynamic_symbols(host, True)
    made = stubs()
    assert len(made) > 1000, "the list of stubs was not read"
    caught = {}
    for library in libraries(host):
        own = dynamic_symbols(library, True)
        wanted = dynamic_symbols(library, False)
        for name in (wanted | own) & exported & made:
            caught.setdefault(os.path.basename(library), []).append(name)
    assert not caught, caught


def test_each_side_has_its_own_palloc(space):
    """libpg_query brings backend names of its own: in the host they are local, and its parser uses those."""
    host = os.path.join(BUILD, "bin", "bgworkerd")
    table = subprocess.run(["nm", host], capture_output=True, text=True, check=True).stdout
    kinds = {}
    for line in table.splitlines():
        fields = line.split()
        if len(fields) == 3:
            kinds.setdefault(fields[2], []).append(fields[1])
    for name in ("palloc", "errstart", "errfinish", "MemoryContextAlloc"):
        assert kinds[name].count("T") == 1, (name, kinds[name])
        assert kinds[name].count("t") == 1, (name, kinds[name])
    assert "CurrentMemoryContext" in kinds

    # What the parser's own object refers to is bound inside it: nothing but C's library is left to be found.
    private = os.path.join(BUILD, "pg_query_private.o")
    wanted = {line.split()[-1] for line in subprocess.run(
        ["nm", "--undefined-only", private], capture_output=True, text=True, check=True).stdout.splitlines()}
    assert not wanted & exported_by_server() - {"pg_snprintf"}, sorted(wanted & exported_by_server())


def test_a_list_of_another_release_is_told(space):
    """dev/abi-names --check says which names a list lacks, which it has too many, and which are other than listed."""
    with open(ABI) as f:
        lines = f.read().splitlines()
    lines.remove("WaitLatch func")
    lines[lines.index("MyProcPid data 4")] = "MyProcPid data 8"
    lines.append("bgw_of_yesterday func")
    path = os.path.join(space.folder, "list")
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")
    tool = os.path.join(os.path.dirname(ABI), "..", "dev", "abi-names")
    said = subprocess.run([tool, "--check", path, f"{harness.BINDIR}/pg_config"], capture_output=True, text=True)
    assert said.returncode == 1, said.stderr
    assert "1 added, 1 removed, 1 changed" in said.stdout
    assert re.findall(r"^(?:added|removed|changed): .*$", said.stdout, re.M) == [
        "added:   WaitLatch func", "removed: bgw_of_yesterday func",
        "changed: MyProcPid data 8  ->  MyProcPid data 4"], said.stdout


def test_start_data_is_one_page():
    """What every process comes to when it starts is on one page: what outgrows it costs each process another."""
    sections = subprocess.run(["readelf", "-SW", os.path.join(BUILD, "bin", "bgworkerd")], capture_output=True, text=True,
                              check=True).stdout
    address, size = re.search(r" bgw_start_data +PROGBITS +([0-9a-f]+) [0-9a-f]+ ([0-9a-f]+)", sections).groups()
    assert int(address, 16) % 4096 == 0
    if harness.SLOW == 1:  # sanitizers have redzones
        assert int(size, 16) <= 4096, f"{int(size, 16)} bytes: find another place for what not every process uses"
