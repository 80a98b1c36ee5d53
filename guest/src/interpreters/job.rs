//! The messages to a waiting interpreter: a length (4 bytes, little endian), then texts, each ended by a zero byte.
use crate::process::Plan;

/// Far more than a request and the machine's environment can have, each of which is one frame.
const MAX_BYTES: usize = 1024 * 1024;
/// What the kernel lets one argument or variable of a new process have, with its end.
const MAX_TEXT_BYTES: usize = 128 * 1024 - 1;

/// What an interpreter is asked for: to become the program, or to go through that beside its own self.
#[derive(Clone, Copy)]
pub enum Kind {
    Run,
    Exercise,
}

/// The job of a plan, in whose argv the script stands after the program and `options` others. None when it is too
/// large, or contains a zero byte: what becomes of that is the kernel's to say.
pub fn encode(kind: Kind, plan: &Plan, options: usize) -> Option<Vec<u8>> {
    let kind = match kind {
        Kind::Run => "run",
        Kind::Exercise => "exercise",
    };
    let input = if plan.request.stdin { "1" } else { "0" };
    let mut texts = vec![kind.to_string(), plan.folder.clone(), input.into(), options.to_string()];
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::find_user;
    use crate::proto::StartProcess;

    fn encode_run(argv: &[&str], value: &str) -> Option<Vec<u8>> {
        let argv = argv.iter().map(|word| word.to_string()).collect();
        let request = StartProcess { argv, stdin: true, ..StartProcess::default() };
        let env = [("A".to_string(), value.to_string())].into();
        let user = find_user("0").unwrap();
        encode(Kind::Run, &Plan { request: &request, user, env, folder: "/tmp".into() }, 1)
    }

    #[test]
    fn a_job_is_its_length_and_texts() {
        let body = b"run\0/tmp\x001\x001\x003\0python3\0-u\0/a.py\0A=b=c\0";
        let message = encode_run(&["python3", "-u", "/a.py"], "b=c").unwrap();
        assert_eq!(message, [&(body.len() as u32).to_le_bytes(), body.as_slice()].concat());
    }

    #[test]
    fn what_a_new_process_could_not_have_is_no_job() {
        let large = "x".repeat(MAX_TEXT_BYTES - 2);
        assert!(encode_run(&["python3"], &large).is_some());
        assert!(encode_run(&["python3"], &(large.clone() + "x")).is_none());
        assert!(encode_run(&["pyth\0n3"], "").is_none());
        let three_mebibytes = vec![large.as_str(); 24];
        assert!(encode_run(&three_mebibytes, "").is_none());
        assert!(encode_run(&three_mebibytes[..7], "").is_some());
    }
}
