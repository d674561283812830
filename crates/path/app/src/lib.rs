//! The app server: releases of the code base, its processes, its restart policy.
