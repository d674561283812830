"""The guest book's database: one connection a thread, and the four things that are asked of it."""

import os
import threading
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

_thread = threading.local()


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
    """This thread's connection; one that broke is opened again."""
    known = getattr(_thread, "connection", None)
    if known is not None:
        known.ping(reconnect=True)
        return known
    _thread.connection = pymysql.connect(
        **options(os.environ.get("DATABASE_URL", "")),
        charset="utf8mb4",
        autocommit=True,
        connect_timeout=2,
        read_timeout=5,
        write_timeout=5,
        init_command="SET time_zone = '+00:00'",
        cursorclass=pymysql.cursors.DictCursor,
    )
    return _thread.connection


def migrate():
    """Creates what is missing. Safe to run at any time, by several servers at once."""
    with connect().cursor() as cursor:
        cursor.execute(SCHEMA)


def read(before, limit):
    """The newest entries (those older than `before`, where it is given) and the server that read them."""

    def work(cursor):
        cursor.execute(
            "SELECT id, name, message, app_server, database_server, written_at FROM entries"
            " WHERE %s IS NULL OR id < %s ORDER BY id DESC LIMIT %s",
            (before, before, limit),
        )
        entries = cursor.fetchall()
        cursor.execute(f"SELECT {OWN_NAME} AS name, SUBSTRING_INDEX(@@version, '-0', 1) AS version")
        return entries, cursor.fetchone()

    return _attempt(work)


def write(name, message, app_server):
    """Adds an entry, which keeps the name of the database server that wrote it. Returns its number."""

    def work(cursor):
        cursor.execute(
            "INSERT INTO entries (name, message, app_server, database_server)"
            f" VALUES (%s, %s, %s, {OWN_NAME})",
            (name, message, app_server),
        )
        return cursor.lastrowid

    return _attempt(work)


def _attempt(work):
    """Does the work; a table that is missing is created first. Nothing is written twice: what fails
    for want of a table has written nothing."""
    try:
        try:
            with connect().cursor() as cursor:
                return work(cursor)
        except pymysql.ProgrammingError as error:
            if error.args[0] != ER.NO_SUCH_TABLE:
                raise
            migrate()
            with connect().cursor() as cursor:
                return work(cursor)
    except (pymysql.OperationalError, pymysql.InterfaceError) as error:
        _thread.connection = None
        raise Unavailable(str(error.args[-1])) from error
