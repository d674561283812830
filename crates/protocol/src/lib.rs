//! The messages between Terrace's own processes.
