//! The web server: static files, and hand-over to the app.
