//! The agent inside each guest. As process 1 it makes the machine and is the init of it; with `--listen` it
//! is an ordinary process that serves the same protocol.
mod agent;
mod boot;
mod channel;
mod connection;
mod console;
mod failure;
mod files;
mod interpreters;
mod machine;
mod ports;
mod process;
mod proto;
mod requests;
mod ring;
mod stream;
mod waiting;
mod wire;

use agent::Agent;
use boot::{Booted, Channel};
use failure::{During, Failure, Outcome};
use std::rc::Rc;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::task::LocalSet;

const FILE_THREADS: usize = 8;
const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);

fn main() {
    if std::process::id() == 1 {
        let failure = run_machine().err();
        console::say(failure.map_or("the channel has ended".into(), |failure| failure.message));
        machine::power_off_now(false);
    }
    if let Err(failure) = run_process() {
        console::say(failure);
        std::process::exit(1);
    }
}

fn run_machine() -> Outcome<()> {
    let Booted { settings, cgroups } = boot::boot()?;
    let agent = Rc::new(Agent::new(true));
    if let Some(cgroups) = cgroups {
        let _ = agent.processes.cgroups.set(cgroups);
    }
    console::say(format_args!("ready after {} ms", machine::uptime().as_millis()));
    run(agent, async |agent| match settings.channel {
        Channel::VirtioSerial => channel::serve_port(agent).await,
        Channel::Vsock(port) => channel::serve_vsock(port, agent).await,
    })
}

fn run_process() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--version"] => {
            println!("tvm-agent {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        ["--listen", address] => listen(address),
        _ => Err(usage()),
    }
}

fn listen(address: &str) -> Outcome<()> {
    let agent = Rc::new(Agent::new(false));
    match address.split_once(':') {
        Some(("unix", path)) => run(agent, async |agent| channel::serve_unix(path, agent).await),
        Some(("vsock", port)) => {
            let port = port.parse().map_err(|_| usage())?;
            run(agent, async |agent| channel::serve_vsock(port, agent).await)
        }
        _ => Err(usage()),
    }
}

fn usage() -> Failure {
    Failure::invalid("usage: tvm-agent --listen unix:PATH|vsock:PORT, or --version")
}

/// Runs the event loop: everything but work on files happens on this one thread. The first thread for files is started
/// at once and none is ever given up: when the machine is out of processes, there is one to do the work.
fn run(agent: Rc<Agent>, serve: impl AsyncFnOnce(&Rc<Agent>) -> Outcome<()>) -> Outcome<()> {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().max_blocking_threads(FILE_THREADS).thread_keep_alive(FOREVER);
    let runtime = builder.build().during(|| "start")?;
    runtime.spawn_blocking(|| ());
    runtime.block_on(LocalSet::new().run_until(async {
        tokio::task::spawn_local(process::run_memory_watch(agent.clone()));
        tokio::select! {
            served = serve(&agent) => served,
            reaped = process::run_reaper(agent.clone()) => reaped.during(|| "wait for processes"),
        }
    }))
}
