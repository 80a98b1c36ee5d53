//! One request, one handler. Dropping a handler is how a stream is cancelled, so each owns what it must undo.
use crate::agent::Agent;
use crate::failure::Outcome;
use crate::files;
use crate::machine;
use crate::ports;
use crate::process::requests as processes;
use crate::proto::request::Call;
use crate::stream::Stream;
use std::rc::Rc;

pub async fn handle(agent: &Rc<Agent>, call: Call, stream: &Stream) -> Outcome<()> {
    match call {
        Call::Ping(_) => machine::ping(stream).await,
        Call::Configure(request) => machine::configure(agent, request, stream).await,
        Call::GetUsage(_) => machine::get_usage(stream).await,
        Call::Shutdown(request) => machine::shutdown(agent, request),
        Call::StartProcess(request) => processes::start(agent, request, stream).await,
        Call::AttachProcess(request) => processes::attach(agent, request, stream).await,
        Call::SignalProcess(request) => processes::signal(agent, &request),
        Call::ListProcesses(_) => processes::list(agent, stream).await,
        Call::ReadFile(request) => files::read(request, stream).await,
        Call::WriteFile(request) => files::write(request, stream).await,
        Call::StatFile(request) => files::stat(request, stream).await,
        Call::ListFiles(request) => files::list(request, stream).await,
        Call::MakeDirectory(request) => files::make_directory(request, stream).await,
        Call::MoveFile(request) => files::move_file(request, stream).await,
        Call::RemoveFile(request) => files::remove(request).await,
        Call::WatchFiles(request) => files::watch(request, stream).await,
        Call::DialPort(request) => ports::dial(&agent.dials, request, stream).await,
        Call::PrepareInterpreter(request) => processes::prepare(agent, &request, stream).await,
    }
}
