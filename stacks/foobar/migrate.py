"""Prepares the database for this release: `.venv/bin/python migrate.py`."""

import sys

import pymysql

import database

if __name__ == "__main__":
    try:
        database.migrate()
    except (pymysql.MySQLError, database.Unavailable) as error:
        sys.exit(f"the database could not be prepared: {error}")
    print("the table `entries` is there")
