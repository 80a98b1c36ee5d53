//! The requests about processes.
use super::follow::{KillUnlessKept, follow, parse_signal};
use super::spawn::spawn;
use crate::agent::Agent;
use crate::failure::{Code, Failure, Outcome};
use crate::files;
use crate::proto::{AttachProcess, PrepareInterpreter, Prepared, ProcessList, SignalProcess, StartProcess, output};
use crate::stream::Stream;
use std::rc::Rc;

pub async fn start(agent: &Rc<Agent>, request: StartProcess, stream: &Stream) -> Outcome<()> {
    agent.processes.admit(&request.id, request.keep)?;
    files::write_inline(&request.files).await?;
    let id = agent.processes.choose_id(&request.id, request.keep)?;
    let process = spawn(agent, id, &request)?;
    let _guard = KillUnlessKept(process.clone());
    follow(&process, 0, 0, stream).await
}

pub async fn attach(agent: &Agent, request: AttachProcess, stream: &Stream) -> Outcome<()> {
    let process = agent.processes.get(&request.id)?;
    if !process.kept {
        let message = format!("process {:?} was not started to be kept", request.id);
        return Err(Failure::new(Code::FailedPrecondition, message));
    }
    follow(&process, request.stdout_offset, request.stderr_offset, stream).await
}

pub fn signal(agent: &Agent, request: &SignalProcess) -> Outcome<()> {
    agent.processes.get(&request.id)?.signal(parse_signal(&request.signal)?)
}

pub async fn list(agent: &Agent, stream: &Stream) -> Outcome<()> {
    let mut processes: Vec<_> = agent.processes.all().iter().map(|process| process.info()).collect();
    processes.sort_by(|a, b| a.id.cmp(&b.id));
    stream.send(output::Body::Processes(ProcessList { processes })).await
}

pub async fn prepare(agent: &Agent, request: &PrepareInterpreter, stream: &Stream) -> Outcome<()> {
    let prepared = match agent.interpreters.prepare(agent, request).await? {
        Ok(()) => Prepared { waits: true, why_not: String::new() },
        Err(why_not) => Prepared { waits: false, why_not },
    };
    stream.send(output::Body::Prepared(prepared)).await
}
