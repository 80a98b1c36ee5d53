//! Processes started for the host: started, watched, signalled, followed, ended.
mod cgroup;
mod child;
mod descriptor;
mod environment;
mod follow;
mod launch;
mod memory_watch;
mod outlet;
mod preparation;
pub mod requests;
mod spawn;
mod supervise;
mod table;
mod users;

pub use cgroup::Cgroups;
pub use child::Child;
pub use descriptor::Descriptor;
pub use environment::{Environment, environment, find_program};
pub use launch::{Launched, Plan, launch};
pub use memory_watch::run_memory_watch;
pub use supervise::{reap, run_reaper};
pub use table::ProcessTable;
pub use users::{User, find_user};
