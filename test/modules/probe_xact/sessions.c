/*
 * Settings of a module, and connections.
 */
#include "postgres.h"

#include "probe_xact.h"

void
do_set_module(const char *argument)
{
	begin();
	execute("SET probe_xact.number = 5");
	SAY("the variable %d", a_number);
	execute("SHOW probe_xact.number");
	attempt("SET probe_xact.nosuch = 5");
	attempt("SET probe_xact.number = 'x'");
	AbortCurrentTransaction();
	begin();
	SAY("after an abort %d", a_number);
	execute("SET LOCAL probe_xact.number = 6");
	SAY("local %d", a_number);
	commit();
	SAY("after the commit %d", a_number);
}

void
do_wait_for_reload(const char *argument)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	SAY("number %d", a_number);
	probe_idle(NULL);
}

void
do_number_and_leave(const char *argument)
{
	SAY("late number %d", a_number);
	proc_exit(1);
}

/* The argument is DATABASE/USER/FLAGS, each possibly empty. */
void
do_connect(const char *argument)
{
	char	   *database = pstrdup(argument);
	char	   *user = strchr(database, '/');
	char	   *flags = NULL;

	BackgroundWorkerUnblockSignals();
	if (user)
	{
		*user++ = '\0';
		flags = strchr(user, '/');
		if (flags)
			*flags++ = '\0';
	}
	PG_TRY();
	{
		BackgroundWorkerInitializeConnection(database[0] ? database : NULL, user && user[0] ? user : NULL,
											 flags ? atoi(flags) : 0);
	}
	PG_CATCH();
	{
		SAY("caught");
		PG_RE_THROW();
	}
	PG_END_TRY();
	SAY("connected, database %s", OidIsValid(MyDatabaseId) ? "valid" : "0");
	begin();
	execute("SELECT current_user, session_user");
	SAY("user %s", GetUserId() == 10 ? "10" : "another");
	commit();
}

void
do_connect_oid(const char *argument)
{
	char	   *user = strchr(argument, '/');

	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(atoi(argument), user ? atoi(user + 1) : InvalidOid, 0);
	SAY("connected");
}

void
do_session_defaults(const char *argument)
{
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection("postgres", argument, 0);
	begin();
	execute("SHOW work_mem");
	execute("SHOW search_path");
	execute("SELECT current_setting('client_encoding') = getdatabaseencoding()");
	SAY("application name \"%s\"", value_of("SHOW application_name"));
	SAY("backend type \"%s\"",
		value_of("SELECT backend_type FROM pg_stat_activity WHERE pid = pg_backend_pid()"));
	commit();
}
