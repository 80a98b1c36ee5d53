//! The messages of guest.proto, generated.
#[allow(clippy::all, clippy::pedantic)]
#[rustfmt::skip]
mod generated;
pub use generated::*;
