//! The machine as a whole: who it is, how it fares, its end.
mod boot_id;
mod clock;
mod disks;
mod entropy;
mod identity;
mod network;
mod power;
mod usage;

pub use clock::Yesterday;
pub use identity::configure;
pub use network::set_link_up;
pub use power::{power_off_now, shutdown};
pub use usage::get_usage;

use crate::failure::Outcome;
use crate::proto::{Pong, output};
use crate::stream::Stream;
use std::time::Duration;

pub async fn ping(stream: &Stream) -> Outcome<()> {
    let pong = Pong {
        agent_version: env!("CARGO_PKG_VERSION").into(),
        boot_id: boot_id::current(),
        kernel: nix::sys::utsname::uname()
            .map_or_else(|_| String::new(), |name| name.release().to_string_lossy().into()),
        uptime_ms: uptime().as_millis() as u64,
    };
    stream.send(output::Body::Pong(pong)).await
}

/// Since the kernel started.
pub fn uptime() -> Duration {
    let since = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME);
    since.map_or(Duration::ZERO, Duration::from)
}
