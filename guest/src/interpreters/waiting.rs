//! One interpreter that waits. Invariant: it is killed when it is dropped without having been given a job.
use super::folder::Folder;
use super::job::{self, Kind};
use super::language::{Language, Start};
use crate::agent::Agent;
use crate::failure::{During, Outcome};
use crate::process::{
    Child, Descriptor, Environment, Launched, Plan, User, environment, find_program, find_user, launch,
};
use crate::proto::StartProcess;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::timeout;

/// Whoever it waits for: programs of other users start anew.
const ROOT: &str = "0";
const READY: &[u8] = b"ready\n";
/// It reads as soon as it runs: one that does not is stuck.
const READING_TIME: Duration = Duration::from_secs(10);
const LAST_WORDS_TIME: Duration = Duration::from_millis(100);
const LAST_WORDS_BYTES: usize = 4096;

pub struct Waiting {
    language: &'static Language,
    channel: Descriptor,
    launched: Option<Launched>,
    user: User,
    env: Environment,
    program: Option<PathBuf>,
    sample: String,
}

impl Waiting {
    /// Starts one, which is not ready yet.
    pub fn start(agent: &Agent, language: &'static Language) -> Outcome<Self> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let pair = socketpair(AddressFamily::Unix, SockType::Stream, None, flags).during(|| "make a socket pair")?;
        let (ours, passed) = pair;
        let channel = Descriptor::new(ours).during(|| "make a socket pair")?;
        let user = find_user(ROOT)?;
        let env = environment(agent, &StartProcess::default(), &user);
        let program = find_program(language.command[0], &env);
        let Start { argv, env: more, folder, sample } = (language.start)(agent, passed.as_raw_fd(), &env)?;
        let request = StartProcess { argv, env: more, stdin: true, user: ROOT.into(), ..StartProcess::default() };
        let launched = launch(agent, &Plan::make(agent, &request)?, Some(passed))?;
        tokio::task::spawn_local(keep(folder, launched.child.clone()));
        Ok(Waiting { language, channel, launched: Some(launched), user, env, program, sample })
    }

    /// Waits for it to say that it is ready; what else it says is why it is not.
    pub async fn until_ready(&self, time: Duration) -> Result<(), String> {
        let Ok(read) = timeout(time, self.channel.read(READY.len() + 1)).await else {
            return Err(format!("the interpreter was not ready within {} s", time.as_secs_f32()));
        };
        // An error is an end too: it has not read what was sent.
        match read.unwrap_or_default().as_slice() {
            READY => Ok(()),
            [] => Err(format!("the interpreter ended{}", self.last_words().await)),
            _ => Err("the interpreter did not answer as it should".into()),
        }
    }

    /// The last line that it has printed about its end.
    async fn last_words(&self) -> String {
        let stderr = self.launched.as_ref().and_then(|launched| launched.ends.stderr.as_ref());
        let Some(stderr) = stderr else { return String::new() };
        let printed = timeout(LAST_WORDS_TIME, stderr.read(LAST_WORDS_BYTES)).await;
        let printed = printed.ok().and_then(Result::ok).unwrap_or_default();
        let text = String::from_utf8_lossy(&printed);
        text.trim().lines().last().map_or_else(String::new, |line| format!(": {line}"))
    }

    pub async fn exercise(&self, agent: &Agent, time: Duration) -> Result<(), String> {
        let argv = self.language.command.iter().map(|word| word.to_string()).chain([self.sample.clone()]).collect();
        let request = StartProcess { argv, user: ROOT.into(), ..StartProcess::default() };
        let plan = Plan::make(agent, &request).map_err(|failure| failure.message)?;
        let job = self.encode(Kind::Exercise, &plan).ok_or("the environment is too large")?;
        // One that does not read is not ready in time either.
        let _ = timeout(time, self.channel.write_all(&job)).await;
        self.until_ready(time).await
    }

    fn encode(&self, kind: Kind, plan: &Plan) -> Option<Vec<u8>> {
        job::encode(kind, plan, self.language.command.len() - 1)
    }

    /// Whether it lives and has said nothing unasked.
    pub fn is_sound(&self) -> bool {
        let lives = self.launched.as_ref().is_some_and(|launched| launched.child.exited().is_none());
        lives && self.channel.is_silent()
    }

    /// Whether a new process, started as planned, would be the same.
    pub fn fits(&self, plan: &Plan) -> bool {
        let request = plan.request;
        let Some([script, ..]) = strip_command(&request.argv, self.language.command) else { return false };
        let folder = Path::new(&plan.folder);
        request.terminal.is_none()
            && plan.user == self.user
            && folder.is_absolute()
            && !script.starts_with('-')
            && folder.join(script).is_file()
            && find_program(self.language.command[0], &plan.env) == self.program
            && self.obeys_the_same(&plan.env)
    }

    fn obeys_the_same(&self, env: &Environment) -> bool {
        let names = env.keys().chain(self.env.keys());
        names.filter(|name| self.language.obeys(name)).all(|name| env.get(name) == self.env.get(name))
    }

    /// Has it become the planned program, which is started then. None when it cannot.
    pub fn run(mut self, plan: &Plan) -> Option<Launched> {
        let job = self.encode(Kind::Run, plan)?;
        let sent = self.channel.write_now(&job).ok()?;
        let mut launched = self.launched.take()?;
        if !plan.request.stdin {
            launched.ends.stdin = None;
        }
        if sent < job.len() {
            tokio::task::spawn_local(send_rest(self, launched.child.clone(), job[sent..].to_vec()));
        }
        Some(launched)
    }
}

async fn keep(folder: Folder, child: Rc<Child>) {
    child.wait().await;
    drop(folder);
}

async fn send_rest(waiting: Waiting, child: Rc<Child>, rest: Vec<u8>) {
    let sent = timeout(READING_TIME, waiting.channel.write_all(&rest)).await;
    if !matches!(sent, Ok(Ok(()))) {
        child.kill();
    }
}

fn strip_command<'a>(argv: &'a [String], command: &[&str]) -> Option<&'a [String]> {
    let begins = argv.len() > command.len() && argv.iter().zip(command).all(|(word, wanted)| word == wanted);
    begins.then(|| &argv[command.len()..])
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(launched) = &self.launched {
            launched.child.kill();
        }
    }
}
