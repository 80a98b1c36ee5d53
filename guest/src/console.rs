//! What the agent says on its console, for whoever reads it. Invariant: a console that takes nothing ends nobody.
use std::fmt::Display;
use std::io::Write;

/// One line. Unlike `eprintln!`, which panics when nothing can be written.
pub fn say(message: impl Display) {
    let _ = writeln!(std::io::stderr(), "tvm-agent: {message}");
}
