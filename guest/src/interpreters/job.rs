//! The messages to a waiting interpreter: a length (4 bytes, little endian), then texts, each ended by a zero byte.
use crate::process::Plan;

/// Far more than a request and the machine's environment can have, each of which is one frame.
const MAX_BYTES: usize = 1024 * 1024;
/// What the kernel lets one argument or variable of a new process have, with its end.
const MAX_TEXT_BYTES: usize = 128 * 1024 - 1;

/// Asks it to run a sample.
pub fn exercise() -> Vec<u8> {
    frame("exercise\0".into())
}

/// Asks it to become the program, of whose argv the script stands after `options` others. None when it is too large, or
/// contains a zero byte: what becomes of that is the kernel's to say.
pub fn run(plan: &Plan, options: usize) -> Option<Vec<u8>> {
    let input = if plan.request.stdin { "1" } else { "0" };
    let mut texts = vec!["run".to_string(), plan.folder.clone(), input.into(), options.to_string()];
    texts.push(plan.request.argv.len().to_string());
    texts.extend(plan.request.argv.iter().cloned());
    texts.extend(plan.env.iter().map(|(name, value)| format!("{name}={value}")));
    if texts.iter().any(|text| text.len() > MAX_TEXT_BYTES || text.contains('\0')) {
        return None;
    }
    let body: String = texts.into_iter().map(|text| text + "\0").collect();
    (body.len() <= MAX_BYTES).then(|| frame(body))
}

fn frame(body: String) -> Vec<u8> {
    let mut message = (body.len() as u32).to_le_bytes().to_vec();
    message.extend(body.into_bytes());
    message
}
