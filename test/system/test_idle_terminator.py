"""The worker idle_terminator, in a real server and in a host beside one: real sessions that are idle are ended when a rule
says so, and whatever must be left alone is left alone; with no more rights than it needs."""

import json
import os
import re

import pytest

import libpq
from harness import DEADLINE, SLOW, free_port, wait_until

SETTINGS = {"idle_terminator.interval": "1s", "idle_terminator.dry_run": "off"}
ALL = "INSERT INTO idle_terminator.rule (idle_limit) VALUES ('1 second')"


def readme_statements():
    """What the README says is to be run to set the worker up: for the role, and for the function that it sees sessions by."""
    modules = os.path.join(os.path.dirname(__file__), "..", "..", "modules")
    with open(os.path.join(modules, "idle_terminator", "README.md"), encoding="utf-8") as readme:
        blocks = re.findall(r"(?:^    .*\n)+", readme.read(), re.M)
    return (next(re.sub(r"--.*", "", b) for b in blocks if b.lstrip().startswith("CREATE ROLE")).strip().rstrip(";"),
            next(b for b in blocks if b.lstrip().startswith("BEGIN;")))


README_ROLE, README_FUNCTION = readme_statements()


class Session(libpq.Session):
    """A client's session that stays. Known by its application name."""

    def __init__(self, place, name, user="app", database="postgres", more="", run=None):
        super().__init__(f"{place.server.conninfo(database, user)} application_name='{name}' {more}", DEADLINE)
        self.place, self.name, self.said = place, name, False
        place.sessions.append(self)
        if run:
            self.say(run)

    def say(self, text):
        """Sends statements once those before have ended."""
        if self.said:
            self.result()
        self.send(text)
        self.said = True

    def is_there(self):
        return self.place.look(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {self.pid}") == "1"

    def wait_state(self, state):
        wait_until(lambda: self.place.look(f"SELECT state FROM pg_stat_activity WHERE pid = {self.pid}") == state, None,
                   f"session {self.name} is {state}")
        return self

    def wait_gone(self):
        wait_until(lambda: not self.is_there(), 30 * SLOW, f"session {self.name} is ended")


class Place:
    """A server, and the worker: in that server, or in a host beside it."""

    def __init__(self, space, where, settings=None, server_settings=None, role="postgres"):
        settings = {**SETTINGS, **(settings or {})}
        if role != "postgres":
            settings["idle_terminator.role"] = role
        self.space, self.where, self.settings, self.role, self.host = space, where, settings, role, None
        self.sessions = []
        self.server = space.postgres("server", settings=server_settings)
        if server_settings and "port" in server_settings:
            self.server.port = server_settings["port"]
        self.server.start()
        self.sql("CREATE ROLE app LOGIN")

    def start_worker(self):
        if self.where == "host":
            self.host = self.space.host(upstream=self.server.conninfo(user=self.role), settings={
                "shared_preload_libraries": "idle_terminator", **self.settings}).start()
        else:
            self.server.stop()
            self.server.write_settings(shared_preload_libraries="idle_terminator", **self.settings)
            self.server.start()
        wait_until(lambda: self.look("SELECT to_regclass('idle_terminator.version') IS NOT NULL") == "t"
                   and self.look("SELECT version FROM idle_terminator.version") == "3", 30 * SLOW, "the schema is there")
        return self

    def daemon(self):
        return self.host or self.server

    def change(self, **settings):
        self.daemon().write_settings(**{f"idle_terminator.{k}": v for k, v in settings.items()})
        self.daemon().reload()

    def sql(self, text, database="postgres"):
        return self.server.sql(text, database)

    def look(self, query):
        return self.server.look(query)

    def session(self, name, *arguments, **options):
        return Session(self, name, *arguments, **options)

    def audit(self, name):
        """The outcomes noted for sessions of this name, oldest first."""
        return self.look(f"SELECT string_agg(outcome, ',' ORDER BY id) FROM idle_terminator.audit WHERE application = '{name}'")

    def wait_audit(self, name, outcome):
        wait_until(lambda: self.audit(name) == outcome, 30 * SLOW, f"outcome {outcome} for session {name}")

    def wait_rounds(self):
        """Until the worker has looked at the sessions at least once more: a round is a second after the one before."""
        last = ("SELECT query_start {} FROM pg_stat_activity WHERE 'idle_terminator' IN (backend_type, application_name)"
                " AND query LIKE '/* idle_terminator */%'" if self.where == "server" else
                "SELECT query_start {} FROM pg_stat_activity WHERE application_name = 'idle_terminator'")
        before = wait_until(lambda: self.look(last.format("")), None, "the worker is there")
        wait_until(lambda: self.look(last.format(f"> timestamptz '{before}' + interval '2 seconds'")) == "t", 30 * SLOW, "rounds go by")

    def close(self):
        for session in self.sessions:
            session.close()


@pytest.fixture
def place(space):
    made = []

    def make(*arguments, **options):
        made.append(Place(space, *arguments, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


WHERE = pytest.mark.parametrize("where", ["server", "host"])


@WHERE
def test_dry_run(place, where):
    """As delivered it ends nothing: each idle stretch is noted once, in the log and in the audit."""
    place = place(where, settings={"idle_terminator.dry_run": None})
    place.start_worker()
    place.daemon().log.wait_for(r"LOG:  idle_terminator: dry run, no session is ended")
    place.daemon().log.wait_for(r"WARNING:  idle_terminator: there is no rule by which a session would be ended")
    one, two = place.session("one"), place.session("two", run="BEGIN;")
    place.sql(ALL)
    place.wait_audit("one", "dry run")
    place.wait_audit("two", "dry run")
    place.daemon().log.wait_for(rf'LOG:  idle_terminator: dry run, would end pid {two.pid} \(role app, database postgres,'
                                r" application 'two', idle in transaction since .*\) by rule 1")
    one.say("SELECT 1;")
    place.wait_audit("one", "dry run,dry run")
    assert place.audit("two") == "dry run"
    assert one.is_there() and two.is_there()
    assert place.sql("SELECT state, rule_id, idle_limit, role, database, address IS NULL FROM idle_terminator.audit WHERE"
                     " application = 'two'") == "idle in transaction|1|00:00:01|app|postgres|t"


@WHERE
def test_ends_and_leaves_alone(place, where):
    """Idle, idle in transaction and in an aborted one are ended. An active session, a superuser's, a replication
    connection's, those of protected names and those no rule is for are left alone."""
    place = place(where, settings={
        "idle_terminator.protected_roles": 'boss, "no, body"', "idle_terminator.protected_databases": "vault",
        "idle_terminator.protected_applications": "safe%"})
    place.sql('CREATE ROLE boss LOGIN; CREATE ROLE "no, body"; CREATE ROLE sender LOGIN REPLICATION; CREATE ROLE other LOGIN;'
              ' CREATE ROLE chief LOGIN SUPERUSER')
    place.sql("CREATE DATABASE vault")
    place.start_worker()
    kept = [place.session("active", run="SELECT pg_sleep(3600);").wait_state("active"),
            place.session("super", user="postgres"), place.session("super in transaction", user="postgres", run="BEGIN;"),
            place.session("another superuser", user="chief"), place.session("walsender", user="sender", more="replication=true"),
            place.session("logical walsender", user="sender", more="replication=database"),
            place.session("of a protected role", user="boss"), place.session("of a protected database", database="vault"),
            place.session("safe application"), place.session("without a rule", user="other")]
    ended = [place.session("idle"), place.session("open", run="BEGIN;"), place.session("failed", run="BEGIN; SELECT 1/0;"),
             place.session("sender as a client", user="sender")]
    place.sql("INSERT INTO idle_terminator.rule (role, idle_limit) VALUES ('app', '1 second'), ('postgres', '1 second'),"
              " ('sender', '1 second'), ('boss', '1 second'), ('chief', '1 second')")
    for session in ended:
        session.wait_gone()
        place.wait_audit(session.name, "ended")
    place.daemon().log.wait_for(rf"LOG:  idle_terminator: ends pid {ended[0].pid} \(role app, database postgres, application"
                                r" 'idle', idle since .*\) by rule 1")
    # Rounds in which they could have been ended: another session came after them and is ended.
    place.session("later").wait_gone()
    assert [session.name for session in kept if not session.is_there()] == []
    assert place.sql("SELECT string_agg(DISTINCT application, ',' ORDER BY application) FROM idle_terminator.audit") == \
        "failed,idle,later,open,sender as a client"
    kept[0].place.sql(f"SELECT pg_cancel_backend({kept[0].pid})")
    kept[0].wait_gone()


def test_rules(place):
    """The most specific rule wins: by role, database, address with the longer prefix, application, state; then the
    smaller limit, then the first. A rule without a limit exempts."""
    port = free_port()
    place = place("server", settings={"idle_terminator.dry_run": "on"},
                  server_settings={"listen_addresses": "127.0.0.1", "port": port})
    place.sql("CREATE DATABASE shop")
    place.start_worker()
    near = place.session("near", database="shop", more="host=127.0.0.1")
    place.session("local", run="BEGIN;").wait_state("idle in transaction")
    place.session("failed", run="BEGIN; SELECT 1/0;").wait_state("idle in transaction (aborted)")

    def winner(name, *rules):
        place.sql("TRUNCATE idle_terminator.rule RESTART IDENTITY; INSERT INTO idle_terminator.rule"
                  " (role, database, address, application, state, idle_limit) VALUES " + ", ".join(rules))
        return place.sql(f"SELECT coalesce(rule_id::text, 'none') FROM idle_terminator.session WHERE application = '{name}'")

    role, base, wide, narrow = ("('app', NULL, NULL, NULL, NULL, '9 h')", "(NULL, 'shop', NULL, NULL, NULL, '9 h')",
                                "(NULL, NULL, '127.0.0.0/8', NULL, NULL, '9 h')", "(NULL, NULL, '127.0.0.1', NULL, NULL, '9 h')")
    application, state, rest = ("(NULL, NULL, NULL, 'ne_r', NULL, '9 h')", "(NULL, NULL, NULL, NULL, 'idle', '9 h')",
                                "(NULL, NULL, NULL, NULL, NULL, '1 h')")
    order = [rest, state, application, wide, narrow, base, role]
    assert place.sql(f"SELECT host(client_addr) FROM pg_stat_activity WHERE pid = {near.pid}") == "127.0.0.1"
    for length in range(1, len(order) + 1):
        assert winner("near", *order[:length]) == str(length)
        assert winner("near", *reversed(order[:length])) == "1"
    assert winner("local", base, wide, application, state) == "none"
    assert winner("local", "(NULL, NULL, NULL, NULL, NULL, '2 h')", rest) == "2"
    assert winner("local", rest, rest) == "1"
    assert winner("local", "(NULL, NULL, NULL, NULL, NULL, NULL)", rest) == "2"
    assert winner("local", rest, "('app', NULL, NULL, NULL, NULL, NULL)") == "2"
    in_transaction, aborted = ("(NULL, NULL, NULL, NULL, 'idle in transaction', '9 h')",
                               "(NULL, NULL, NULL, NULL, 'idle in transaction (aborted)', '10 h')")
    assert winner("failed", state, in_transaction) == "2"
    assert winner("failed", in_transaction, aborted) == "2"
    assert winner("local", aborted, in_transaction) == "2"
    # And the worker goes by it: with an exempting rule for the role nothing happens, without it something does.
    winner("local", "(NULL, NULL, NULL, NULL, NULL, '1 s')", "('app', NULL, NULL, NULL, NULL, NULL)")
    other = place.session("other", user="postgres")
    place.sql("CREATE ROLE someone LOGIN")
    place.session("someone", user="someone")
    place.wait_audit("someone", "dry run")
    assert other.is_there() and place.audit("local") == ""
    place.sql("UPDATE idle_terminator.rule SET enabled = false WHERE role = 'app'")
    place.wait_audit("local", "dry run")
    for bad in ("(address) VALUES ('10.1.2.3/8')", "(state) VALUES ('active')", "(idle_limit) VALUES ('-1 s')",
                "(application) VALUES ('x\\')", "(floor) VALUES (-1)"):
        with pytest.raises(AssertionError, match="ERROR"):
            place.sql(f"INSERT INTO idle_terminator.rule {bad}")


@WHERE
def test_what_happens_in_between(place, where):
    """Between the decision and the end a session begins to work, or has worked, or leaves, or its pool shrinks, or its role
    becomes a superuser: the look in the statement that would end it notices. The worker is held by a lock at the very
    moment between the two. In a host the worker has the least rights and the function of the README."""
    place = place(where, role="ender" if where == "host" else "postgres")
    if where == "host":
        place.sql(README_ROLE)
        place.sql(README_FUNCTION)
    place.start_worker()
    place.sql("CREATE ROLE rising LOGIN; CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$"
              " BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NULL; END $$;"
              " CREATE TRIGGER hold BEFORE INSERT ON idle_terminator.audit FOR EACH STATEMENT EXECUTE FUNCTION public.hold()")
    holder = place.session("holder", user="postgres", run="SELECT pg_advisory_lock(42);")
    wait_until(lambda: place.look("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND granted") == "1")
    works, worked, leaves, stays = (place.session(name) for name in ("works", "worked", "leaves", "stays"))
    rises = place.session("rises", user="rising")
    first, second, third = (place.session("pool") for _ in range(3))
    place.sql("INSERT INTO idle_terminator.rule (application, idle_limit, floor) VALUES ('pool', '1 ms', 1), (NULL, '1 ms', 0)")
    wait_until(lambda: place.look("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND NOT granted") == "1",
               30 * SLOW, "the worker has decided")
    works.say("SELECT pg_sleep(3600);")
    works.wait_state("active")
    since = f"SELECT state_change FROM pg_stat_activity WHERE pid = {worked.pid} AND state = 'idle'"
    before = place.sql(since)
    worked.say("SELECT 1;")
    wait_until(lambda: place.look(since) not in ("", before), None, "it has worked")
    for session in (leaves, third):
        session.close()
        session.wait_gone()
    place.sql("ALTER ROLE rising SUPERUSER")
    holder.say("SELECT pg_advisory_unlock(42);")
    place.wait_audit("stays", "ended")
    place.wait_audit("leaves", "gone")
    place.wait_audit("works", "changed")
    place.wait_audit("worked", "changed,ended")
    place.wait_audit("rises", "protected")
    place.wait_audit("pool", "floor,ended")
    place.wait_rounds()
    assert [s.is_there() for s in (works, rises, first, second)] == [True, True, True, False]
    assert place.audit("pool") == "floor,ended" and place.audit("works") == "changed"
    place.sql(f"SELECT pg_cancel_backend({works.pid})")
    stays.wait_gone()


@WHERE
def test_floor(place, where):
    """Each pool keeps its floor, active sessions counted; a rule's own floor goes before the parameter."""
    place = place(where, settings={"idle_terminator.floor": "2"})
    place.start_worker()
    busy = place.session("web", run="SELECT pg_sleep(3600);").wait_state("active")
    web = [place.session("web") for _ in range(4)]
    batch = [place.session("batch") for _ in range(2)]
    place.sql("INSERT INTO idle_terminator.rule (application, idle_limit, floor) VALUES (NULL, '1 second', NULL), ('batch', '1 second', 0)")
    for session in batch + web[:3]:
        session.wait_gone()
    place.session("batch").wait_gone()
    place.wait_rounds()
    assert web[3].is_there() and busy.is_there()
    assert place.audit("web") == "ended,ended,ended"
    place.sql(f"SELECT pg_cancel_backend({busy.pid})")


@WHERE
def test_rate(place, where):
    """No more are ended in a minute than the rate says; the others are ended in the next."""
    place = place(where, settings={"idle_terminator.rate": "2"})
    place.start_worker()
    sessions = [place.session(f"s{n}") for n in range(5)]
    place.sql(ALL)
    for n, gone in ((0, 2), (1, 4)):
        wait_until(lambda: sum(not s.is_there() for s in sessions) == gone, 30 * SLOW, "as many as the rate says are ended")
        place.wait_rounds()
        assert [s.is_there() for s in sessions] == [False] * gone + [True] * (5 - gone)
        # A minute later.
        place.sql("UPDATE idle_terminator.audit SET at = at - interval '1 minute'")
    sessions[4].wait_gone()


@WHERE
def test_warning(place, where):
    """A session is named on the channel first, and is ended when the time since is over; one that works meanwhile is warned
    anew."""
    place = place(where, settings={"idle_terminator.warning": "2s", "idle_terminator.channel": "watch"})
    place.start_worker()
    listener = place.session("listener", user="postgres")
    listener.sql("LISTEN watch")
    warned, wakes, unwarned = (place.session(name) for name in ("warned", "wakes", "unwarned"))
    place.sql("INSERT INTO idle_terminator.rule (application, idle_limit, warning) VALUES (NULL, '1 second', NULL),"
              " ('wakes', '1 second', '1 hour'), ('unwarned', '1 second', '0')")
    payloads = []

    def heard(name, count):
        listener.sql("SELECT 'polled'")
        payloads.extend(json.loads(payload) for _, payload in listener.notifications())
        mine = [p for p in payloads if p["application"] == name]
        return mine if len(mine) == count else None

    first, = wait_until(lambda: heard("wakes", 1), 30 * SLOW, "it is warned")
    wakes.say("SELECT 1;")
    again = wait_until(lambda: heard("wakes", 2), 30 * SLOW, "it is warned anew")[1]
    assert first["idle_since"] < again["idle_since"] and first["backend_start"] == again["backend_start"]
    for session in (warned, unwarned):
        session.wait_gone()
        place.wait_audit(session.name, "ended")
    place.wait_rounds()
    told, = [p for p in payloads if p["application"] == "warned"] or wait_until(lambda: heard("warned", 1))
    assert told == {"pid": warned.pid, "backend_start": told["backend_start"], "role": "app", "database": "postgres",
                    "application": "warned", "state": "idle", "idle_since": told["idle_since"], "ends_at": told["ends_at"], "rule": 1}
    assert place.sql("SELECT at - warned_at >= interval '2 seconds', backend_start = $$" + told["backend_start"] + "$$, state_change = $$"
                     + told["idle_since"] + "$$, at >= $$" + told["ends_at"] + "$$ FROM idle_terminator.audit WHERE application = 'warned'"
                     ) == "t|t|t|t"
    assert place.sql("SELECT warned_at IS NULL FROM idle_terminator.audit WHERE application = 'unwarned'") == "t"
    assert wakes.is_there() and [p for p in payloads if p["application"] == "unwarned"] == []
    assert place.sql("SELECT string_agg(pid::text, ',') FROM idle_terminator.warned") == str(wakes.pid)


@WHERE
def test_vacuum_holders_first(place, where):
    """What holds back vacuum is ended before what is only idle for longer, the furthest back first."""
    place = place(where)
    place.start_worker()
    place.session("longest")
    place.session("in transaction only", run="BEGIN;")
    place.session("snapshot", run="BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1;").wait_state("idle in transaction")
    for _ in range(3):
        place.sql("SELECT txid_current()")
    place.session("writer", run="BEGIN; SELECT txid_current();").wait_state("idle in transaction")
    place.sql("SELECT txid_current()")
    place.sql("INSERT INTO idle_terminator.rule (idle_limit) VALUES ('1 ms')")
    for name in ("snapshot", "writer", "longest", "in transaction only"):
        place.wait_audit(name, "ended")
    assert place.sql("SELECT string_agg(application, ',' ORDER BY id) FROM idle_terminator.audit") == \
        "snapshot,writer,longest,in transaction only"
    assert place.sql("SELECT array_agg(vacuum_age > 0 ORDER BY id) FROM idle_terminator.audit") == "{t,t,NULL,NULL}"


@WHERE
def test_least_privilege(place, where):
    """The role of the README: no superuser, a schema of its own, pg_signal_backend to end and pg_read_all_stats to see. Its
    own sessions and a superuser's are left alone."""
    place = place(where, role="ender")
    place.sql("CREATE ROLE ender LOGIN; GRANT pg_signal_backend, pg_read_all_stats TO ender;"
              " CREATE SCHEMA idle_terminator AUTHORIZATION ender; CREATE ROLE other LOGIN")
    place.start_worker()
    place.sql(ALL)
    kept = [place.session("super", user="postgres"), place.session("own", user="ender")]
    for session in (place.session("one"), place.session("two", user="other", run="BEGIN;")):
        session.wait_gone()
        place.wait_audit(session.name, "ended")
    place.wait_rounds()
    assert all(session.is_there() for session in kept)
    assert place.sql("SELECT DISTINCT relowner::regrole FROM pg_class WHERE relnamespace = 'idle_terminator'::regnamespace") == "ender"
    assert place.sql("SELECT rolsuper FROM pg_roles WHERE rolname = 'ender'") == "f"
    assert place.daemon().log.count("is hidden|may not be ended|may not end") == 0


@WHERE
def test_with_pg_signal_backend_alone(place, where):
    """What the server shows to such a role is not enough to judge a session by, unless it is a member of the session's role.
    Those are ended, the others are left alone, and the log says what to do. With the function of the README, or with
    pg_read_all_stats, they are ended too."""
    place = place(where, role="ender")
    place.sql(README_ROLE + "; CREATE ROLE friend LOGIN; GRANT friend TO ender")
    place.start_worker()
    super_session = place.session("super", user="postgres")
    hidden, seen = place.session("hidden"), place.session("seen", user="friend")

    def shown(pid):
        return place.space.sql(place.server.conninfo(user="ender"), "SELECT usename, application_name, backend_type IS NULL,"
                                " backend_start IS NULL, state IS NULL, state_change IS NULL, client_addr IS NULL"
                                f" FROM pg_stat_activity WHERE pid = {pid}")
    assert shown(hidden.pid) == "app|hidden|t|t|t|t|t"
    assert shown(seen.pid) == "friend|seen|f|f|f|f|t"
    place.sql(ALL)
    log = place.daemon().log
    log.wait_for(r"WARNING:  idle_terminator: the state of sessions of these roles is hidden: app$")
    log.wait_for(r"DETAIL:  The worker runs as role ender, and leaves alone what it cannot see\.")
    log.wait_for(r"HINT:  Create the function idle_terminator\.activity\(\) for it as the README of the module tells, or run GRANT"
                 r" pg_read_all_stats TO ender; or make it a member of these roles\.")
    seen.wait_gone()
    place.wait_rounds()
    assert hidden.is_there() and log.count("is hidden") == 1

    place.sql(README_FUNCTION)
    hidden.wait_gone()
    place.wait_audit("hidden", "ended")
    place.session("another").wait_gone()
    assert shown(super_session.pid) == "postgres|super|t|t|t|t|t"
    assert super_session.is_there() and log.count("is hidden") == 1
    assert place.sql("SELECT pg_has_role('ender', 'pg_read_all_stats', 'MEMBER'), has_function_privilege('ender', oid, 'EXECUTE'),"
                     " has_function_privilege('app', oid, 'EXECUTE'), prosecdef, proowner::regrole, proconfig, pg_has_role('ender',"
                     " proowner, 'MEMBER') FROM pg_proc WHERE oid = 'idle_terminator.activity()'::regprocedure") == \
        'f|t|f|t|idle_terminator_reader|{"search_path=pg_catalog, pg_temp"}|f'
    # Objects of other schemas that stand in the way of names do not reach the function.
    assert place.space.sql(place.server.conninfo(user="ender"), "CREATE TEMP TABLE pg_stat_activity (pid integer);"
                            " SET search_path = pg_temp, pg_catalog; SELECT count(*) > 0 FROM idle_terminator.activity()") == "t"

    place.sql("REVOKE EXECUTE ON FUNCTION idle_terminator.activity() FROM ender")
    hidden = place.session("hidden")
    log.wait_for(r"these roles is hidden: app$", count=2)
    place.wait_rounds()
    assert hidden.is_there()
    place.sql("DROP FUNCTION idle_terminator.activity()")
    place.wait_rounds()
    assert hidden.is_there()
    place.sql("GRANT pg_read_all_stats TO ender")
    hidden.wait_gone()
    wait_until(lambda: place.audit("hidden") == "ended,ended", 30 * SLOW, "both are noted")


def test_without_pg_signal_backend(place):
    """A role that sees sessions and may not end them does not try, and says what to grant."""
    place = place("host", role="ender")
    place.sql("CREATE ROLE ender LOGIN; GRANT pg_read_all_stats TO ender; CREATE SCHEMA idle_terminator AUTHORIZATION ender")
    place.start_worker()
    session = place.session("one")
    place.sql(ALL)
    place.host.log.wait_for(r"WARNING:  idle_terminator: sessions of these roles may not be ended: app$")
    place.host.log.wait_for(r"HINT:  Run GRANT pg_signal_backend TO ender\.")
    place.wait_rounds()
    assert session.is_there() and place.audit("one") == ""
    place.sql("GRANT pg_signal_backend TO ender")
    session.wait_gone()


def test_server_refuses(place):
    """What the server refuses at the last moment is noted with its reason, and not tried again at once."""
    place = place("host", role="ender")
    place.sql("CREATE ROLE ender LOGIN; GRANT pg_read_all_stats, pg_signal_backend TO ender;"
              " CREATE SCHEMA idle_terminator AUTHORIZATION ender")
    place.start_worker()
    place.sql("CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$"
              " BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NULL; END $$;"
              " CREATE TRIGGER hold BEFORE INSERT ON idle_terminator.audit FOR EACH STATEMENT EXECUTE FUNCTION public.hold()")
    holder = place.session("holder", user="postgres", run="SELECT pg_advisory_lock(42);")
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42"
    wait_until(lambda: place.look(f"{locks} AND granted") == "1")
    session = place.session("one")
    place.sql(ALL)
    wait_until(lambda: place.look(f"{locks} AND NOT granted") == "1", 30 * SLOW, "the worker has decided")
    place.sql("REVOKE pg_signal_backend FROM ender")
    holder.say("SELECT pg_advisory_unlock(42);")
    place.wait_audit("one", "refused")
    place.sql("GRANT pg_signal_backend TO ender")
    place.wait_rounds()
    assert place.audit("one") == "refused" and session.is_there()
    assert "pg_signal_backend" in place.sql("SELECT detail FROM idle_terminator.audit")
    place.sql("UPDATE idle_terminator.audit SET at = at - interval '10 minutes'")
    session.wait_gone()


def test_audit_is_settled_and_purged(place):
    """What a worker left open that was ended itself is unknown a minute later, what is older than its time is removed, and
    warnings of sessions that are gone are forgotten."""
    place = place("host", settings={"idle_terminator.keep_audit": "2h"})
    place.start_worker()
    place.sql("INSERT INTO idle_terminator.audit (at, pid, backend_start, role, database, application, state, state_change, rule_id,"
              " idle_limit, outcome) SELECT now() - age, 1, now(), 'app', 'postgres', name, 'idle', now(), 1, '1 h', outcome FROM (VALUES"
              " ('old', interval '3 hours', 'ended'), ('kept', '1 hour', 'ended'), ('open', '2 minutes', 'intended'), ('now', '0', 'intended'),"
              " ('told', '0', 'signalled'), ('old open', '3 hours', 'intended')) v (name, age, outcome);"
              " INSERT INTO idle_terminator.warned VALUES (1, now(), now(), now())")
    for name, outcome in (("old", ""), ("kept", "ended"), ("open", "unknown"), ("now", "intended"), ("told", "ended"), ("old open", "")):
        place.wait_audit(name, outcome)
    assert place.sql("SELECT count(*) FROM idle_terminator.warned") == "0"


def test_parameters(place):
    """A list that is none is refused with the reason and the old value stays; a name that does not exist is told; the dry
    run begins and ends with a reload."""
    place = place("host", settings={"idle_terminator.protected_roles": "app"})
    place.start_worker()
    session = place.session("one")
    place.sql(ALL)
    log = place.host.log
    for name, value, why in (("protected_roles", '"open', "It must be a list of names"), ("protected_databases", "a,,b", "It must be a list"),
                             ("protected_applications", "x\\", "A LIKE pattern must not end with an escape character"),
                             ("channel", "c" * 64, "A channel's name has 1 to 63 bytes")):
        mark = log.mark()
        before = place.settings.get(f"idle_terminator.{name}")
        place.change(**{name: value})
        log.wait_for(rf'invalid value for parameter "idle_terminator.{name}"', start=mark)
        log.wait_for(f"DETAIL:  {why}", start=mark)
        place.change(**{name: before})
    place.wait_rounds()
    assert session.is_there()
    place.change(dry_run="on", protected_roles='nobody, "no, body", app', protected_databases="App")
    log.wait_for(r'WARNING:  idle_terminator: to be protected, but not there: role nobody, role "no, body", database "App"')
    place.change(protected_roles="")
    place.wait_audit("one", "dry run")
    place.change(dry_run="off")
    session.wait_gone()


def test_upgrade(place):
    """A schema of an older version is brought up to date with its data; one of a newer version is left alone."""
    place = place("host")
    place.start_worker()
    place.sql(ALL)
    place.host.stop()
    place.sql("DROP VIEW idle_terminator.session; DROP FUNCTION idle_terminator.seen(); UPDATE idle_terminator.version SET version = 1")
    place.host.start()
    place.host.log.wait_for("schema brought from version 1 to 3")
    place.session("one").wait_gone()
    place.host.stop()
    # Version 2 had the same view over pg_stat_activity.
    view = place.sql("SELECT pg_get_viewdef('idle_terminator.session')")
    assert "idle_terminator.seen() a(" in view
    place.sql("CREATE OR REPLACE VIEW idle_terminator.session AS " + re.sub(r"idle_terminator\.seen\(\) a\([^)]*\)", "pg_stat_activity a", view)
              + "; DROP FUNCTION idle_terminator.seen(); UPDATE idle_terminator.version SET version = 2")
    place.host.start()
    place.host.log.wait_for("schema brought from version 2 to 3")
    assert "seen()" in place.sql("SELECT pg_get_viewdef('idle_terminator.session')")
    place.session("two").wait_gone()
    place.host.stop()
    place.sql("UPDATE idle_terminator.version SET version = 99")
    place.host.start()
    place.host.log.wait_for("ERROR:  schema idle_terminator has version 99, this worker knows up to 3")
    place.host.log.wait_for("HINT:  Use a newer version of the module idle_terminator.")
