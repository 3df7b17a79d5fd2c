"""Sessions of a client through libpq, in the test's own process.

A test asks its servers hundreds of things; a psql for each is more work than the answers. What is returned is what
`psql -X -A -t -q` prints, and an error's text is the one that psql shows. No call waits for ever: a server that does not
answer in time is an error.
"""

import ctypes
import os
import select
import time

CONNECTION_OK = 0
PGRES_EMPTY_QUERY, PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_FATAL_ERROR = 0, 1, 2, 7

# As psql's environment would be without them: a test says itself whom it connects to.
for _name in [name for name in os.environ if name.startswith("PG")]:
    del os.environ[_name]

_libpq = ctypes.CDLL("libpq.so.5")
for _name, _result, *_arguments in (
        ("PQbackendPID", ctypes.c_int, ctypes.c_void_p), ("PQnotifies", ctypes.c_void_p, ctypes.c_void_p),
        ("PQfreemem", None, ctypes.c_void_p), ("PQconnectdb", ctypes.c_void_p, ctypes.c_char_p), ("PQfinish", None, ctypes.c_void_p),
        ("PQstatus", ctypes.c_int, ctypes.c_void_p), ("PQsocket", ctypes.c_int, ctypes.c_void_p),
        ("PQerrorMessage", ctypes.c_char_p, ctypes.c_void_p), ("PQsendQuery", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p),
        ("PQconsumeInput", ctypes.c_int, ctypes.c_void_p), ("PQisBusy", ctypes.c_int, ctypes.c_void_p),
        ("PQgetResult", ctypes.c_void_p, ctypes.c_void_p), ("PQclear", None, ctypes.c_void_p),
        ("PQresultStatus", ctypes.c_int, ctypes.c_void_p), ("PQresultErrorMessage", ctypes.c_char_p, ctypes.c_void_p),
        ("PQntuples", ctypes.c_int, ctypes.c_void_p), ("PQnfields", ctypes.c_int, ctypes.c_void_p),
        ("PQgetvalue", ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int)):
    _function = getattr(_libpq, _name)
    _function.restype, _function.argtypes = _result, _arguments

# Notices go to nobody, where libpq's own processor would write them to the stderr of the test.
_Processor = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)
_silence = _Processor(lambda _argument, _message: None)
_libpq.PQsetNoticeProcessor.restype = ctypes.c_void_p
_libpq.PQsetNoticeProcessor.argtypes = [ctypes.c_void_p, _Processor, ctypes.c_void_p]


class _Notify(ctypes.Structure):
    """The public part of PGnotify."""
    _fields_ = [("relname", ctypes.c_char_p), ("be_pid", ctypes.c_int), ("extra", ctypes.c_char_p)]


class Failed(AssertionError):
    """What a server, or libpq, says is wrong. `session_lost`: there is no session any more."""

    def __init__(self, text, session_lost):
        super().__init__(text)
        self.session_lost = session_lost


class Session:
    """One session. Of one thread at a time."""

    def __init__(self, conninfo, deadline):
        """Connects. `deadline`: seconds, for this and for each call of sql()."""
        self.deadline = deadline
        self._connection = _libpq.PQconnectdb(
            f"connect_timeout={int(deadline)} fallback_application_name=test {conninfo}".encode())
        if _libpq.PQstatus(self._connection) != CONNECTION_OK:
            problem = self._error()
            self.close()
            raise Failed(f"no connection to {conninfo}: {problem}", session_lost=True)
        _libpq.PQsetNoticeProcessor(self._connection, _silence, None)

    @property
    def pid(self):
        """The pid of the server's process."""
        return _libpq.PQbackendPID(self._connection)

    def notifications(self):
        """What has arrived with the results so far and was not returned before: [(channel, payload)]."""
        found = []
        while (notify := _libpq.PQnotifies(self._connection)) is not None:
            fields = _Notify.from_address(notify)
            found.append((fields.relname.decode(), fields.extra.decode()))
            _libpq.PQfreemem(notify)
        return found

    def close(self):
        if self._connection:
            _libpq.PQfinish(self._connection)
            self._connection = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def sql(self, text):
        """Runs statements in one go, in one transaction unless they say otherwise; returns the rows of all of them, one a
        line, with | between the values."""
        self.send(text)
        return self.result()

    def send(self, text):
        """Begins what sql() does; result() ends it."""
        self._text = text
        if not _libpq.PQsendQuery(self._connection, text.encode()):
            raise self._failed(self._error())

    def result(self):
        """Waits for the end of what send() has begun, and returns what sql() does."""
        rows, problem = [], None
        end = time.monotonic() + self.deadline
        while (result := self._next_result(end)) is not None:
            status = _libpq.PQresultStatus(result)
            if status == PGRES_TUPLES_OK:
                fields = range(_libpq.PQnfields(result))
                rows += ["|".join(_libpq.PQgetvalue(result, row, field).decode(errors="replace") for field in fields)
                         for row in range(_libpq.PQntuples(result))]
            elif status == PGRES_FATAL_ERROR:
                problem = problem or _libpq.PQresultErrorMessage(result).decode(errors="replace")
            elif status not in (PGRES_COMMAND_OK, PGRES_EMPTY_QUERY):
                self.close()
                raise Failed(f"{self._text}: a result of status {status}; COPY is psql's, not this function's", session_lost=True)
            _libpq.PQclear(result)
        if problem is not None:
            raise self._failed(problem)
        return "\n".join(rows).strip()

    def _next_result(self, end):
        while _libpq.PQisBusy(self._connection):
            left = end - time.monotonic()
            if left <= 0 or not select.select([_libpq.PQsocket(self._connection)], [], [], left)[0]:
                self.close()
                raise Failed(f"{self._text}: no answer within {self.deadline:g} s", session_lost=True)
            if not _libpq.PQconsumeInput(self._connection):
                break
        return _libpq.PQgetResult(self._connection)

    def _error(self):
        return _libpq.PQerrorMessage(self._connection).decode(errors="replace")

    def _failed(self, problem):
        lost = _libpq.PQstatus(self._connection) != CONNECTION_OK
        return Failed(f"{self._text}: {problem}", session_lost=lost)
