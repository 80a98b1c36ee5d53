//! The machine's clock.
use crate::console;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};
use std::time::{Duration, Instant};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const TOLERANCE: Duration = Duration::from_secs(1);

pub fn set_clock(since_1970: Duration) -> nix::Result<()> {
    clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::from_duration(since_1970))
}

fn now() -> nix::Result<Duration> {
    clock_gettime(ClockId::CLOCK_REALTIME).map(Duration::from)
}

/// While it lives the clock shows yesterday. Random generators in programs that go by the clock (OpenSSL's) and that are
/// started meanwhile draw new seed from the kernel as soon as they are used after it; and so each clone of them does.
pub struct Yesterday {
    began: Instant,
    at: Duration,
}

impl Yesterday {
    pub fn begin() -> nix::Result<Self> {
        let at = now()?.saturating_sub(DAY);
        set_clock(at)?;
        Ok(Yesterday { began: Instant::now(), at })
    }
}

impl Drop for Yesterday {
    fn drop(&mut self) {
        let expected = self.at + self.began.elapsed();
        let Ok(shown) = now() else { return };
        // Whoever has set the clock meanwhile knows better.
        if shown.abs_diff(expected) < TOLERANCE
            && let Err(error) = set_clock(shown + DAY)
        {
            console::say(format_args!("cannot set the clock: {error}"));
        }
    }
}
