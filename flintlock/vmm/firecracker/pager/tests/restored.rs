//! The program with a child of this one in the place of Firecracker: its memory is the file's, whatever it tells harms nobody but
//! itself, and each ends with the other. Without the test harness, whose threads would be lost in the child.

use std::fs;
use std::io::{BufRead, BufReader, IoSlice, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::sys::signal::Signal;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, geteuid, setresuid};

const PAGE: usize = 4096;
const PAGES: usize = 8;
const NOBODY: u32 = 65_534;

/// `struct uffdio_api`, `struct uffdio_register`
#[repr(C)]
pub struct Api([u64; 3]);
#[repr(C)]
pub struct Register([u64; 4]);
nix::ioctl_readwrite!(uffdio_api, 0xAA, 0x3F, Api);
nix::ioctl_readwrite!(uffdio_register, 0xAA, 0x00, Register);
const API_VERSION: u64 = 0xAA;
const MISSING: u64 = 1;
const USER_MODE_ONLY: i32 = 1;

struct Pager {
    folder: PathBuf,
    process: Child,
}

impl Pager {
    /// With a memory file whose pages are filled with 1, 2, 3 and so on.
    fn start(name: &str) -> Pager {
        let folder = std::env::temp_dir().join(format!("tvm-pager-{}-{name}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let memory: Vec<u8> = (0..PAGES).flat_map(|page| [page as u8 + 1; PAGE]).collect();
        fs::write(folder.join("memory"), memory).unwrap();
        let user = geteuid().is_root().then(|| NOBODY.to_string());
        let mut process = Command::new(env!("CARGO_BIN_EXE_tvm-pager"))
            .current_dir(&folder)
            .args(["pager.sock", "memory"])
            .args(user)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Pager { folder, process }
    }

    /// Runs `act` in a child that stands for Firecracker, until it returns or is killed.
    fn with_vmm(&self, act: impl FnOnce(&UnixStream)) -> WaitStatus {
        // SAFETY: this program has one thread.
        match unsafe { fork() }.unwrap() {
            ForkResult::Parent { child } => waitpid(child, None).unwrap(),
            ForkResult::Child => {
                let passed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    if geteuid().is_root() {
                        setresuid(NOBODY.into(), NOBODY.into(), NOBODY.into()).unwrap();
                    }
                    act(&UnixStream::connect(self.folder.join("pager.sock")).unwrap());
                }));
                std::process::exit(i32::from(passed.is_err()));
            }
        }
    }

    /// Its exit code, and what it said.
    fn end(mut self) -> (i32, String) {
        let code = self.process.wait().unwrap().code().unwrap();
        let mut said = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        fs::remove_dir_all(&self.folder).unwrap();
        (code, said)
    }
}

/// Memory that is missing, and the descriptor that tells of it.
fn missing_memory() -> (*const u8, OwnedFd) {
    let length = (PAGES * PAGE).try_into().unwrap();
    // SAFETY: a new mapping; the structures outlive the calls that fill them; the descriptor is this process's own.
    unsafe {
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let start = mmap_anonymous(None, length, protection, MapFlags::MAP_PRIVATE).unwrap();
        let faults = libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | libc::O_NONBLOCK | USER_MODE_ONLY);
        assert!(faults >= 0, "{}", std::io::Error::last_os_error());
        let faults = OwnedFd::from_raw_fd(faults as RawFd);
        uffdio_api(faults.as_raw_fd(), &mut Api([API_VERSION, 0, 0])).unwrap();
        let mut all = Register([start.as_ptr() as u64, (PAGES * PAGE) as u64, MISSING, 0]);
        uffdio_register(faults.as_raw_fd(), &mut all).unwrap();
        (start.as_ptr() as *const u8, faults)
    }
}

fn tell(stream: &UnixStream, text: &str, faults: &OwnedFd) {
    let fds = [faults.as_raw_fd()];
    let message = [IoSlice::new(text.as_bytes())];
    sendmsg::<()>(stream.as_raw_fd(), &message, &[ControlMessage::ScmRights(&fds)], MsgFlags::empty(), None).unwrap();
}

/// All pages but the first two, from the second of the file on.
fn regions(start: *const u8, offset: usize) -> String {
    let (base, size) = (start as usize + 2 * PAGE, (PAGES - 2) * PAGE);
    format!(r#"[{{"base_host_virt_addr":{base},"size":{size},"offset":{offset},"page_size":{PAGE}}}]"#)
}

/// Reads a byte; waits for the pager where nothing is there yet.
fn touch(start: *const u8, page: usize) -> u8 {
    // SAFETY: within the mapping.
    unsafe { start.add(page * PAGE + 17).read_volatile() }
}

fn memory_is_that_of_the_file() {
    let pager = Pager::start("file");
    let ended = pager.with_vmm(|stream| {
        let (start, faults) = missing_memory();
        let (first, rest) = regions(start, PAGE).leak().split_at(20);
        tell(stream, first, &faults);
        std::io::Write::write_all(&mut &*stream, rest.as_bytes()).unwrap();
        for page in [7, 2, 5, 3, 2, 7] {
            assert_eq!(touch(start, page), page as u8);
        }
    });
    assert!(matches!(ended, WaitStatus::Exited(_, 0)), "{ended:?}");
    assert_eq!(pager.end(), (0, String::new()));
}

/// Both are ended by what the VMM does; gives what the pager says.
fn why_both_end(name: &str, act: impl FnOnce(&UnixStream)) -> String {
    let pager = Pager::start(name);
    let ended = pager.with_vmm(act);
    assert!(matches!(ended, WaitStatus::Signaled(_, Signal::SIGKILL, _)), "{ended:?}");
    let (code, said) = pager.end();
    assert_eq!(code, 1, "{said}");
    said
}

fn a_page_outside_of_what_was_told_ends_the_vmm() {
    let said = why_both_end("outside", |stream| {
        let (start, faults) = missing_memory();
        tell(stream, &regions(start, 0), &faults);
        touch(start, 0);
    });
    assert!(said.contains("which is in no region"), "{said}");
}

fn memory_beyond_the_file_is_refused() {
    let said = why_both_end("beyond", |stream| {
        let (start, faults) = missing_memory();
        tell(stream, &regions(start, 3 * PAGE), &faults);
        touch(start, 2);
    });
    assert!(said.contains("has not"), "{said}");
}

fn words_that_mean_nothing_end_both() {
    why_both_end("words", |stream| {
        tell(stream, "{}", &missing_memory().1);
        nix::unistd::pause();
    });
    let said = why_both_end("descriptor", |mut stream| {
        std::io::Write::write_all(&mut stream, b"[]").unwrap();
        nix::unistd::pause();
    });
    assert!(said.contains("no descriptor"), "{said}");
}

fn it_has_no_rights_and_its_socket_is_for_one_user() {
    let mut pager = Pager::start("rights");
    let socket = fs::metadata(pager.folder.join("pager.sock")).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", pager.process.id())).unwrap();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    let folder = fs::read_link(format!("/proc/{}/cwd", pager.process.id())).unwrap();
    pager.process.kill().unwrap();
    pager.process.wait().unwrap();
    fs::remove_dir_all(&pager.folder).unwrap();
    assert_eq!(socket.mode() & 0o777, 0o600);
    assert_eq!((field("NoNewPrivs:").as_str(), folder.to_str()), ("1", Some("/")));
    if geteuid().is_root() {
        assert_eq!((socket.uid(), socket.gid()), (NOBODY, NOBODY));
        assert_eq!(field("Uid:"), [NOBODY.to_string().as_str(); 4].join("\t"));
        assert_eq!((field("CapEff:").as_str(), field("Groups:").as_str()), ("0000000000000000", ""));
    }
}

fn main() {
    let tests: [(&str, fn()); 5] = [
        ("memory is that of the file", memory_is_that_of_the_file),
        ("a page outside of what was told ends the VMM", a_page_outside_of_what_was_told_ends_the_vmm),
        ("memory beyond the file is refused", memory_beyond_the_file_is_refused),
        ("words that mean nothing end both", words_that_mean_nothing_end_both),
        ("it has no rights, and its socket is for one user", it_has_no_rights_and_its_socket_is_for_one_user),
    ];
    let failed = tests.iter().filter(|(name, test)| {
        let passed = std::panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        !passed
    });
    let failed = failed.count();
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {result}. {} passed; {failed} failed; 0 ignored", tests.len() - failed);
    std::process::exit(i32::from(failed > 0));
}
