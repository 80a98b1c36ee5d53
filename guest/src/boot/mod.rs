//! From the initramfs to a machine with its own root: process 1's first half second.
//! Invariant: a boot that fails says why on the console and powers off; it never hangs and never goes on half-made.
mod cmdline;
mod limits;
mod modules;
mod mounts;
mod root;

pub use cmdline::{Channel, Settings};

use crate::failure::{During, Outcome};
use crate::machine;
use crate::process::Cgroups;
use std::fs;
use std::path::Path;

pub struct Booted {
    pub settings: Settings,
    pub cgroups: Option<Cgroups>,
}

/// Makes the machine out of the kernel's bare start, as its command line says.
pub fn boot() -> Outcome<Booted> {
    mounts::mount_early()?;
    mounts::open_console();
    let line = fs::read_to_string("/proc/cmdline").during(|| "read /proc/cmdline")?;
    let settings = Settings::parse(&line)?;
    modules::load_all(Path::new("/modules"), &line)?;
    root::enter(&settings)?;
    mounts::mount_late()?;
    limits::protect_agent();
    limits::raise_descriptor_limit();
    let cgroups = limits::make_cgroups(&settings);
    prepare_files();
    machine::set_link_up("lo").during(|| "bring the loopback interface up")?;
    Ok(Booted { settings, cgroups })
}

/// What programs expect of any system and an image may lack. An image where it cannot be made runs without.
fn prepare_files() {
    let _ = nix::unistd::sethostname("localhost");
    let _ = fs::create_dir_all("/etc");
    let missing = |path: &str| fs::metadata(path).is_err();
    if missing("/etc/hosts") {
        let _ = fs::write("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n");
    }
    if missing("/etc/resolv.conf") {
        // A link to nowhere counts as missing, and is replaced.
        let _ = fs::remove_file("/etc/resolv.conf");
        let _ = fs::write("/etc/resolv.conf", "");
    }
}
