//! What every long-running part shares: life cycle, descriptors, back-off, secrets.
