//! Visitors by the hundred.
