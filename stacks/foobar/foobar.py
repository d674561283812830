"""A guest book. Every page says which server made it, and which database server it was read from."""

import os

from flask import Flask, abort, redirect, render_template, request, url_for

import database

PAGE = 20
NAME_LIMIT = 80
MESSAGE_LIMIT = 1000

# The web server in front sends what is in public/ itself; `flask --app foobar run` alone does it here.
app = Flask(__name__, static_folder="public", static_url_path="")
app.config["MAX_CONTENT_LENGTH"] = 16 * 1024

HERE = {
    "site": os.environ.get("SITE", "foobar"),
    "server": os.environ.get("SERVER", "this machine"),
    "release": os.environ.get("RELEASE", "not released"),
    "name_limit": NAME_LIMIT,
    "message_limit": MESSAGE_LIMIT,
}


@app.context_processor
def here():
    return HERE


@app.get("/")
def book():
    return page()


@app.post("/")
def sign():
    name = " ".join(request.form.get("name", "").split())
    message = request.form.get("message", "").replace("\r\n", "\n").strip()
    problem = mistake(name, message)
    if problem:
        return page(name=name, message=message, problem=problem), 400
    number = database.write(name, message, HERE["server"])
    # See Other: reloading the page that follows does not write a second time.
    return redirect(url_for("book", _anchor=f"entry-{number}"), 303)


@app.get("/health")
def health():
    """Whether this copy can answer. Without the database: a database that is away is no fault of ours."""
    return "ok\n", {"Content-Type": "text/plain; charset=utf-8"}


def page(**form):
    before = request.args.get("before", type=int)
    if before is not None and not 0 < before < 2**63:
        abort(404)
    entries, source = database.read(before, PAGE + 1)
    return render_template(
        "book.html",
        entries=entries[:PAGE],
        older=entries[PAGE - 1]["id"] if len(entries) > PAGE else None,
        newest=before is None,
        source=source,
        **form,
    )


def mistake(name, message):
    """What is wrong with an entry, in words for its author."""
    if not name or not message:
        return "An entry needs a name and a message."
    if len(name) > NAME_LIMIT:
        return f"A name has at most {NAME_LIMIT} characters."
    if len(message) > MESSAGE_LIMIT:
        return f"A message has at most {MESSAGE_LIMIT} characters; this one has {len(message)}."
    return None


@app.errorhandler(database.Unavailable)
def without_database(error):
    app.logger.warning("the database cannot be used: %s", error)
    return (
        render_template(
            "trouble.html",
            title="The book is closed for a moment",
            text="The database does not answer. Please try again shortly.",
        ),
        503,
        {"Retry-After": "2"},
    )


@app.errorhandler(404)
def not_found(_):
    return render_template("trouble.html", title="Nothing here", text="There is no such page."), 404


@app.errorhandler(413)
def too_large(_):
    text = f"A message has at most {MESSAGE_LIMIT} characters."
    return render_template("trouble.html", title="That is too much", text=text), 413


@app.after_request
def headers(response):
    response.headers["Content-Security-Policy"] = "default-src 'self'; frame-ancestors 'none'"
    response.headers["X-Content-Type-Options"] = "nosniff"
    if not request.endpoint == "static":
        response.headers["Cache-Control"] = "no-store"
    return response
