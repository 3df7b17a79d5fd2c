/*
 * probe_files: the property that storage/fd.h does in the host what it does in the server: the pool of virtual files,
 * temporary files, and what becomes of them at the ends of subtransactions, transactions and processes. The argument of
 * the first two actions is SEED.
 */
#include "postgres.h"

#include "probe_common.h"
#include "probe_random.h"
#include "probe_result.h"

#include <dirent.h>
#include <sys/stat.h>

#include "access/xact.h"
#include "common/hashfn.h"
#include "storage/fd.h"
#include "utils/resowner.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void probe_files_main(Datum main_arg);

static const char *
why(int result)
{
	return result < 0 ? strerror(errno) : "";
}

static int
descriptors(void)
{
	DIR		   *dir = opendir("/proc/self/fd");
	int			count = 0;

	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Says what is in a folder, with the process's number left out. */
static void
list(const char *path)
{
	DIR		   *dir = opendir(path);
	struct dirent *entry;
	char	   *names[400];
	int			count = 0;

	if (dir == NULL)
	{
		SAY("in %s: %m", path);
		return;
	}
	while ((entry = readdir(dir)) != NULL && count < lengthof(names))
		if (entry->d_name[0] != '.')
			names[count++] = pstrdup(entry->d_name);
	closedir(dir);
	qsort(names, count, sizeof(char *), compare_names);
	SAY("in %s: %d", path, count);
	for (int i = 0; i < count; i++)
		SAY("  %s", names[i]);
}

/* ---- the pool */

#define FILES 150

static File files[FILES];

static void
fill(char *buffer, int size)
{
	for (int i = 0; i < size; i++)
		buffer[i] = (char) draw();
}

static void
step(void)
{
	static char buffer[20000];
	int			i = below(FILES);
	File		file = files[i];
	int			amount = below(8) ? below(300) : below((int) sizeof(buffer));
	off_t		offset = below(4) ? below(2000) : below(200000);
	char		path[MAXPGPATH];
	int			result;

	snprintf(path, sizeof(path), "probe_files/%d", i);
	if (file <= 0)
	{
		int			flags = O_RDWR | (below(6) ? O_CREAT : 0) | (below(4) ? 0 : O_TRUNC) | (below(12) ? 0 : O_EXCL);

		if (below(20) == 0)
			strlcpy(path, ONE_OF("probe_files", "none/file", "probe_files/1/file", ""), sizeof(path));
		files[i] = below(2) ? PathNameOpenFile(path, flags) : PathNameOpenFilePerm(path, flags, 0600 | below(64));
		SAY("open %s %x: %d %s", path, flags, files[i] > 0, why(files[i]));
		if (files[i] > 0)
			SAY("  \"%s\" %x %o, size %d", FilePathName(files[i]), FileGetRawFlags(files[i]), FileGetRawMode(files[i]),
				(int) FileSize(files[i]));
		return;
	}
	switch (below(12))
	{
		case 0:
			FileClose(file);
			files[i] = 0;
			break;
		case 1:
			result = FileTruncate(file, offset, PG_WAIT_EXTENSION);
			SAY("truncate %d: %d %s", i, result, why(result));
			break;
		case 2:
			SAY("size %d: %ld", i, (long) FileSize(file));
			break;
		case 3:
			result = FileSync(file, PG_WAIT_EXTENSION);
			SAY("sync %d: %d", i, result);
			break;
		case 4:
			SAY("prefetch %d: %d", i, FilePrefetch(file, offset, amount, PG_WAIT_EXTENSION));
			FileWriteback(file, offset, amount, PG_WAIT_EXTENSION);
			break;
		case 5:
			if (below(10) == 0)
			{
				closeAllVfds();
				SAY("descriptor: %d", FileGetRawDesc(file) >= 0);
			}
			break;
		case 6:
			/* A file that is gone by the time it has to be opened again. */
			if (below(4) == 0)
			{
				unlink(path);
				if (below(2))
					closeAllVfds();
				else
					SAY("size without a name: %ld", (long) FileSize(file));
			}
			break;
		case 7:
		case 8:
		case 9:
			fill(buffer, amount);
			result = FileWrite(file, buffer, amount, offset, PG_WAIT_EXTENSION);
			SAY("write %d, %d at %d: %d %s", i, amount, (int) offset, result, why(result));
			break;
		default:
			memset(buffer, 0, amount);
			result = FileRead(file, buffer, amount, offset, PG_WAIT_EXTENSION);
			SAY("read %d, %d at %d: %d %s, %u", i, amount, (int) offset, result, why(result),
				DatumGetUInt32(hash_any((const unsigned char *) buffer, amount)));
	}
}

static void
do_pool(const char *argument)
{
	FILE	   *streams[3];
	int			before = descriptors();

	state = strtoull(argument, NULL, 10);
	mkdir("probe_files", 0700);
	for (int i = 0; i < 6000; i++)
	{
		step();
		if (i % 500 == 0)
			SAY("within the limit: %d", descriptors() <= 100);
	}
	/* What is not virtual makes the files give way. */
	for (int i = 0; i < 3; i++)
		streams[i] = AllocateFile("probe_files/stream", "a");
	SAY("within the limit: %d", descriptors() <= 100);
	for (int i = 0; i < 3; i++)
		SAY("%d", FreeFile(streams[i]));
	for (int i = 0; i < FILES; i++)
		if (files[i] > 0)
			FileClose(files[i]);
	SAY("as before: %d", descriptors() == before);
	SAY("gone: %d", rmtree("probe_files", true));
	SAY("done");
}

/* ---- temporary files */

static void
write_to(const char *what, File file, int amount)
{
	char	   *buffer = palloc0(amount + 1);

	ATTEMPT(what, SAY("%s: %d written", what, FileWrite(file, buffer, amount, FileSize(file), PG_WAIT_EXTENSION)));
	pfree(buffer);
}

static void
temporary_round(int round)
{
	MemoryContext context;
	ResourceOwner owner;
	File		one;
	File		two;
	File		three;
	File		named;
	char		path[MAXPGPATH];
	bool		commit = below(2);

	SetConfigOption("log_temp_files", ONE_OF("-1", "0", "0", "1", "20"), PGC_SUSET, PGC_S_SESSION);
	SetConfigOption("temp_file_limit", ONE_OF("-1", "10", "20", "100"), PGC_SUSET, PGC_S_SESSION);
	StartTransactionCommand();
	context = CurrentMemoryContext;
	owner = CurrentResourceOwner;
	SAY("spaces set: %d", TempTablespacesAreSet());
	if (below(3) == 0)
	{
		/* Which of several comes first is chance: they are the same. */
		static Oid	spaces[4];
		Oid			got[5] = {0};
		int			count = below(5);
		Oid			space = below(2) ? 1663 : below(2) ? 99999 : 0;

		for (int i = 0; i < lengthof(spaces); i++)
			spaces[i] = space;
		SetTempTablespaces(spaces, count);
		SAY("spaces: %d, %d", TempTablespacesAreSet(), GetTempTablespaces(got, 1 + below(5)));
		SAY("  %u %u", got[0], got[1]);
		SAY("  %u", GetNextTempTableSpace());
	}
	one = OpenTemporaryFile(true);
	two = OpenTemporaryFile(false);
	SAY("flags %x, mode %o, size %d", FileGetRawFlags(two), FileGetRawMode(two), (int) FileSize(two));
	write_to("one", one, below(9000));
	write_to("two", two, below(9000));
	if (below(2))
		SAY("truncated: %d", FileTruncate(one, below(3000), PG_WAIT_EXTENSION));
	write_to("one", one, below(9000));

	BeginInternalSubTransaction(NULL);
	three = OpenTemporaryFile(false);
	write_to("three", three, below(9000));
	if (below(2))
	{
		FileClose(three);
		SAY("three is closed");
	}
	if (below(2))
		ReleaseCurrentSubTransaction();
	else
		RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	write_to("two", two, below(9000));

	snprintf(path, sizeof(path), "base/pgsql_tmp/%s", ONE_OF("pgsql_tmp.set/a", "pgsql_tmp.set/b", "pgsql_tmp.none/a"));
	if (below(2))
		ATTEMPT("create", PathNameCreateTemporaryDir("base/pgsql_tmp", "base/pgsql_tmp/pgsql_tmp.set"));
	if (below(8) == 0)
		ATTEMPT("create", PathNameCreateTemporaryDir("none/there", "none/there/pgsql_tmp.set"));
	if (below(8) == 0)
		ATTEMPT("create", PathNameCreateTemporaryDir("base", "base/pgsql_tmp.x/y"));
	named = 0;
	ATTEMPT("named", named = PathNameCreateTemporaryFile(path, below(2)));
	SAY("named %s: %d", path, named > 0);
	if (named > 0)
	{
		write_to("named", named, below(9000));
		if (below(2))
			FileClose(named);
	}
	named = 0;
	ATTEMPT("open", named = PathNameOpenTemporaryFile(path, below(2) ? O_RDWR : O_RDONLY));
	if (named > 0)
	{
		SAY("open: size %d", (int) FileSize(named));
		FileClose(named);
	}
	if (below(8) == 0)
		ATTEMPT("open", SAY("opened: %d", PathNameOpenTemporaryFile("base/pgsql_tmp/pgsql_tmp.set/a/b", O_RDWR) > 0));
	if (below(2))
		ATTEMPT("delete", SAY("deleted: %d", PathNameDeleteTemporaryFile(path, below(2))));
	if (below(4) == 0)
		ATTEMPT("delete", SAY("deleted: %d", PathNameDeleteTemporaryFile("base/pgsql_tmp", below(2))));
	if (below(3) == 0)
		PathNameDeleteTemporaryDir(ONE_OF("base/pgsql_tmp/pgsql_tmp.set", "base/pgsql_tmp/none"));
	if (below(2))
		FileClose(two);
	if (commit)
		CommitTransactionCommand();
	else
		AbortCurrentTransaction();
	SAY("spaces set: %d", TempTablespacesAreSet());
	SAY("one: size %d", (int) FileSize(one));
	if (below(2))
		FileClose(one);
	list("base/pgsql_tmp");
}

static void
do_temporary(const char *argument)
{
	char		path[MAXPGPATH];
	ResourceOwner owner;
	int			fd;

	state = strtoull(argument, NULL, 10);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	for (int i = 0; i < 120; i++)
		temporary_round(i);

	/* An owner of the module's, outside transactions. */
	owner = ResourceOwnerCreate(NULL, "probe_files");
	CurrentResourceOwner = owner;
	(void) OpenTemporaryFile(false);
	(void) OpenTemporaryFile(false);
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_BEFORE_LOCKS, true, true);
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_LOCKS, true, true);
	SAY("not yet");
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_AFTER_LOCKS, true, true);
	CurrentResourceOwner = NULL;
	ResourceOwnerDelete(owner);

	for (Oid space = 0; space < 3; space++)
	{
		TempTablespacePath(path, space == 0 ? InvalidOid : space == 1 ? 1664 : 77777);
		SAY("of %u: %s", space, path);
	}
	for (int i = 0; i < 400; i++)
	{
		snprintf(path, sizeof(path), "%s%s%s%s%s%s", ONE_OF("t", "t", "t", "T", "", "tt"), ONE_OF("1", "0", "12", "", "x"),
				 ONE_OF("_", "_", ""), ONE_OF("9", "16384", "", "1a"), ONE_OF("", "", "_fsm", "_vm", "_init", "_main", "_fsmx", "_"),
				 ONE_OF("", "", ".1", ".", ".12x"));
		SAY("\"%s\": %d", path, looks_like_temp_rel_name(path));
	}
	/* What another process would have left behind. */
	mkdir("base/pgsql_tmp/pgsql_tmp7", 0700);
	mkdir("base/pgsql_tmp/pgsql_tmp7/other", 0700);
	mkdir("base/pgsql_tmp/unexpected", 0700);
	fd = open("base/pgsql_tmp/pgsql_tmp7/other/file", O_CREAT | O_WRONLY, 0600);
	close(fd);
	fd = open("base/pgsql_tmp/pgsql_tmp8.0", O_CREAT | O_WRONLY, 0600);
	close(fd);
	RemovePgTempFilesInDir("base/pgsql_tmp", true, false);
	rmdir("base/pgsql_tmp/unexpected");
	list("base/pgsql_tmp");
	RemovePgTempFilesInDir("base/none", true, false);
	ATTEMPT("remove", RemovePgTempFilesInDir("base/none", false, false));
	SAY("done");
}

/* ---- ends of processes */

static void
at_exit(int code, Datum arg)
{
	/* Registered by the module, so before the files are closed. */
	SAY("at exit: size %d", (int) FileSize((File) DatumGetInt32(arg)));
	if (DatumGetInt32(arg) % 2)
		FileClose((File) DatumGetInt32(arg));
}

/* Leaves files open: `exit`, `error`, or `wait` until it is killed. */
static void
do_leave(const char *argument)
{
	File		file;

	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	SetConfigOption("log_temp_files", "0", PGC_SUSET, PGC_S_SESSION);
	StartTransactionCommand();
	file = OpenTemporaryFile(true);
	before_shmem_exit(at_exit, Int32GetDatum(file));
	file = OpenTemporaryFile(true);
	before_shmem_exit(at_exit, Int32GetDatum(file));
	(void) OpenTemporaryFile(false);
	PathNameCreateTemporaryDir("base/pgsql_tmp", "base/pgsql_tmp/pgsql_tmp.shared");
	file = PathNameCreateTemporaryFile("base/pgsql_tmp/pgsql_tmp.shared/a", true);
	write_to("a", file, 10);
	if (strcmp(argument, "error") == 0)
		elog(ERROR, "leaving by an error");
	if (strcmp(argument, "wait") == 0)
	{
		SAY("waiting");
		for (;;)
			pause();
	}
	proc_exit(0);
}

static const ProbeAction actions[] = {
	{"pool", do_pool},
	{"temporary", do_temporary},
	{"leave", do_leave},
	{"idle", probe_idle},
	{NULL, NULL}
};

void
_PG_init(void)
{
	if (process_shared_preload_libraries_in_progress)
		probe_init("probe_files", "probe_files_main");
}

void
probe_files_main(Datum main_arg)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "probe_files", ALLOCSET_DEFAULT_SIZES);

	MemoryContextSwitchTo(context);
	probe_main(actions, main_arg);
}
