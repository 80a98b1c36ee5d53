//! The byte channels that a host may come through.
mod port;
mod sockets;

pub use port::serve_port;
pub use sockets::{serve_unix, serve_vsock};
