//! Interpreters that are loaded and wait for one script each, so that a snapshot holds them ready.
//! Invariant: whether one waits changes how fast a process starts, never what it does.
mod folder;
mod job;
mod language;
mod waiting;

use crate::agent::Agent;
use crate::failure::{During, Failure, Outcome};
use crate::machine::Yesterday;
use crate::process::{Launched, Plan};
use crate::proto::PrepareInterpreter;
use language::{LANGUAGES, Language};
use std::time::Duration;
use tokio::sync::Mutex;
use waiting::Waiting;

const DEADLINE: Duration = Duration::from_secs(20);

/// At most one for each language.
pub struct Interpreters {
    slots: [Mutex<Option<Waiting>>; LANGUAGES.len()],
    deadline: Duration,
}

impl Default for Interpreters {
    fn default() -> Self {
        Interpreters { slots: Default::default(), deadline: DEADLINE }
    }
}

impl Interpreters {
    /// Has one wait, that is sound and has done what was asked of it. The inner error says why none does.
    pub async fn prepare(&self, agent: &Agent, request: &PrepareInterpreter) -> Outcome<Result<(), String>> {
        let found = LANGUAGES.iter().position(|language| language.name == request.name);
        let index = found.ok_or_else(|| Failure::invalid(format!("there is no interpreter {:?}", request.name)))?;
        let mut slot = self.slots[index].lock().await;
        // Taken out, so that it is dropped with this call.
        let waiting = match slot.take().filter(Waiting::is_sound) {
            Some(waiting) => Ok(waiting),
            None => self.start(agent, &LANGUAGES[index]).await,
        };
        let waiting = match waiting {
            Ok(waiting) if request.exercise => waiting.exercise(agent, self.deadline).await.map(|()| waiting),
            other => other,
        };
        Ok(waiting.map(|waiting| *slot = Some(waiting)))
    }

    async fn start(&self, agent: &Agent, language: &'static Language) -> Result<Waiting, String> {
        let _yesterday = (language.draws_when_it_starts && agent.is_init).then(Yesterday::begin).transpose();
        let _yesterday = _yesterday.during(|| "set the clock").map_err(|failure| failure.message)?;
        let waiting = Waiting::start(agent, language).map_err(|failure| failure.message)?;
        waiting.until_ready(self.deadline).await?;
        Ok(waiting)
    }

    /// The interpreter that the plan names, which becomes the planned program. None when it does not wait or does not fit.
    pub fn take(&self, plan: &Plan) -> Option<Launched> {
        let index = LANGUAGES.iter().position(|language| language.name == plan.request.interpreter)?;
        let mut slot = self.slots[index].try_lock().ok()?;
        if !slot.as_ref()?.fits(plan) {
            return None;
        }
        slot.take().filter(Waiting::is_sound)?.run(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::wait::waitpid;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use tokio::runtime::Builder;
    use tokio::task::LocalSet;

    fn run(test: impl Future) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(LocalSet::new().run_until(test));
    }

    #[test]
    fn one_that_is_never_ready_is_given_up_and_killed() {
        let folder = std::env::temp_dir().join(format!("tvm-interpreters-test-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let program = folder.join("python3");
        fs::write(&program, "#!/bin/sh\nexec sleep 1000\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        run(async {
            let agent = Agent::new(false);
            let path = format!("{}:/usr/bin:/bin", folder.display());
            agent.default_env.replace([("PATH".to_string(), path)].into());
            let interpreters = Interpreters { deadline: Duration::from_millis(50), ..Interpreters::default() };
            let request = PrepareInterpreter { name: "python".into(), exercise: true };
            let prepared = interpreters.prepare(&agent, &request).await.unwrap();
            assert_eq!(prepared.unwrap_err(), "the interpreter was not ready within 0.05 s");
            let children = agent.processes.children();
            assert_eq!(children.len(), 1);
            let status = waitpid(children[0].pid, None).unwrap();
            assert!(matches!(status, nix::sys::wait::WaitStatus::Signaled(_, nix::sys::signal::Signal::SIGKILL, _)));
        });
        fs::remove_dir_all(folder).unwrap();
    }
}
