//! What all requests share: the processes, the machine's default environment, and which role the agent has.
use crate::interpreters::Interpreters;
use crate::ports::Dials;
use crate::process::ProcessTable;
use std::cell::RefCell;
use std::collections::BTreeMap;

pub struct Agent {
    pub processes: ProcessTable,
    pub interpreters: Interpreters,
    pub dials: Dials,
    pub default_env: RefCell<BTreeMap<String, String>>,
    /// Of processes that name none; empty: root.
    pub default_user: RefCell<String>,
    /// Of processes that name none; empty: their user's home.
    pub default_cwd: RefCell<String>,
    /// Whether this agent is process 1 of a machine, or an ordinary process.
    pub is_init: bool,
}

impl Agent {
    pub fn new(is_init: bool) -> Self {
        let (processes, interpreters) = (ProcessTable::new(), Interpreters::default());
        Agent {
            processes,
            interpreters,
            dials: Dials::default(),
            default_env: RefCell::default(),
            default_user: RefCell::default(),
            default_cwd: RefCell::default(),
            is_init,
        }
    }
}
