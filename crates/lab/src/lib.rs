//! Every server of the file, on this machine.
