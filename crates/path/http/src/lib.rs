//! The HTTP engine that balancers and web servers share.
