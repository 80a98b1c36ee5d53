//! Processes started for the host: started, watched, signalled, followed, ended.
mod cgroup;
mod child;
mod descriptor;
mod follow;
mod outlet;
pub mod requests;
mod spawn;
mod supervise;
mod table;
mod users;

pub use cgroup::Cgroups;
pub use supervise::{reap, run_reaper};
pub use table::ProcessTable;
pub use users::find_user;
