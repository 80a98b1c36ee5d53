//! The root: an immutable image with a writable layer in memory above it, entered by moving it over the initramfs.
use super::cmdline::Settings;
use super::mounts::mount_at;
use crate::failure::{Code, During, Failure, Outcome};
use nix::mount::{MsFlags, mount};
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

const LOWER: &str = "/image";
const WRITABLE: &str = "/writable";
const ROOT: &str = "/root-to-be";
const DEVICE_DEADLINE: Duration = Duration::from_secs(20);
const DEVICE_POLL: Duration = Duration::from_millis(2);

pub fn enter(settings: &Settings) -> Outcome<()> {
    wait_for(&settings.root_device)?;
    mount_image(settings)?;
    mount_overlay(settings.overlay_percent)?;
    for folder in ["/dev", "/proc", "/sys"] {
        let target = format!("{ROOT}{folder}");
        fs::create_dir_all(&target).during(|| format!("make {target}"))?;
        move_mount(folder, &target)?;
    }
    // Frees the memory of the agent's own file once it has ended; nothing else is left in the initramfs.
    let _ = fs::remove_file("/init");
    switch()
}

fn wait_for(device: &str) -> Outcome<()> {
    let start = Instant::now();
    while !Path::new(device).exists() {
        if start.elapsed() > DEVICE_DEADLINE {
            return Err(Failure::new(Code::NotFound, format!("the root device {device} has not appeared")));
        }
        sleep(DEVICE_POLL);
    }
    Ok(())
}

fn mount_image(settings: &Settings) -> Outcome<()> {
    let Settings { root_device, root_type, .. } = settings;
    fs::create_dir_all(LOWER).during(|| format!("make {LOWER}"))?;
    mount(Some(root_device.as_str()), LOWER, Some(root_type.as_str()), MsFlags::MS_RDONLY, None::<&str>)
        .during(|| format!("mount the root image {root_device} as {root_type}"))
}

fn mount_overlay(percent: u32) -> Outcome<()> {
    mount_at("tmpfs", WRITABLE, MsFlags::empty(), &format!("mode=0755,size={percent}%"))?;
    for folder in ["upper", "work"] {
        fs::create_dir(format!("{WRITABLE}/{folder}")).during(|| format!("make {WRITABLE}/{folder}"))?;
    }
    let layers = format!("lowerdir={LOWER},upperdir={WRITABLE}/upper,workdir={WRITABLE}/work");
    // With it a folder of the image can be renamed; a kernel that lacks it can do without.
    mount_at("overlay", ROOT, MsFlags::empty(), &format!("{layers},redirect_dir=on"))
        .or_else(|_| mount_at("overlay", ROOT, MsFlags::empty(), &layers))
}

fn move_mount(from: &str, to: &str) -> Outcome<()> {
    mount(Some(from), to, None::<&str>, MsFlags::MS_MOVE, None::<&str>)
        .during(|| format!("move the mount {from} to {to}"))
}

fn switch() -> Outcome<()> {
    nix::unistd::chdir(ROOT).during(|| format!("enter {ROOT}"))?;
    move_mount(".", "/")?;
    nix::unistd::chroot(".").during(|| "make the new root the root")?;
    nix::unistd::chdir("/").during(|| "enter the new root")
}
