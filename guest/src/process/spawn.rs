//! From a request to a process of the table, with everything that serves it.
use super::launch::{Launched, Plan, launch};
use super::outlet::Outlet;
use super::supervise::{pump, supervise};
use super::table::Process;
use crate::agent::Agent;
use crate::failure::Outcome;
use crate::proto::StartProcess;
use std::rc::Rc;

const RETAINED_BYTES: usize = 256 * 1024;
const PASSING_BYTES: usize = 64 * 1024;

/// Has the interpreter that waits for such a request run it, or else starts it anew.
pub fn spawn(agent: &Rc<Agent>, id: String, request: &StartProcess) -> Outcome<Rc<Process>> {
    let plan = Plan::make(agent, request)?;
    let launched = match agent.interpreters.take(&plan) {
        Some(launched) => launched,
        None => launch(agent, &plan, None)?,
    };
    Ok(register(agent, id, request, launched))
}

fn register(agent: &Rc<Agent>, id: String, request: &StartProcess, launched: Launched) -> Rc<Process> {
    let capacity = if request.keep { RETAINED_BYTES } else { PASSING_BYTES };
    let outlets = (Outlet::new(capacity, request.keep), Outlet::new(capacity, request.keep));
    let Launched { child, ends } = launched;
    let process = Process::new(id, request, child, ends.stdin, ends.terminal, outlets);
    agent.processes.insert(process.clone());
    tokio::task::spawn_local(pump(ends.stdout, process.stdout.clone(), process.clone()));
    match ends.stderr {
        Some(stderr) => drop(tokio::task::spawn_local(pump(stderr, process.stderr.clone(), process.clone()))),
        None => process.stderr.finish(),
    }
    tokio::task::spawn_local(supervise(agent.clone(), process.clone(), request.timeout_ms));
    process
}
