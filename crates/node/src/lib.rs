//! One server: its keeper and its node.
