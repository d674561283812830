"""The guest book's database: a few connections that all threads share, and what is asked of them."""

import os
import queue
import threading
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

import pymysql
from pymysql.constants import ER

SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    id              BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name            VARCHAR(80) NOT NULL,
    message         VARCHAR(1000) NOT NULL,
    app_server      VARCHAR(64) NOT NULL,
    database_server VARCHAR(255) NOT NULL,
    written_at      TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
) CHARACTER SET utf8mb4
"""

# What a database server calls itself: the name that it reports to other servers, else its machine's.
OWN_NAME = "COALESCE(NULLIF(@@report_host, ''), @@hostname)"

# The database has more visitors than this one program. Who finds all connections busy waits. Writers never take them
# all: a primary that waits for its replica must not keep readers waiting, too.
CONNECTIONS = 16
WRITERS = 8
PATIENCE_SECONDS = 5

# Idle connections, the last one used on top; None stands for one that is yet to be opened.
_idle = queue.LifoQueue()
for _ in range(CONNECTIONS):
    _idle.put(None)
_writers = threading.BoundedSemaphore(WRITERS)


class Unavailable(Exception):
    """The database cannot be used now; the text says why."""


def options(url):
    """The driver's words for `mysql://user:password@host:port/name`."""
    parts = urlsplit(url)
    if parts.scheme != "mysql" or not parts.hostname or len(parts.path) < 2:
        raise Unavailable("DATABASE_URL is not mysql://user:password@host:port/name")
    return {
        "host": parts.hostname,
        "port": parts.port or 3306,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "database": unquote(parts.path[1:]),
    }


def connect():
    return pymysql.connect(
        **options(os.environ.get("DATABASE_URL", "")),
        charset="utf8mb4",
        autocommit=True,
        connect_timeout=2,
        read_timeout=5,
        write_timeout=5,
        init_command="SET time_zone = '+00:00'",
        cursorclass=pymysql.cursors.DictCursor,
    )


@contextmanager
def cursor():
    """A cursor of an idle connection. One that broke while it was idle is opened again."""
    try:
        connection = _idle.get(timeout=PATIENCE_SECONDS)
    except queue.Empty:
        raise Unavailable(f"all {CONNECTIONS} connections are busy") from None
    try:
        if connection is None:
            connection = connect()
        else:
            connection.ping(reconnect=True)
        with connection.cursor() as result:
            yield result
    except (pymysql.OperationalError, pymysql.InterfaceError) as error:
        connection = None
        raise Unavailable(str(error.args[-1])) from error
    finally:
        _idle.put(connection)


def migrate():
    """Creates what is missing. Safe to run at any time, by several servers at once."""
    with cursor() as database:
        database.execute(SCHEMA)


def read(before, limit):
    """The newest entries (those older than `before`, where it is given) and the server that read them."""

    def work(database):
        database.execute(
            "SELECT id, name, message, app_server, database_server, written_at FROM entries"
            " WHERE %s IS NULL OR id < %s ORDER BY id DESC LIMIT %s",
            (before, before, limit),
        )
        entries = database.fetchall()
        database.execute(f"SELECT {OWN_NAME} AS name, SUBSTRING_INDEX(@@version, '-0', 1) AS version")
        return entries, database.fetchone()

    return _migrated(work)


def write(name, message, app_server):
    """Adds an entry, which keeps the name of the database server that wrote it. Returns its number."""

    def work(database):
        database.execute(
            "INSERT INTO entries (name, message, app_server, database_server)"
            f" VALUES (%s, %s, %s, {OWN_NAME})",
            (name, message, app_server),
        )
        return database.lastrowid

    if not _writers.acquire(timeout=PATIENCE_SECONDS):
        raise Unavailable(f"{WRITERS} writers wait already")
    try:
        return _migrated(work)
    finally:
        _writers.release()


def _migrated(work):
    """Does the work; a table that is missing is created first. What fails for want of a table has written
    nothing, so nothing is written twice."""
    try:
        with cursor() as database:
            return work(database)
    except pymysql.ProgrammingError as error:
        if error.args[0] != ER.NO_SUCH_TABLE:
            raise
    migrate()
    with cursor() as database:
        return work(database)
